//! Long spans pass at once: the clock of test builds is a file in the data directory.

use serde_json::json;

use crate::world::{World, until, until_answered};

const DEAF: &[(&str, &str)] = &[("hello.conf", "VERSION=2\nHEALTH=deaf\n")];
const MINUTE_MS: u64 = 60_000;

/// So much uptime has passed beyond what really has.
fn passed(world: &World, millis: u64) {
    let directory = world.server.data_dir();
    let next = directory.join("test-clock-ms.next");
    std::fs::write(&next, millis.to_string()).expect("file");
    std::fs::rename(next, directory.join("test-clock-ms")).expect("file");
}

/// A deployment whose instances never come up.
fn deaf(world: &World) -> (windlass::demo::platform::App, String) {
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, DEAF);
    let before = world.app_processes().len();
    let guid = world
        .platform
        .deploy(&app, &droplet, json!({ "strategy": "rolling" }))
        .expect("deployment");
    until("a process of the deaf version", || {
        world.app_processes().len() > before
    });
    (app, guid)
}

fn has_failed_and_is_restored(world: &World, app: &windlass::demo::platform::App, guid: &str) {
    let platform = &world.platform;
    platform.wait_deployment(guid, "CANCELED").expect("outcome");
    let record = world.record(guid);
    assert_eq!(record["outcome"], "failed", "{record}");
    let reason = record["cancel"]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("deadline"), "{record}");
    platform.wait_running(app).expect("running");
    let load = world.visitors(app);
    until_answered(&load, 20);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
}

#[test]
fn a_deployment_without_progress_ends_at_its_deadline() {
    let world = World::new();
    let (app, guid) = deaf(&world);
    passed(&world, 16 * MINUTE_MS);
    has_failed_and_is_restored(&world, &app, &guid);
    world.end();
}

#[test]
fn a_deadline_stands_still_while_windlass_is_down() {
    let mut world = World::new();
    let (app, guid) = deaf(&world);
    world.server.down().expect("down");
    passed(&world, 20 * MINUTE_MS);
    world.server.up().expect("up");
    world.renew();
    let record = world.record(&guid);
    assert_eq!(record["outcome"], json!(null), "{record}");
    passed(&world, 36 * MINUTE_MS);
    has_failed_and_is_restored(&world, &app, &guid);
    world.end();
}

#[test]
fn a_paused_canary_has_no_deadline() {
    let world = World::new();
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, crate::world::TWO);
    let platform = &world.platform;
    let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    passed(&world, 24 * 60 * MINUTE_MS);
    // It can be continued after a day, and then ends by itself.
    platform.resume(&canary).expect("answer").ok().expect("ok");
    platform
        .wait_deployment(&canary, "DEPLOYED")
        .expect("outcome");
    world.end();
}
