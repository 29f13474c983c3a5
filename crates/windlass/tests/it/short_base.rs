//! Cancel when too few instances of the base run, or none: nobody is sent away.

use windlass::demo::census;

use crate::world::{TWO, World, none_failed, until, until_answered, until_gone};

const TIME_TO_SAFE: &str = "x-windlass-time-to-safe-ms";
/// A base that takes its time to come up, so that a cancel has to wait for it.
const SLOW_ONE: &[(&str, &str)] = &[("hello.conf", "VERSION=1\nHEALTH=deaf_1500\n")];
const DEAF: &[(&str, &str)] = &[("hello.conf", "VERSION=3\nHEALTH=deaf\n")];

/// Cancels at the last step of `weights` while the base needs longer than an answer may take.
fn cancel_while_the_base_is_short(weights: &[u32]) {
    let world = World::new();
    let app = world.push_with("hello", 4, SLOW_ONE);
    let droplet = world.stage(&app, TWO);
    let load = world.visitors(&app);
    let platform = &world.platform;
    let canary = platform.canary(&app, &droplet, weights).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    load.section();
    until_answered(&load, 100);
    assert!(load.counts().of("2") > 0, "{:?}", load.counts());

    let answer = platform.cancel(&canary, "too slow").expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.header(TIME_TO_SAFE),
        None,
        "the base can't carry it yet"
    );
    let waits_for = &answer.body["status"]["details"]["waits_for"];
    assert!(waits_for.is_string(), "{}", answer.text);

    let ended = platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    let safe = &ended["status"]["details"]["time_to_safe_ms"];
    assert!(safe.as_f64().is_some_and(|ms| ms > 0.0), "{ended}");
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    assert_eq!(
        platform.instance_states(&app).expect("stats"),
        ["RUNNING"; 4]
    );
    none_failed(load);
    world.end();
}

#[test]
fn cancel_with_some_of_the_base_keeps_capacity() {
    cancel_while_the_base_is_short(&[50]);
}

#[test]
fn cancel_with_none_of_the_base_keeps_the_target_serving() {
    cancel_while_the_base_is_short(&[100]);
}

#[test]
fn cancel_that_accepts_an_outage_takes_the_target_off_at_once() {
    let world = World::new();
    let app = world.push_with("hello", 2, SLOW_ONE);
    let droplet = world.stage(&app, TWO);
    let platform = &world.platform;
    let canary = platform.canary(&app, &droplet, &[100]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    assert_eq!(world.ask(&app, "/").1, "2");

    let headers = [("x-windlass-cancel", "now, accept-outage")];
    let answer = platform.cancel_with(&canary, &headers).expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.header(TIME_TO_SAFE).is_some(), "{}", answer.text);
    let (_, version, _) = world.ask(&app, "/");
    assert_ne!(version, "2");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    platform.wait_running(&app).expect("the base is back");
    assert_eq!(world.ask(&app, "/").1, "1");
    world.end();
}

#[test]
fn a_version_that_never_becomes_healthy_is_canceled_whole() {
    let world = World::new();
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, DEAF);
    let load = world.visitors(&app);
    let before = world.app_processes();
    let platform = &world.platform;
    let rolling = platform
        .deploy(&app, &droplet, serde_json::json!({ "strategy": "rolling" }))
        .expect("deployment");
    until("a process of the deaf version", || {
        world.app_processes().len() > before.len()
    });
    let answer = platform.cancel(&rolling, "deaf").expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    platform
        .wait_deployment(&rolling, "CANCELED")
        .expect("outcome");
    assert_eq!(world.record(&rolling)["cleanup"], "done");
    let now = world.app_processes();
    assert_eq!(now.len(), before.len(), "{now:?}");
    assert_eq!(census::survivors(&before).len(), before.len());
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    none_failed(load);
    world.end();
}

#[test]
fn the_droplet_of_a_base_stays_until_nobody_may_need_it() {
    let world = World::new();
    let app = world.push("hello", 2);
    let platform = &world.platform;
    let current = format!("/v3/apps/{}/droplets/current", app.guid);
    let first = platform.api.get(&current).expect("droplet")["guid"].clone();
    let first = first.as_str().expect("guid");
    let droplet = world.stage(&app, TWO);
    let canary = platform.canary(&app, &droplet, &[100]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    let delete = |guid: &str| {
        let path = format!("/v3/droplets/{guid}");
        let api = &platform.api;
        api.call(http::Method::DELETE, &path, None, &[])
            .expect("answer")
    };
    // It is not the current one, but a cancel would start it again.
    let refused = delete(first);
    assert_eq!(refused.status, 422, "{}", refused.text);
    let load = world.visitors(&app);
    let answer = platform.cancel(&canary, "wrong").expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    load.section();
    until_answered(&load, 50);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    none_failed(load);
    until("the canceled version to be deletable", || {
        delete(&droplet).status == 202
    });
    world.end();
}

#[test]
fn cancel_after_the_base_has_crashed_keeps_the_target_serving() {
    let world = World::new();
    let slow = [("hello.conf", "VERSION=1\nHEALTH=deaf_4000\n")];
    let app = world.push_with("hello", 2, &slow);
    let droplet = world.stage(&app, TWO);
    let base = world.app_processes();
    let platform = &world.platform;
    let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    for seen in census::survivors(&base) {
        let pid = nix::unistd::Pid::from_raw(seen.pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    until_gone(&base);
    // Only what Windlass knows can count in a cancel: it has to have seen that nobody is left.
    until("the canary to serve everything", || {
        world.record(&canary)["shares"]["web"]["target"] == 10_000
    });
    let load = world.visitors(&app);
    until_answered(&load, 20);
    let answer = platform.cancel(&canary, "all at once").expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    load.section();
    until_answered(&load, 50);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    none_failed(load);
    world.end();
}
