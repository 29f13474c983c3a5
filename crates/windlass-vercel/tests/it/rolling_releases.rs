//! Rolling releases: visitors by stages, one at a time, back at once.

use serde_json::{Value, json};
use windlass_engine::id::ReleaseId;
use windlass_engine::release::Outcome;
use windlass_router::Split;

use crate::world::{Answer, World};

const HOST: &str = "shop.apps.windlass.test";
const CONFIG: &str = "/v1/projects/shop/rolling-release/config?teamId=";
const ROLLING: &str = "/v1/projects/shop/rolling-release";

fn manual() -> Value {
    json!({
        "enabled": true,
        "advancementType": "manual-approval",
        "stages": [
            {"targetPercentage": 10},
            {"targetPercentage": 50},
            {"targetPercentage": 100},
        ],
    })
}

fn production() -> Value {
    json!({"target": "production"})
}

/// Two deployments of a project with rolling releases: the current one, and a canary at stage 0.
async fn rolling(world: &World, config: &Value) -> (String, String) {
    let first = world.ready("shop", &json!({})).await;
    let set = world.patch(CONFIG, config).await;
    assert_eq!(set.status, 200, "{:?}", set.body);
    let second = world.ready("shop", &production()).await;
    (first, second)
}

async fn document(world: &World) -> Value {
    let found = world.get(ROLLING).await;
    assert_eq!(found.status, 200, "{:?}", found.body);
    found.body["rollingRelease"].clone()
}

async fn post(world: &World, end: &str, body: &Value) -> Answer {
    world.post(&format!("{ROLLING}/{end}"), body).await
}

async fn serving(world: &World) -> Value {
    let found = world.get(&format!("/v13/deployments/{HOST}")).await;
    found.body["id"].clone()
}

async fn substate(world: &World, id: &str) -> Value {
    let found = world.get(&format!("/v13/deployments/{id}")).await;
    found.body["readySubstate"].clone()
}

/// Shares of the project's own group, by version.
fn shares(world: &World) -> Vec<(String, u16)> {
    let table = world.control.routes().table();
    let own = table
        .groups
        .iter()
        .find(|(name, _)| name.starts_with("prj_") && !name.contains('@'));
    let versions = own.into_iter().flat_map(|(_, group)| &group.versions);
    versions
        .map(|version| (version.id.clone(), version.share))
        .collect()
}

fn share(world: &World, id: &str) -> u16 {
    let shares = shares(world);
    let own = shares.iter().find(|(version, _)| version == id);
    own.map_or(0, |(_, share)| *share)
}

/// The project once its newest move is known to be in force: clients poll for that.
async fn safe(world: &World) -> Value {
    let mut hints = world.control.store().hints();
    let asked = async {
        loop {
            let project = world.get("/v9/projects/shop?rollbackInfo=true").await.body;
            if project["lastAliasRequest"]["jobStatus"] == "succeeded" {
                return project;
            }
            hints.next().await;
        }
    };
    let limit = std::time::Duration::from_mins(1);
    let found = tokio::time::timeout(limit, asked).await;
    found.expect("the move is in force")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_kept_shown_and_taken_away() {
    let world = World::start().await;
    world.post("/v1/projects", &json!({"name": "shop"})).await;
    assert_eq!(
        world.get(CONFIG).await.body,
        json!({"rollingRelease": null})
    );
    assert_eq!(document(&world).await, Value::Null);
    let set = world.patch(CONFIG, &manual()).await;
    assert_eq!(set.status, 200, "{:?}", set.body);
    let config = &set.body["rollingRelease"];
    assert_eq!(config["stages"][2]["targetPercentage"], 100);
    assert_eq!(world.get(CONFIG).await.body, set.body);
    let project = world.get("/v9/projects/shop").await.body;
    assert_eq!(&project["rollingRelease"], config);
    let bad = json!({"enabled": true, "advancementType": "automatic", "stages": []});
    assert_eq!(world.patch(CONFIG, &bad).await.error().0, 400);
    assert_eq!(world.get(CONFIG).await.body, set.body);
    let off = world.patch(CONFIG, &json!({"enabled": false})).await;
    assert_eq!(off.body, json!({"rollingRelease": null}));
    world.patch(CONFIG, &manual()).await;
    assert_eq!(world.delete(CONFIG).await.status, 200);
    let project = world.get("/v9/projects/shop").await.body;
    assert_eq!(project["rollingRelease"], Value::Null);
    let billing = world.get(&format!("{ROLLING}/billing")).await.body;
    assert_eq!(billing["reason"], "unlimited_slots");
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_are_approved_one_by_one_to_the_end() {
    let world = World::start().await;
    let (first, second) = rolling(&world, &manual()).await;
    let begun = document(&world).await;
    assert_eq!(begun["state"], "ACTIVE");
    assert_eq!(begun["currentDeployment"]["id"], first.as_str());
    assert_eq!(begun["canaryDeployment"]["id"], second.as_str());
    assert_eq!(begun["activeStage"]["index"], 0);
    assert_eq!(begun["activeStage"]["requireApproval"], true);
    assert_eq!(begun["activeStage"]["duration"], Value::Null);
    assert_eq!(begun["nextStage"]["targetPercentage"], 50);
    assert_eq!(begun["currentCanaryPercentage"], 10);
    assert_eq!(begun["queuedDeploymentId"], Value::Null);
    assert_eq!(substate(&world, &second).await, "ROLLING");
    assert_eq!(serving(&world).await, first.as_str());
    assert_eq!(share(&world, &second), 1_000);

    let approve = |next: u32, canary: &str| {
        let (next, active) = (next, next - 1);
        json!({
            "nextStageIndex": next,
            "activeStageIndex": active,
            "canaryDeploymentId": canary,
        })
    };
    for (body, status) in [
        (approve(2, &second), 409),
        (approve(1, &first), 409),
        (json!({"canaryDeploymentId": second}), 400),
        (json!({"nextStageIndex": 1}), 400),
    ] {
        let refused = post(&world, "approve-stage", &body).await;
        assert_eq!(refused.error().0, status, "{body}: {:?}", refused.body);
    }
    let done = post(&world, "approve-stage", &approve(1, &second)).await;
    assert_eq!(done.status, 200, "{:?}", done.body);
    assert_eq!(done.body["rollingRelease"]["activeStage"]["index"], 1);
    assert_eq!(share(&world, &second), 5_000);
    // Who approves the stage that another one has approved skips none.
    let late = json!({"nextStageIndex": 1, "canaryDeploymentId": second});
    assert_eq!(post(&world, "approve-stage", &late).await.error().0, 409);
    assert_eq!(document(&world).await["activeStage"]["index"], 1);

    let done = post(&world, "approve-stage", &approve(2, &second)).await;
    let over = &done.body["rollingRelease"];
    assert_eq!(over["state"], "COMPLETE", "{:?}", done.body);
    assert_eq!(over["activeStage"]["isFinalStage"], true);
    assert_eq!(over["nextStage"], Value::Null);
    assert_eq!(serving(&world).await, second.as_str());
    assert_eq!(substate(&world, &second).await, "PROMOTED");
    let project = world.get("/v9/projects/shop").await.body;
    assert_eq!(project["lastAliasRequest"]["type"], "promote");
    assert_eq!(project["lastAliasRequest"]["jobStatus"], "succeeded");
    let filtered = world.get(&format!("{ROLLING}?state=ABORTED")).await;
    assert_eq!(filtered.body["rollingRelease"], Value::Null);
    let unknown = world.get(&format!("{ROLLING}?state=OVER")).await;
    assert_eq!(unknown.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abort_is_in_force_and_says_who_and_why_when_it_answers() {
    let world = World::start().await;
    let (first, second) = rolling(&world, &manual()).await;
    let id = document(&world).await["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let back = format!("/v9/projects/shop/rollback/{second}");
    let wrong = world.post(&back, &json!({})).await;
    assert_eq!(wrong.error().0, 409, "{:?}", wrong.body);
    let path = format!("/v9/projects/shop/rollback/{first}?description=too+slow");
    let done = world.post(&path, &json!({})).await;
    assert_eq!(done.status, 201, "{:?}", done.body);
    assert_eq!(share(&world, &second), 0);
    let over = document(&world).await;
    assert_eq!(over["state"], "ABORTED");
    assert_eq!(over["activeStage"], Value::Null);
    assert_eq!(over["nextStage"], Value::Null);
    assert_eq!(substate(&world, &second).await, "STAGED");
    assert_eq!(serving(&world).await, first.as_str());
    let record = world
        .control
        .release(&ReleaseId::new(id.clone()))
        .expect("kept");
    let restore = record.release.restore.clone().expect("put back");
    assert_eq!(restore.by, "anna");
    assert_eq!(restore.reason.as_deref(), Some("too slow"));
    assert!(matches!(
        record.release.outcome(),
        Some(Outcome::Canceled(_))
    ));
    let project = safe(&world).await;
    let last = &project["lastAliasRequest"];
    assert_eq!(last["type"], "rollback");
    assert_eq!(last["fromRollingReleaseId"], id.as_str());
    assert_eq!(last["toDeploymentId"], first.as_str());
    assert_eq!(project["rollbackDescription"]["description"], "too slow");
    // It may be started again, from its first stage.
    let again = post(&world, "start", &json!({"canaryDeploymentId": second})).await;
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert_eq!(again.body["rollingRelease"]["activeStage"]["index"], 0);
    let done = post(&world, "abort", &json!({})).await;
    assert_eq!(done.body["rollingRelease"]["state"], "ABORTED");
    assert_eq!(post(&world, "abort", &json!({})).await.error().0, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_one_moves_waits_and_the_newest_is_next() {
    let world = World::start().await;
    let (first, second) = rolling(&world, &manual()).await;
    let third = world.ready("shop", &production()).await;
    let kept = json!({"target": "production", "autoAssignCustomDomains": false});
    let fourth = world.ready("shop", &kept).await;
    let active = document(&world).await;
    assert_eq!(active["canaryDeployment"]["id"], second.as_str());
    assert_eq!(active["queuedDeploymentId"], third.as_str());
    assert_eq!(substate(&world, &third).await, "STAGED");
    let path = format!("/v10/projects/shop/promote/{fourth}");
    let queued = world.post(&path, &json!({})).await;
    assert_eq!(queued.status, 202, "{:?}", queued.body);
    let active = document(&world).await;
    assert_eq!(active["canaryDeployment"]["id"], second.as_str());
    assert_eq!(active["queuedDeploymentId"], fourth.as_str());
    let other = post(&world, "start", &json!({"canaryDeploymentId": third})).await;
    assert_eq!(other.error().0, 409, "{:?}", other.body);

    let path = format!("/v9/projects/shop/rollback/{first}");
    assert_eq!(world.post(&path, &json!({})).await.status, 201);
    let next = document(&world).await;
    assert_eq!(next["state"], "ACTIVE");
    assert_eq!(next["canaryDeployment"]["id"], fourth.as_str());
    assert_eq!(next["currentDeployment"]["id"], first.as_str());
    assert_eq!(share(&world, &second), 0);
    assert_eq!(share(&world, &fourth), 1_000);
    let aborted = world.get(&format!("{ROLLING}?state=ABORTED")).await.body;
    let aborted = &aborted["rollingRelease"];
    assert_eq!(aborted["canaryDeployment"]["id"], second.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_is_repeated_without_effect_and_a_promotion_completes() {
    let world = World::start().await;
    let first = world.ready("shop", &json!({})).await;
    let kept = json!({"target": "production", "autoAssignCustomDomains": false});
    let second = world.ready("shop", &kept).await;
    let preview = world.ready("shop", &json!({})).await;
    let start = |id: &str| json!({"canaryDeploymentId": id});
    let off = post(&world, "start", &start(&second)).await;
    assert_eq!(off.error().0, 422, "{:?}", off.body);
    let timed = json!({
        "enabled": true,
        "advancementType": "automatic",
        "canaryResponseHeader": true,
        "stages": [{"targetPercentage": 25, "duration": 5}, {"targetPercentage": 100}],
    });
    world.patch(CONFIG, &timed).await;
    for (id, status) in [
        (first.as_str(), 409),
        (preview.as_str(), 422),
        ("dpl_none", 404),
    ] {
        let refused = post(&world, "start", &start(id)).await;
        assert_eq!(refused.error().0, status, "{id}: {:?}", refused.body);
    }
    let begun = post(&world, "start", &start(&second)).await;
    assert_eq!(begun.status, 200, "{:?}", begun.body);
    assert_eq!(begun.body["rollingRelease"]["activeStage"]["duration"], 300);
    let again = post(&world, "start", &start(&second)).await;
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert_eq!(again.body, begun.body);
    let table = world.control.routes().table();
    let named = table.groups.values().any(|group| {
        matches!(&group.split, Split::Visitors { header: Some(name), .. }
            if name == "x-windlass-version")
    });
    assert!(named, "{:?}", table.groups);
    // Nobody has to approve what ends by itself.
    let body = json!({"nextStageIndex": 1, "canaryDeploymentId": second});
    assert_eq!(post(&world, "approve-stage", &body).await.error().0, 409);

    let path = format!("/v10/projects/shop/promote/{second}");
    assert_eq!(world.post(&path, &json!({})).await.status, 201);
    let over = document(&world).await;
    assert_eq!(over["state"], "COMPLETE");
    assert_eq!(over["activeStage"]["index"], 1);
    assert_eq!(serving(&world).await, second.as_str());
    let project = world.get("/v9/projects/shop").await.body;
    assert_eq!(
        project["lastAliasRequest"]["toDeploymentId"],
        second.as_str()
    );
    assert_eq!(
        post(&world, "complete", &start(&second)).await.error().0,
        409
    );
    // The next promotion goes by stages too, and is completed.
    let third = world.ready("shop", &kept).await;
    let path = format!("/v10/projects/shop/promote/{third}");
    assert_eq!(world.post(&path, &json!({})).await.status, 201);
    assert_eq!(document(&world).await["state"], "ACTIVE");
    let done = post(&world, "complete", &start(&third)).await;
    assert_eq!(done.body["rollingRelease"]["state"], "COMPLETE");
    assert_eq!(serving(&world).await, third.as_str());
}

/// Clients that promoted read the document without looking whether there is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_promotion_has_a_document_too() {
    let world = World::start().await;
    world.post("/v1/projects", &json!({"name": "shop"})).await;
    world.patch(CONFIG, &manual()).await;
    let kept = json!({"target": "production", "autoAssignCustomDomains": false});
    let first = world.ready("shop", &kept).await;
    let path = format!("/v10/projects/shop/promote/{first}");
    let done = world.post(&path, &json!({})).await;
    assert_eq!(done.status, 201, "{:?}", done.body);
    assert_eq!(serving(&world).await, first.as_str());
    let found = document(&world).await;
    assert_eq!(found["state"], "COMPLETE");
    assert_eq!(found["activeStage"]["targetPercentage"], 100);
    assert_eq!(found["currentDeployment"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_configuration_leaves_what_moves_alone() {
    let world = World::start().await;
    let (first, second) = rolling(&world, &manual()).await;
    assert_eq!(world.delete(CONFIG).await.status, 200);
    let active = document(&world).await;
    assert_eq!(active["state"], "ACTIVE");
    assert_eq!(active["stages"].as_array().map(Vec::len), Some(3));
    // A promotion still waits for its turn; then it is everything at once.
    let kept = json!({"target": "production", "autoAssignCustomDomains": false});
    let third = world.ready("shop", &kept).await;
    let path = format!("/v10/projects/shop/promote/{third}");
    assert_eq!(world.post(&path, &json!({})).await.status, 202);
    assert_eq!(serving(&world).await, first.as_str());
    let body = json!({"canaryDeploymentId": second});
    assert_eq!(post(&world, "complete", &body).await.status, 200);
    assert_eq!(serving(&world).await, third.as_str());
}

/// An abort to an older deployment than the current one moves everybody there.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_further_back_aborts_too() {
    let world = World::start().await;
    let first = world.ready("shop", &json!({})).await;
    let second = world.ready("shop", &production()).await;
    world.patch(CONFIG, &manual()).await;
    let third = world.ready("shop", &production()).await;
    let path = format!("/v9/projects/shop/rollback/{first}");
    assert_eq!(world.post(&path, &json!({})).await.status, 201);
    assert_eq!(serving(&world).await, first.as_str());
    let over = document(&world).await;
    assert_eq!(over["state"], "ABORTED");
    assert_eq!(over["canaryDeployment"]["id"], third.as_str());
    assert_eq!(shares(&world), [(first, 10_000)]);
    assert_eq!(substate(&world, &third).await, "STAGED");
    assert_eq!(substate(&world, &second).await, "PROMOTED");
}
