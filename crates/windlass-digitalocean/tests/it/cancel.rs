//! Cancel in each phase: the answer, the tree, the app afterwards.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{World, spec};

fn path(app: &str, deployment: &str) -> String {
    format!("/v2/apps/{app}/deployments/{deployment}/cancel")
}

/// What every canceled deployment looks like.
fn assert_canceled(deployment: &Value, id: &str) {
    assert_eq!(deployment["id"], id);
    assert_eq!(deployment["phase"], "CANCELED", "{deployment:#}");
    let progress = &deployment["progress"];
    assert!(progress["error_steps"].as_u64() >= Some(1), "{progress:#}");
    assert_ne!(progress["success_steps"], progress["total_steps"]);
    assert_eq!(progress.get("running_steps"), None);
    assert_eq!(progress.get("pending_steps"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_deployment_is_canceled_while_it_is_built() {
    let world = World::start().await;
    let (app, deployment) = world.create(&spec("shop")).await;
    world.until_phase(&app, &deployment, "BUILDING").await;
    let canceled = world.post(&path(&app, &deployment), &json!({})).await;
    assert_eq!(canceled.status, 200, "{:?}", canceled.body);
    assert_canceled(&canceled.body["deployment"], &deployment);
    assert!(canceled.headers.contains_key("x-windlass-time-to-safe-ms"));
    let again = world.post(&path(&app, &deployment), &json!({})).await;
    assert_eq!(again.status, 200);
    assert_canceled(&again.body["deployment"], &deployment);
    let shown = world.get(&format!("/v2/apps/{app}")).await.body;
    assert_eq!(shown["app"].get("active_deployment"), None);
    assert_eq!(shown["app"].get("in_progress_deployment"), None);
    assert_eq!(shown["app"]["spec"]["name"], "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_for_its_turn_is_canceled_beside_the_one_that_runs() {
    let world = World::start().await;
    let (app, first) = world.active_app("shop").await;
    let deployments = format!("/v2/apps/{app}/deployments");
    let force = json!({"force_build": true});
    let second = world.post(&deployments, &force).await.deployment();
    let third = world
        .post(&deployments, &json!({"force_build": true, "n": 1}))
        .await
        .deployment();
    let waiting = world.until_phase(&app, &third, "PENDING_BUILD").await;
    assert_eq!(waiting["progress"]["pending_steps"], 6);
    assert_eq!(waiting["phase_last_updated_at"], "0001-01-01T00:00:00Z");
    let shown = world.get(&format!("/v2/apps/{app}")).await.body["app"].clone();
    assert_eq!(shown["pending_deployment"]["id"], third.as_str());
    assert_eq!(shown["in_progress_deployment"]["id"], second.as_str());
    assert_eq!(shown["active_deployment"]["id"], first.as_str());
    let canceled = world.post(&path(&app, &third), &json!({})).await;
    assert_canceled(&canceled.body["deployment"], &third);
    assert_eq!(canceled.body["deployment"]["progress"]["error_steps"], 6);
    let other = world.get(&format!("{deployments}/{second}")).await.body;
    assert_eq!(other["deployment"]["phase"], "BUILDING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_one_that_waits_takes_the_place_of_an_older_one() {
    let world = World::start().await;
    let (app, _) = world.active_app("shop").await;
    let deployments = format!("/v2/apps/{app}/deployments");
    let mut made = Vec::new();
    for number in 0..3 {
        let body = json!({"force_build": true, "n": number});
        made.push(world.post(&deployments, &body).await.deployment());
    }
    let gone = world.until_phase(&app, &made[1], "SUPERSEDED").await;
    assert_eq!(gone["progress"]["error_steps"], 6);
    let refused = world.post(&path(&app, &made[1]), &json!({})).await;
    assert_eq!(refused.status, 400);
    assert!(refused.error().2.contains("is SUPERSEDED and cannot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_never_gets_healthy_is_canceled_and_the_old_one_stays() {
    let world = World::start().await;
    let (app, first) = world.active_app("shop").await;
    world.driver.set_healthy(false);
    let mut changed = spec("shop");
    changed["services"][0]["envs"] = json!([{"key": "COLOR", "value": "green"}]);
    let updated = world
        .put(&format!("/v2/apps/{app}"), &json!({"spec": changed}))
        .await;
    assert_eq!(updated.status, 200, "{:?}", updated.body);
    assert_eq!(updated.body["app"]["spec"], changed);
    let second = updated.deployment();
    world.build(&app).await;
    let moving = world.until_phase(&app, &second, "DEPLOYING").await;
    assert_eq!(moving["previous_deployment_id"], first.as_str());
    assert_eq!(moving["cause"], "app spec updated");
    let canceled = world.post(&path(&app, &second), &json!({})).await;
    let deployment = &canceled.body["deployment"];
    assert_canceled(deployment, &second);
    assert!(deployment["progress"]["success_steps"].as_u64() >= Some(3));
    // The submitted spec stays in the deployment; the app's is that of what serves.
    assert_eq!(deployment["spec"], changed);
    let shown = world.get(&format!("/v2/apps/{app}")).await.body["app"].clone();
    assert_eq!(shown["spec"], spec("shop"));
    assert_eq!(shown["active_deployment"]["id"], first.as_str());
    assert_eq!(shown["active_deployment"]["phase"], "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_not_canceled() {
    let world = World::start().await;
    let (app, first) = world.active_app("shop").await;
    let refused = world.post(&path(&app, &first), &json!({})).await;
    assert_eq!(
        refused.error(),
        (
            400,
            "bad_request",
            format!("deployment {first} is ACTIVE and cannot be canceled").as_str()
        )
    );
    let second = world
        .post(
            &format!("/v2/apps/{app}/deployments"),
            &json!({"force_build": true}),
        )
        .await
        .deployment();
    let build = world.builds(&app).remove(0);
    windlass_control::testing::end_build(&world.control, &build, false)
        .await
        .expect("the build ends");
    let failed = world.until_phase(&app, &second, "ERROR").await;
    let leaf = failed
        .pointer("/progress/steps/0/steps/1/steps/0")
        .expect("a leaf");
    assert_eq!(leaf["status"], "ERROR");
    assert_eq!(leaf["reason"]["code"], "BuildJobExitNonZero");
    assert!(failed["progress"]["error_steps"].as_u64() >= Some(1));
    let refused = world.post(&path(&app, &second), &json!({})).await;
    assert!(refused.error().2.contains("is ERROR and cannot"));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_foreign_and_malformed_ids_are_not_found() {
    let world = World::start().await;
    let (app, deployment) = world.create(&spec("shop")).await;
    let (other, foreign) = world.create(&spec("other")).await;
    let nobody = "3f5b2f9f-b62f-497e-9980-1bda11e879c3";
    for (app, deployment) in [
        (app.as_str(), "sample"),
        (app.as_str(), nobody),
        (app.as_str(), foreign.as_str()),
        (other.as_str(), deployment.as_str()),
        (nobody, deployment.as_str()),
        ("shop", deployment.as_str()),
    ] {
        let refused = world.post(&path(app, deployment), &json!({})).await;
        assert_eq!(refused.error().0, 404, "{app} {deployment}");
        assert_eq!(refused.error().1, "not_found");
        let id = refused.headers["x-request-id"].to_str().expect("text");
        assert_eq!(refused.body["request_id"], id);
    }
    let stranger = world
        .call(Method::POST, "bert", &path(&app, &deployment), None)
        .await;
    assert_eq!(stranger.error().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_told_and_an_odd_one_refused() {
    let world = World::start().await;
    let (app, deployment) = world.create(&spec("shop")).await;
    let cancel = |reason: &'static str| {
        Request::builder()
            .method(Method::POST)
            .uri(path(&app, &deployment))
            .header("authorization", format!("Bearer {}", world.token("anna")))
            .header("x-windlass-reason", reason)
            .body(Body::empty())
            .expect("a request")
    };
    let long: &'static str = Box::leak("x".repeat(300).into_boxed_str());
    assert_eq!(world.send(cancel(long)).await.status, 400);
    let canceled = world.send(cancel("bad numbers")).await;
    assert_eq!(canceled.status, 200);
    let text = canceled.body.to_string();
    assert!(text.contains("canceled by anna"), "{text}");
    assert!(text.contains("bad numbers"), "{text}");
}
