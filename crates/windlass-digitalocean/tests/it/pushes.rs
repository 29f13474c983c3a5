//! Pushes that are reported.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use windlass_control::listing::{Column, Filter};
use windlass_engine::records::AuditEvent;

use crate::world::{Answer, World, spec};

const SECRET: &str = "s3cret";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// An app that is deployed on a push to GitLab.
fn watching() -> Value {
    let mut spec = spec("shop");
    let service = &mut spec["services"][0];
    service["github"] = Value::Null;
    service["gitlab"] = json!({"repo": "acme/shop", "branch": "main", "deploy_on_push": true});
    spec
}

async fn report(world: &World) -> Answer {
    let body = json!({
        "ref": "refs/heads/main",
        "after": COMMIT,
        "checkout_sha": COMMIT,
        "user_username": "anna",
        "project": {"path_with_namespace": "acme/shop"},
        "commits": [{"id": COMMIT, "message": "greener", "author": {"name": "Anna"}}],
    });
    let request = Request::builder()
        .method(Method::POST)
        .uri("/webhooks/gitlab")
        .header("x-gitlab-token", SECRET)
        .header("x-gitlab-event", "Push Hook")
        .body(Body::from(body.to_string()))
        .expect("a request");
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_of_a_push_is_audited_as_any_other() {
    let world = World::start_with_secret(SECRET).await;
    let (app, first) = world.create(&watching()).await;
    world.build(&app).await;
    world.until_phase(&app, &first, "ACTIVE").await;
    let reported = report(&world).await;
    assert_eq!(reported.status, 200, "{:?}", reported.body);
    let made = reported.body["deployments"][0].as_str().expect("an id");
    let filters = vec![
        Filter::is(Column::Target, app.as_str()),
        Filter::is(Column::Kind, "audit.app.deployment.create"),
    ];
    let events = world
        .control
        .store()
        .read(|reader| Ok::<_, windlass_control::Error>(reader.all::<AuditEvent>(filters)?))
        .expect("readable");
    let of_push = events
        .iter()
        .find(|event| event.data["deployment"] == made)
        .expect("an event");
    assert_eq!(of_push.data["commit"], COMMIT);
    assert_eq!(
        (of_push.actor.id.as_str(), of_push.actor.kind.as_str()),
        ("gitlab", "source_host")
    );
    assert_eq!(events.len(), 2, "one for each deployment");
    // The same push once more makes none.
    let again = report(&world).await;
    assert_eq!(again.body["deployments"], json!([]));
}
