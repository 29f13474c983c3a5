//! Going back: validate, roll back, commit, revert; restart.

use serde_json::{Value, json};

use crate::world::{World, spec};

/// An app with two deployments that were built anew: its id and theirs, the newer one active.
async fn two(world: &World) -> (String, String, String) {
    let (app, first) = world.active_app("shop").await;
    let mut changed = spec("shop");
    changed["services"][0]["envs"] = json!([{"key": "COLOR", "value": "green"}]);
    let second = world
        .put(&format!("/v2/apps/{app}"), &json!({"spec": changed}))
        .await
        .deployment();
    world.build(&app).await;
    world.until_phase(&app, &second, "ACTIVE").await;
    (app, first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_pins_the_app_until_it_is_committed() {
    let world = World::start().await;
    let (app, first, second) = two(&world).await;
    let path = format!("/v2/apps/{app}/rollback");
    let body = json!({"deployment_id": first});
    let valid = world.post(&format!("{path}/validate"), &body).await;
    assert_eq!(valid.body, json!({"valid": true}), "{:?}", valid.body);
    let back = world.post(&path, &body).await;
    assert_eq!(back.status, 200, "{:?}", back.body);
    let deployment = &back.body["deployment"];
    assert_eq!(deployment["cloned_from"], first.as_str());
    assert_eq!(deployment["previous_deployment_id"], second.as_str());
    assert_eq!(deployment["cause_details"]["type"], "MANUAL_ROLLBACK");
    assert_eq!(deployment["spec"], spec("shop"));
    let id = back.deployment();
    let active = world.until_phase(&app, &id, "ACTIVE").await;
    let built = active
        .pointer("/progress/steps/0/steps/1/steps/0")
        .expect("a leaf");
    assert_eq!(built["reason"]["code"], "PreviousBuildReused");
    let shown = world.get(&format!("/v2/apps/{app}")).await.body["app"].clone();
    assert_eq!(shown["pinned_deployment"]["id"], id.as_str());
    assert_eq!(shown["spec"], spec("shop"));
    let deployments = format!("/v2/apps/{app}/deployments");
    let refused = world.post(&deployments, &json!({})).await;
    assert_eq!(
        (refused.error().0, refused.error().1),
        (412, "precondition_failed")
    );
    let again = json!({ "deployment_id": second });
    let again = world.post(&format!("{path}/validate"), &again).await;
    assert_eq!(again.body["error"]["code"], "app_pinned");
    let committed = world.post(&format!("{path}/commit"), &json!({})).await;
    assert_eq!((committed.status, &committed.body), (200, &json!({})));
    let twice = world
        .post(&format!("{path}/commit"), &json!({"again": true}))
        .await;
    assert_eq!(twice.error().0, 412);
    let free = world
        .post(&deployments, &json!({"force_build": true}))
        .await;
    assert_eq!(free.status, 200, "{:?}", free.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_reverted_to_what_was_before() {
    let world = World::start().await;
    let (app, first, second) = two(&world).await;
    let path = format!("/v2/apps/{app}/rollback");
    let back = world.post(&path, &json!({"deployment_id": first})).await;
    world.until_phase(&app, &back.deployment(), "ACTIVE").await;
    let revert = world.post(&format!("{path}/revert"), &json!({})).await;
    assert_eq!(revert.status, 200, "{:?}", revert.body);
    assert_eq!(revert.body["deployment"]["cloned_from"], second.as_str());
    world
        .until_phase(&app, &revert.deployment(), "ACTIVE")
        .await;
    let shown = world.get(&format!("/v2/apps/{app}")).await.body["app"].clone();
    assert_eq!(shown.get("pinned_deployment"), None);
    assert_eq!(shown["spec"]["services"][0]["envs"][0]["key"], "COLOR");
    let twice = world
        .post(&format!("{path}/revert"), &json!({"again": true}))
        .await;
    assert_eq!(twice.error().0, 412);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_cannot_go_back_to_is_named() {
    let world = World::start().await;
    let (app, _, second) = two(&world).await;
    let validate = format!("/v2/apps/{app}/rollback/validate");
    let code = async |body: Value| {
        let answer = world.post(&validate, &body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        assert_eq!(answer.body["valid"], false);
        answer.body["error"]["code"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };
    assert_eq!(
        code(json!({"deployment_id": second})).await,
        "incompatible_result"
    );
    let open = world
        .post(
            &format!("/v2/apps/{app}/deployments"),
            &json!({"force_build": true}),
        )
        .await
        .deployment();
    assert_eq!(
        code(json!({"deployment_id": open})).await,
        "incompatible_phase"
    );
    for (body, status) in [
        (json!({}), 400),
        (json!({"deployment_id": 5}), 400),
        (json!({"deployment_id": "x"}), 404),
        (json!({"deployment_id": app}), 404),
    ] {
        assert_eq!(world.post(&validate, &body).await.error().0, status);
        let rollback = format!("/v2/apps/{app}/rollback");
        assert_eq!(world.post(&rollback, &body).await.error().0, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_a_deployment_that_builds_nothing() {
    let world = World::start().await;
    let (app, first) = world.active_app("shop").await;
    let path = format!("/v2/apps/{app}/restart");
    let restarted = world.post(&path, &json!({"components": []})).await;
    assert_eq!(restarted.status, 200, "{:?}", restarted.body);
    let deployment = &restarted.body["deployment"];
    assert_eq!(deployment["previous_deployment_id"], first.as_str());
    assert_eq!(
        deployment["cause_details"]["digitalocean_user_action"]["name"],
        "RESTART"
    );
    world
        .until_phase(&app, &restarted.deployment(), "ACTIVE")
        .await;
    let odd = world.post(&path, &json!({"components": ["nobody"]})).await;
    assert_eq!(odd.error().0, 404);
    let (young, _) = world.create(&spec("young")).await;
    let early = world
        .post(&format!("/v2/apps/{young}/restart"), &json!({}))
        .await;
    assert_eq!(early.error().0, 412);
}
