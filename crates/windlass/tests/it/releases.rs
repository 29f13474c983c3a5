//! Deployments beside canaries: rolling, superseded, in a train, back to a revision, key by key.

use serde_json::{Value, json};
use windlass::demo::platform::App;

use crate::world::{TWO, World, none_failed, until_answered};

const THREE: &[(&str, &str)] = &[("hello.conf", "VERSION=3\n")];
const DEAF_TWO: &[(&str, &str)] = &[("hello.conf", "VERSION=2\nHEALTH=deaf\n")];

fn current_droplet(world: &World, app: &App) -> Value {
    let path = format!("/v3/apps/{}/droplets/current", app.guid);
    world.platform.api.get(&path).expect("droplet")["guid"].clone()
}

fn rolling() -> Value {
    json!({ "strategy": "rolling", "options": { "max_in_flight": 2 } })
}

#[test]
fn a_rolling_deployment_replaces_every_instance() {
    let world = World::new();
    let app = world.push("hello", 3);
    let before = world.app_processes();
    let droplet = world.stage(&app, TWO);
    let load = world.visitors(&app);
    let platform = &world.platform;
    let guid = platform
        .deploy(&app, &droplet, rolling())
        .expect("deployment");
    let ended = platform
        .wait_deployment(&guid, "DEPLOYED")
        .expect("outcome");
    assert_eq!(ended["status"]["value"], "FINALIZED");
    crate::world::until_gone(&before);
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("2"), 100, "{:?}", load.counts());
    assert_eq!(
        platform.instance_states(&app).expect("stats"),
        ["RUNNING"; 3]
    );

    let refused = platform.cancel(&guid, "too late").expect("answer");
    assert_eq!(refused.status, 422, "{}", refused.text);
    let detail = refused.body["errors"][0]["detail"]
        .as_str()
        .unwrap_or_default();
    assert!(detail.contains("DEPLOYED"), "{detail}");
    none_failed(load);
    world.end();
}

#[test]
fn the_first_deployment_of_a_stopped_app_is_deployed_at_once() {
    let world = World::new();
    let platform = &world.platform;
    let app = platform.create_app("hello").expect("app");
    let droplet = world.stage(&app, TWO);
    let body = json!({
        "droplet": { "guid": droplet },
        "strategy": "canary",
        "relationships": { "app": { "data": { "guid": app.guid } } },
    });
    let created = platform
        .api
        .post("/v3/deployments", &body)
        .expect("created");
    assert_eq!(created["status"]["reason"], "DEPLOYED");
    assert_eq!(created["new_processes"], json!([]));
    assert_eq!(created["previous_droplet"]["guid"], Value::Null);
    platform.wait_running(&app).expect("running");
    let guid = created["guid"].as_str().expect("guid");
    assert_eq!(platform.cancel(guid, "late").expect("answer").status, 422);
    assert_eq!(world.ask(&app, "/").1, "2");
    world.end();
}

#[test]
fn a_train_that_is_canceled_returns_to_the_last_good_version() {
    let world = World::new();
    let app = world.push("hello", 3);
    let first = current_droplet(&world, &app);
    let second = world.stage(&app, DEAF_TWO);
    let third = world.stage(&app, THREE);
    let load = world.visitors(&app);
    let platform = &world.platform;
    let failing = platform.deploy(&app, &second, rolling()).expect("second");
    let canary = platform.canary(&app, &third, &[50]).expect("third");
    let superseded = platform
        .wait_deployment(&failing, "SUPERSEDED")
        .expect("outcome");
    assert_eq!(superseded["status"]["value"], "FINALIZED");
    assert_eq!(
        platform.cancel(&failing, "late").expect("answer").status,
        422
    );

    let paused = platform.wait_paused(&canary, 1).expect("paused");
    assert_eq!(paused["previous_droplet"]["guid"], first);
    assert_eq!(current_droplet(&world, &app), json!(third));
    platform
        .cancel(&canary, "back")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    assert_eq!(current_droplet(&world, &app), first);
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    assert_eq!(
        platform.instance_states(&app).expect("stats"),
        ["RUNNING"; 3]
    );
    none_failed(load);
    world.end();
}

#[test]
fn a_new_deployment_beside_a_canceled_one_does_not_change_its_outcome() {
    let world = World::new();
    let app = world.push_with(
        "hello",
        2,
        &[("hello.conf", "VERSION=1\nHEALTH=deaf_1500\n")],
    );
    let second = world.stage(&app, TWO);
    let third = world.stage(&app, THREE);
    let load = world.visitors(&app);
    let platform = &world.platform;
    let canary = platform.canary(&app, &second, &[100]).expect("second");
    platform.wait_paused(&canary, 1).expect("paused");
    let answer = platform.cancel(&canary, "worse").expect("answer");
    assert_eq!(
        answer.body["status"]["reason"], "CANCELING",
        "{}",
        answer.text
    );
    let next = platform.deploy(&app, &third, rolling()).expect("third");
    platform
        .wait_deployment(&next, "DEPLOYED")
        .expect("outcome");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("an accepted cancel ends CANCELED");
    load.section();
    until_answered(&load, 50);
    assert_eq!(load.counts().percent("3"), 100, "{:?}", load.counts());
    none_failed(load);
    world.end();
}

#[test]
fn a_canceled_rollback_can_be_repeated() {
    let world = World::new();
    let app = world.push("hello", 2);
    let platform = &world.platform;
    let deployed = format!("/v3/apps/{}/revisions/deployed", app.guid);
    let revisions = platform.api.get(&deployed).expect("revisions");
    let revision = revisions["resources"][0]["guid"].clone();
    assert!(revision.is_string(), "{revisions}");
    let second = world.stage(&app, TWO);
    let forward = platform.deploy(&app, &second, rolling()).expect("forward");
    platform
        .wait_deployment(&forward, "DEPLOYED")
        .expect("outcome");

    let back = |strategy: &str| {
        let body = json!({
            "revision": { "guid": revision },
            "strategy": strategy,
            "relationships": { "app": { "data": { "guid": app.guid } } },
        });
        let made = platform
            .api
            .post("/v3/deployments", &body)
            .expect("rollback");
        made["guid"].as_str().expect("guid").to_owned()
    };
    let canceled = back("canary");
    platform.wait_paused(&canceled, 1).expect("paused");
    platform
        .cancel(&canceled, "not yet")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canceled, "CANCELED")
        .expect("outcome");
    assert_eq!(world.ask(&app, "/").1, "2");
    let again = back("rolling");
    platform
        .wait_deployment(&again, "DEPLOYED")
        .expect("outcome");
    assert_eq!(world.ask(&app, "/").1, "1");
    world.end();
}

#[test]
fn cancel_restores_key_by_key() {
    let world = World::new();
    let app = world.push("hello", 2);
    let platform = &world.platform;
    let variables = format!("/v3/apps/{}/environment_variables", app.guid);
    let set = |values: Value| platform.api.patch(&variables, &json!({ "var": values }));
    let web = format!("/v3/apps/{}/processes/web", app.guid);
    set(json!({ "KEPT": "base", "MOVED": "base" })).expect("variables");
    let restart = format!("/v3/apps/{}/actions/restart", app.guid);
    platform.api.post(&restart, &Value::Null).expect("restart");
    platform.wait_running(&app).expect("running");
    let first = current_droplet(&world, &app);

    // What a push changes before it creates its deployment belongs to the target.
    set(json!({ "MOVED": "target", "ADDED": "target" })).expect("variables");
    let second = world.stage(&app, TWO);
    let canary = platform.canary(&app, &second, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    // Somebody else's change in between is not undone.
    set(json!({ "KEPT": "somebody else's" })).expect("variables");

    platform
        .cancel(&canary, "env")
        .expect("answer")
        .ok()
        .expect("canceled");
    let ended = platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    let not_restored = &ended["status"]["details"]["not_restored"];
    assert_eq!(not_restored, "env.KEPT", "{ended}");
    let now = platform.api.get(&variables).expect("variables");
    assert_eq!(
        now["var"],
        json!({ "KEPT": "somebody else's", "MOVED": "base" })
    );
    assert_eq!(current_droplet(&world, &app), first);
    let restored = &world.record(&canary)["restored"];
    for key in ["artifact", "env.ADDED", "env.MOVED"] {
        let keys = restored.as_array().expect("list");
        assert!(keys.contains(&json!(key)), "{key} is not in {restored}");
    }
    let (_, version, body) = world.ask(&app, "/env?name=MOVED");
    assert_eq!((version.as_str(), body.as_str()), ("1", "MOVED=base\n"));
    let process = platform.api.get(&web).expect("process");
    assert_eq!(process["instances"], 2);
    world.end();
}
