//! Canaries: create, continue, cancel, with as many and with too few instances of the base.

use serde_json::json;
use windlass::demo::load::Load;

use crate::world::{TWO, World, none_failed, until_answered};

const TIME_TO_SAFE: &str = "x-windlass-time-to-safe-ms";

/// Enough answers to tell 25 from 50 percent.
const SAMPLE: u64 = 200;

fn assert_share(load: &Load, version: &str, percent: u64) {
    load.section();
    until_answered(load, SAMPLE);
    let counts = load.counts();
    let seen = counts.percent(version);
    // Each worker of the router is exact over 100 requests, not over our section.
    assert!(seen.abs_diff(percent) <= 4, "{percent} %: {counts:?}");
}

#[test]
fn a_canary_is_continued_and_canceled_before_the_answer() {
    let world = World::new();
    let app = world.push("hello", 4);
    let droplet = world.stage(&app, TWO);
    let load = world.visitors(&app);
    assert_share(&load, "1", 100);

    let platform = &world.platform;
    let canary = platform
        .canary(&app, &droplet, &[25, 50, 75])
        .expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    assert_share(&load, "2", 25);

    assert_eq!(platform.resume(&canary).expect("answer").status, 200);
    platform.wait_paused(&canary, 2).expect("paused");
    assert_share(&load, "2", 50);

    platform
        .cancel(&canary, "looks bad")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    assert_share(&load, "1", 100);

    // All four instances of the base run: the cancel is in force when it is answered.
    platform.wait_running(&app).expect("running");
    let canary = platform.canary(&app, &droplet, &[25]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    let answer = platform.cancel(&canary, "still bad").expect("answer");
    load.section();
    assert_eq!(answer.status, 200);
    let safe = answer.header(TIME_TO_SAFE).expect("safe at the answer");
    assert!(safe.parse::<f64>().is_ok(), "{safe}");
    let details = &answer.body["status"]["details"];
    assert_eq!(answer.body["status"]["reason"], "CANCELING");
    assert_eq!(details["cancel_reason"], "still bad");
    assert_eq!(details["canceled_by"], "admin");
    until_answered(&load, SAMPLE);
    assert_eq!(load.counts().of("2"), 0, "{:?}", load.counts());

    let ended = platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    assert_eq!(ended["status"]["value"], "FINALIZED");
    assert_eq!(ended["droplet"]["guid"], json!(droplet));
    let record = world.record(&canary);
    assert_eq!(record["outcome"], "canceled");
    assert_eq!(record["cancel"]["reason"], "still bad");
    assert!(record["time_to_safe_ms"].as_f64().is_some(), "{record}");
    none_failed(load);
    world.end();
}
