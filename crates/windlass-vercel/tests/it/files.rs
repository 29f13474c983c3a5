//! Files by their SHA-1.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::world::{Answer, World};

/// SHA-1 of `hello`.
const HELLO: &str = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";

async fn upload(world: &World, headers: &[(&str, &str)], content: &'static str) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri("/v2/now/files?slug=team-anna")
        .header("authorization", format!("Bearer {}", world.token("anna")))
        .header("content-type", "application/octet-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(content)).expect("a request");
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_taken_once_or_often_under_either_header() {
    let world = World::start().await;
    for headers in [
        vec![("x-now-digest", HELLO), ("x-now-size", "5")],
        vec![("x-vercel-digest", HELLO)],
        vec![("x-vercel-digest", HELLO), ("content-length", "5")],
    ] {
        let taken = upload(&world, &headers, "hello").await;
        assert_eq!(
            (taken.status, &taken.body),
            (200, &json!({"urls": []})),
            "{headers:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_announced_otherwise_is_refused() {
    let world = World::start().await;
    for (headers, text) in [
        (vec![], "digest"),
        (vec![("x-now-digest", "abc")], "digest"),
        (vec![("x-now-digest", HELLO), ("x-now-size", "4")], "size"),
        (
            vec![("x-now-digest", HELLO), ("x-now-size", "many")],
            "size",
        ),
    ] {
        let refused = upload(&world, &headers, "hello").await;
        assert_eq!(refused.error().0, 400, "{headers:?}");
        assert!(refused.error().2.contains(text), "{:?}", refused.body);
    }
    let other = upload(&world, &[("x-now-digest", HELLO)], "other").await;
    assert_eq!(
        other.error(),
        (400, "bad_request", "The digest is not valid")
    );
}
