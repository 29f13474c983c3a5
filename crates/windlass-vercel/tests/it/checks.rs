//! Checks: what blocks holds the production hosts back, and says so.

use serde_json::{Value, json};
use windlass_control::Extra;
use windlass_control::commands::Caller;
use windlass_control::commands::cancel_deployment::Cancel;

use crate::world::{Answer, World};

const HOST: &str = "shop.apps.windlass.test";

/// A production deployment that is being built, after one that serves: their ids.
async fn building(world: &World) -> (String, String) {
    let first = world.ready("shop", &json!({})).await;
    let made = world.deploy("shop", &json!({"target": "production"})).await;
    let id = made.body["id"].as_str().expect("an id").to_owned();
    (first, id)
}

async fn register(world: &World, deployment: &str, more: &Value) -> Answer {
    let mut body = json!({"name": "smoke", "blocking": true, "rerequestable": true});
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    let path = format!("/v1/deployments/{deployment}/checks");
    world.post(&path, &body).await
}

async fn check(world: &World, deployment: &str, more: &Value) -> String {
    let made = register(world, deployment, more).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert_eq!(made.body["status"], "registered");
    made.body["id"].as_str().expect("an id").to_owned()
}

async fn update(world: &World, deployment: &str, check: &str, body: &Value) -> Answer {
    let path = format!("/v1/deployments/{deployment}/checks/{check}");
    world.patch(&path, body).await
}

async fn conclude(world: &World, deployment: &str, check: &str, word: &str) {
    let body = json!({"status": "completed", "conclusion": word});
    let done = update(world, deployment, check, &body).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
    assert_eq!(done.body["conclusion"], word);
}

async fn deployment(world: &World, id: &str) -> Value {
    world.get(&format!("/v13/deployments/{id}")).await.body
}

async fn serving(world: &World) -> Value {
    deployment(world, HOST).await["id"].clone()
}

async fn ready(world: &World, id: &str) -> Value {
    world.end_build(id, true).await;
    world
        .until(id, "READY", |answer| answer["readyState"] == "READY")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_wait_for_every_blocking_check() {
    let world = World::start().await;
    let (first, id) = building(&world).await;
    assert_eq!(deployment(&world, &id).await["checksState"], Value::Null);
    let one = check(
        &world,
        &id,
        &json!({"detailsUrl": "https://ci.example.com/1"}),
    )
    .await;
    let two = check(&world, &id, &json!({"name": "visual"})).await;
    let loose = check(&world, &id, &json!({"name": "hint", "blocking": false})).await;
    assert_eq!(deployment(&world, &id).await["checksState"], "registered");
    let held = ready(&world, &id).await;
    assert_eq!(held["aliasAssigned"], false);
    assert_eq!(held["aliasError"], Value::Null);
    assert_eq!(held["checks"]["deployment-alias"]["state"], "pending");
    assert_eq!(serving(&world).await, first.as_str());
    // One that comes while they are held back counts too.
    let late = check(&world, &id, &json!({"name": "late"})).await;
    let path = format!("/v12/deployments/{id}/cancel");
    let refused = world.patch(&path, &json!({})).await;
    let (status, _, text) = refused.error();
    assert_eq!(status, 400);
    assert!(text.contains("windlass deployment cancel"), "{text}");

    update(&world, &id, &one, &json!({"status": "running"})).await;
    assert_eq!(deployment(&world, &id).await["checksState"], "running");
    conclude(&world, &id, &one, "succeeded").await;
    conclude(&world, &id, &two, "neutral").await;
    conclude(&world, &id, &loose, "failed").await;
    assert_eq!(serving(&world).await, first.as_str());
    conclude(&world, &id, &late, "skipped").await;
    assert_eq!(serving(&world).await, id.as_str());
    let done = deployment(&world, &id).await;
    assert_eq!(done["aliasAssigned"], true);
    assert_eq!(done["checksState"], "completed");
    assert_eq!(done["checksConclusion"], "succeeded");
    assert_eq!(done["checks"]["deployment-alias"]["state"], "succeeded");

    // What has been decided is not decided otherwise.
    let body = json!({"status": "completed", "conclusion": "failed"});
    assert_eq!(update(&world, &id, &one, &body).await.error().0, 400);
    assert_eq!(register(&world, &id, &json!({})).await.error().0, 400);
    let again = format!("/v1/deployments/{id}/checks/{one}/rerequest");
    assert_eq!(world.post(&again, &json!({})).await.error().0, 400);
    assert_eq!(serving(&world).await, id.as_str());
    let told = update(&world, &id, &one, &json!({"output": {"metrics": null}})).await;
    assert_eq!(told.status, 200, "{:?}", told.body);
    let listed = world.get(&format!("/v1/deployments/{id}/checks")).await;
    assert_eq!(listed.body["checks"].as_array().map(Vec::len), Some(4));
    let runs = world.get(&format!("/v2/deployments/{id}/check-runs")).await;
    assert_eq!(runs.body["runs"][0]["conclusion"], "succeeded");
    assert_eq!(runs.body["runs"][2]["blocks"], "none");
    let hint = check(&world, &id, &json!({"name": "after", "blocking": false})).await;
    let shown = format!("/v1/deployments/{id}/checks/{hint}");
    assert_eq!(world.get(&shown).await.body["deploymentId"], id.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_keeps_the_hosts_from_it() {
    for conclusion in ["failed", "canceled"] {
        let world = World::start().await;
        let (first, id) = building(&world).await;
        let one = check(&world, &id, &json!({})).await;
        ready(&world, &id).await;
        conclude(&world, &id, &one, conclusion).await;
        let refused = deployment(&world, &id).await;
        assert_eq!(refused["readyState"], "READY");
        assert_eq!(refused["readySubstate"], "STAGED");
        assert_eq!(refused["aliasAssigned"], false);
        assert_eq!(refused["aliasError"]["code"], "checks_failed");
        assert_eq!(refused["checksState"], "completed");
        assert_eq!(refused["checksConclusion"], conclusion);
        assert_eq!(refused["checks"]["deployment-alias"]["state"], "failed");
        // Clients that follow the log take hosts that were told there for a success.
        let path = format!("/v3/deployments/{id}/events?follow=1&format=lines");
        let stream = world.get(&path).await.body;
        let stream = stream.as_str().expect("lines");
        assert!(!stream.contains("alias-assigned"), "{stream}");
        assert_eq!(serving(&world).await, first.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_may_end_before_the_build_and_be_asked_for_again() {
    let world = World::start().await;
    let (first, id) = building(&world).await;
    let one = check(&world, &id, &json!({})).await;
    conclude(&world, &id, &one, "failed").await;
    let again = format!("/v1/deployments/{id}/checks/{one}/rerequest?autoUpdate=true");
    let asked = world.post(&again, &json!({})).await;
    assert_eq!((asked.status, &asked.body), (200, &json!({})));
    let held = ready(&world, &id).await;
    assert_eq!(held["checksState"], "running");
    assert_eq!(serving(&world).await, first.as_str());
    conclude(&world, &id, &one, "succeeded").await;
    assert_eq!(serving(&world).await, id.as_str());

    let made = world.deploy("shop", &json!({"target": "production"})).await;
    let next = made.body["id"].as_str().expect("an id").to_owned();
    let one = check(&world, &next, &json!({"rerequestable": false})).await;
    let again = format!("/v1/deployments/{next}/checks/{one}/rerequest");
    assert_eq!(world.post(&again, &json!({})).await.error().0, 400);
    conclude(&world, &next, &one, "succeeded").await;
    ready(&world, &next).await;
    assert_eq!(serving(&world).await, next.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_cancels_what_was_not_over() {
    let world = World::start().await;
    let (_, id) = building(&world).await;
    let one = check(&world, &id, &json!({})).await;
    let two = check(&world, &id, &json!({"blocking": false})).await;
    conclude(&world, &id, &one, "succeeded").await;
    let path = format!("/v12/deployments/{id}/cancel");
    let canceled = world.patch(&path, &json!({})).await;
    assert_eq!(canceled.status, 200, "{:?}", canceled.body);
    assert_eq!(canceled.body["checksState"], "completed");
    let listed = world
        .get(&format!("/v1/deployments/{id}/checks"))
        .await
        .body;
    let words = listed["checks"].as_array().expect("a list").iter();
    let words: Vec<&Value> = words.map(|check| &check["conclusion"]).collect();
    assert_eq!(words, ["succeeded", "canceled"]);
    let body = json!({"status": "running"});
    assert_eq!(update(&world, &id, &two, &body).await.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_that_is_canceled_leaves_it_ready_and_says_so() {
    let world = World::start().await;
    let (first, id) = building(&world).await;
    check(&world, &id, &json!({})).await;
    ready(&world, &id).await;
    let state = world
        .control
        .find_build(&id.as_str().into())
        .expect("readable");
    let app = state.expect("kept").app;
    let engine = world.control.state(&app).expect("readable").expect("there");
    let release = engine.in_flight().expect("held back").id.clone();
    let caller = Caller {
        name: "admin".to_owned(),
        client: None,
    };
    let cancel = Cancel::default();
    world
        .control
        .cancel_deployment(&release, cancel, &caller, Extra::default())
        .await
        .expect("canceled");
    let canceled = deployment(&world, &id).await;
    assert_eq!(canceled["readyState"], "READY");
    assert_eq!(canceled["readySubstate"], "STAGED");
    assert_eq!(canceled["aliasError"]["code"], "canceled");
    assert_eq!(canceled["checksState"], "completed");
    assert_eq!(canceled["checksConclusion"], "canceled");
    assert_eq!(serving(&world).await, first.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_release_waits_for_checks_too() {
    let world = World::start().await;
    let first = world.ready("shop", &json!({})).await;
    let config = json!({
        "enabled": true,
        "advancementType": "manual-approval",
        "stages": [{"targetPercentage": 10}, {"targetPercentage": 100}],
    });
    let path = "/v1/projects/shop/rolling-release/config";
    assert_eq!(world.patch(path, &config).await.status, 200);
    let made = world.deploy("shop", &json!({"target": "production"})).await;
    let id = made.body["id"].as_str().expect("an id").to_owned();
    let one = check(&world, &id, &json!({})).await;
    let held = ready(&world, &id).await;
    assert_eq!(held["readySubstate"], "STAGED");
    assert_eq!(held["aliasAssigned"], false);
    let path = "/v1/projects/shop/rolling-release";
    assert_eq!(world.get(path).await.body["rollingRelease"], Value::Null);
    conclude(&world, &id, &one, "succeeded").await;
    let found = world.get(path).await.body;
    assert_eq!(found["rollingRelease"]["state"], "ACTIVE");
    assert_eq!(found["rollingRelease"]["activeStage"]["index"], 0);
    assert_eq!(
        found["rollingRelease"]["currentDeployment"]["id"],
        first.as_str()
    );
    let path = "/v1/projects/shop/rolling-release/approve-stage";
    let body = json!({"canaryDeploymentId": id, "nextStageIndex": 1});
    let done = world.post(path, &body).await;
    assert_eq!(
        done.body["rollingRelease"]["state"], "COMPLETE",
        "{:?}",
        done.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let world = World::start().await;
    let (_, id) = building(&world).await;
    for bad in [
        json!({"name": null}),
        json!({"blocking": null}),
        json!({"name": "x".repeat(101)}),
        json!({"path": 1}),
    ] {
        assert_eq!(register(&world, &id, &bad).await.error().0, 400, "{bad}");
    }
    let one = check(&world, &id, &json!({})).await;
    for bad in [
        json!({"status": "completed"}),
        json!({"status": "registered"}),
        json!({"status": "running", "conclusion": "failed"}),
        json!({"conclusion": "stale"}),
        json!({"output": []}),
    ] {
        let refused = update(&world, &id, &one, &bad).await;
        assert_eq!(refused.error().0, 400, "{bad}: {:?}", refused.body);
    }
    let unknown = update(&world, &id, "check_none", &json!({})).await;
    assert_eq!(unknown.error(), (404, "not_found", "Check not found"));
    for count in 2..=50 {
        let made = register(&world, &id, &json!({"name": format!("c{count}")})).await;
        assert_eq!(made.status, 200, "{:?}", made.body);
    }
    assert_eq!(register(&world, &id, &json!({})).await.error().0, 400);
    // A preview takes no hosts that could be held back.
    let preview = world.deploy("shop", &json!({})).await;
    let preview = preview.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(register(&world, &preview, &json!({})).await.error().0, 400);
}
