//! Requests that clients send again.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{World, spec};

fn request(
    world: &World,
    method: Method,
    path: &str,
    id: Option<&str>,
    body: &Value,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", world.token("anna")))
        .header("content-type", "application/json");
    if let Some(id) = id {
        request = request.header("x-ms-client-request-id", id);
    }
    request
        .body(Body::from(body.to_string()))
        .expect("a request")
}

/// Sends a request whose answer never reaches its client.
async fn lose(world: &World, request: Request<Body>) {
    let response = world
        .router
        .clone()
        .oneshot(request)
        .await
        .expect("never fails");
    assert_eq!(response.status().as_u16(), 200);
    drop(response);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_was_lost_gives_the_app() {
    let world = World::start().await;
    let body = json!({"spec": spec("shop")});
    lose(
        &world,
        request(&world, Method::POST, "/v2/apps", None, &body),
    )
    .await;
    let again = world.post("/v2/apps", &body).await;
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert!(again.body["app"]["pending_deployment"]["id"].is_string());
    assert_eq!(world.get("/v2/apps").await.body["meta"]["total"], 1);
    assert_eq!(world.control.repeats().count(), 1);
    // That answer arrived: one more is a request of its own.
    assert_eq!(world.post("/v2/apps", &body).await.error().0, 409);
    assert_eq!(world.control.repeats().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_whose_answer_was_lost_is_not_made_twice() {
    let world = World::start().await;
    let (app, _) = world.active_app("shop").await;
    let path = format!("/v2/apps/{app}/deployments");
    let body = json!({"force_build": true});
    lose(&world, request(&world, Method::POST, &path, None, &body)).await;
    let again = world.post(&path, &body).await.deployment();
    assert_eq!(world.get(&path).await.body["meta"]["total"], 2);
    let other = world.post(&path, &body).await.deployment();
    assert_ne!(again, other);
    assert_eq!(world.get(&path).await.body["meta"]["total"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_whose_answer_was_lost_is_answered_as_the_first() {
    let world = World::start().await;
    let (app, _) = world.create(&spec("shop")).await;
    let path = format!("/v2/apps/{app}");
    let delete = || {
        Request::builder()
            .method(Method::DELETE)
            .uri(&path)
            .header("authorization", format!("Bearer {}", world.token("anna")))
            .header("content-type", "application/json")
            .body(Body::empty())
            .expect("a request")
    };
    lose(&world, delete()).await;
    let again = world.send(delete()).await;
    assert_eq!((again.status, &again.body), (200, &json!({"id": app})));
    assert_eq!(world.send(delete()).await.error().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_id_gives_the_first_answer_for_a_day() {
    let world = World::start().await;
    let (app, _) = world.active_app("shop").await;
    let path = format!("/v2/apps/{app}/deployments");
    let send = |id: &'static str| {
        world.send(request(
            &world,
            Method::POST,
            &path,
            Some(id),
            &json!({"force_build": true}),
        ))
    };
    let first = send("one").await.deployment();
    assert_eq!(send("one").await.deployment(), first);
    assert_ne!(send("two").await.deployment(), first);
    assert_eq!(world.get(&path).await.body["meta"]["total"], 3);
}
