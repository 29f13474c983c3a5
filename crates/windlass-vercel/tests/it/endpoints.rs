//! Every endpoint that the router has: who may call it at all, and that nothing odd breaks it.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;
use windlass_vercel::server::endpoints;
use windlass_wire::endpoints::Endpoint;

use crate::world::{Answer, World};

/// Values of path parameters.
const ODD: [&str; 6] = ["none", "%00", "..%2f..", "%ff", "a%20b", "%F0%9F%92%A5"];

fn filled(path: &str, value: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { value } else { part });
    parts.collect::<Vec<&str>>().join("/")
}

async fn call(world: &World, user: Option<&str>, endpoint: &Endpoint, path: &str) -> Answer {
    let method: Method = endpoint.method.parse().expect("a method");
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json");
    if let Some(user) = user {
        request = request.header("authorization", format!("Bearer {}", world.token(user)));
    }
    let request = request.body(Body::from("{}")).expect("a request");
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn none_answers_without_a_token() {
    let world = World::start().await;
    for endpoint in endpoints() {
        let path = filled(&endpoint.path, "none");
        let answer = call(&world, None, &endpoint, &path).await;
        assert_eq!(answer.status, 403, "{endpoint:?}: {:?}", answer.body);
        assert_eq!(answer.body["error"]["missingToken"], true, "{endpoint:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_breaks_on_odd_paths_and_queries() {
    let world = World::start().await;
    for endpoint in endpoints() {
        for odd in ODD {
            for query in ["", "?limit=0", "?until=x&teamId=%ff", "?=&&a[b]=%zz"] {
                let path = format!("/v9{}{query}", filled(&endpoint.path, odd));
                let answer = call(&world, Some("anna"), &endpoint, &path).await;
                let at = format!("{} {path}: {:?}", endpoint.method, answer.body);
                assert!(answer.status < 500 || answer.status == 501, "{at}");
                if answer.status >= 400 {
                    assert!(answer.body["error"]["code"].is_string(), "{at}");
                    assert!(answer.body["error"]["message"].is_string(), "{at}");
                }
            }
        }
    }
}

/// A user of another team is told the same of what exists and of what does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nothing() {
    let world = World::start().await;
    let made = world.post("/v1/projects", &json!({"name": "shop"})).await;
    let id = made.body["id"].as_str().expect("an id");
    for endpoint in endpoints() {
        if !endpoint.path.starts_with("/projects/{project}") {
            continue;
        }
        let path = filled(&endpoint.path, id);
        let answer = call(&world, Some("bert"), &endpoint, &path).await;
        assert_eq!(answer.status, 404, "{endpoint:?}: {:?}", answer.body);
        let path = filled(&endpoint.path, "prj_000000000000000000000000000x");
        let unknown = call(&world, Some("bert"), &endpoint, &path).await;
        assert_eq!(answer.body, unknown.body, "{endpoint:?}");
    }
}
