//! `down` and `up` in the middle of things: nothing is decided by it.

use windlass::demo::census;

use crate::adoption::{WAIT_FOR, go, waiting};
use crate::survivors::builds_run_packages;
use crate::world::{TWO, World, archive, none_failed, until, until_answered};

#[test]
fn down_and_up_in_the_middle_of_a_canary() {
    let mut world = World::new();
    let app = world.push("hello", 4);
    let droplet = world.stage(&app, TWO);
    let canary = world
        .platform
        .canary(&app, &droplet, &[25, 50])
        .expect("canary");
    world.platform.wait_paused(&canary, 1).expect("paused");
    let task = world.platform.run_task(&app, "sleep 600").expect("task");
    world.platform.wait_task(&task, "RUNNING").expect("running");

    world.server.down().expect("down");
    assert_eq!(world.server.census(), []);
    world.server.up().expect("up");
    world.renew();
    let platform = &world.platform;
    let ended = platform.wait_task(&task, "FAILED").expect("end");
    let reason = &ended["result"]["failure_reason"];
    assert_eq!(reason, "Unable to determine completion status");
    platform.wait_paused(&canary, 1).expect("still paused");
    platform.wait_running(&app).expect("running");
    until("both versions", || {
        let load = world.visitors(&app);
        until_answered(&load, 100);
        load.counts().percent("2").abs_diff(25) <= 5
    });
    let load = world.visitors(&app);
    platform
        .cancel(&canary, "after all")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    load.section();
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    none_failed(load);
    world.end();
}

#[test]
fn down_and_up_in_the_middle_of_a_cancel() {
    let mut world = World::new();
    let slow = [("hello.conf", "VERSION=1\nHEALTH=deaf_2000\n")];
    let app = world.push_with("hello", 2, &slow);
    let droplet = world.stage(&app, TWO);
    let canary = world
        .platform
        .canary(&app, &droplet, &[100])
        .expect("canary");
    world.platform.wait_paused(&canary, 1).expect("paused");
    let answer = world.platform.cancel(&canary, "back").expect("answer");
    assert_eq!(
        answer.body["status"]["reason"], "CANCELING",
        "{}",
        answer.text
    );

    world.server.down().expect("down");
    assert_eq!(world.server.census(), []);
    world.server.up().expect("up");
    world.renew();
    let ended = world
        .platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    assert_eq!(ended["status"]["details"]["cancel_reason"], "back");
    world.platform.wait_running(&app).expect("running");
    assert_eq!(world.ask(&app, "/").1, "1");
    world.end();
}

#[test]
fn sigterm_of_up_keeps_the_apps_and_the_next_up_adopts_them() {
    let mut world = World::new();
    let app = world.push("hello", 3);
    let instances = world.app_processes();
    world.server.terminate().expect("terminate");
    let left: Vec<_> = world
        .server
        .census()
        .into_iter()
        .filter(|seen| {
            let role = seen.arguments.get(1).map_or("", String::as_str);
            ["up", "control", "router"].contains(&role)
        })
        .collect();
    assert_eq!(left, [], "roles end with `up`");
    assert_eq!(census::survivors(&instances).len(), instances.len());
    world.server.up().expect("up");
    world.renew();
    assert_eq!(
        world.platform.instance_states(&app).expect("stats"),
        ["RUNNING"; 3]
    );
    assert_eq!(world.ask(&app, "/").0, 200);
    assert_eq!(census::survivors(&instances).len(), instances.len());
    world.end();
}

#[test]
fn a_build_starts_again_and_a_canceled_task_stays_canceled_over_down_and_up() {
    let mut world = World::new();
    let app = world.push("hello", 1);
    builds_run_packages(&world);
    let platform = &world.platform;
    let waits = [("while-building.sh", WAIT_FOR)];
    let package = platform.upload(&app, &archive(&waits)).expect("package");
    let build = platform.build(&package).expect("build");
    let task = platform
        .run_task(&app, "./hello task-ignore-term")
        .expect("task");
    waiting(&world, "bin/supply");
    until("the task", || {
        let found = world.app_processes();
        found.iter().any(|seen| seen.command().contains("orphan"))
    });
    let answer = platform.cancel_task(&task).expect("answer");
    assert_eq!(answer.body["state"], "CANCELING", "{}", answer.text);

    world.server.down().expect("down");
    assert_eq!(world.server.census(), []);
    world.server.up().expect("up");
    world.renew();
    let platform = &world.platform;
    let ended = platform.wait_task(&task, "FAILED").expect("end");
    assert_eq!(ended["result"]["failure_reason"], "task was cancelled");
    // The same build runs once more, from its source.
    go(&waiting(&world, "bin/supply"));
    platform.droplet_of(&build).expect("droplet");
    world.end();
}
