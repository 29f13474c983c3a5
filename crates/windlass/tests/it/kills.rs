//! `kill -9` of each role in the middle of a canary, under load.

use windlass::demo::census;
use windlass::demo::load::Load;
use windlass::demo::server::Role;

use crate::world::{TWO, World, none_failed, until, until_answered, until_gone};

/// A paused canary at 25 % with visitors.
fn canary() -> (World, windlass::demo::platform::App, String, Load) {
    let world = World::new();
    let app = world.push("hello", 4);
    let droplet = world.stage(&app, TWO);
    let load = world.visitors(&app);
    let canary = world
        .platform
        .canary(&app, &droplet, &[25, 50])
        .expect("canary");
    world.platform.wait_paused(&canary, 1).expect("paused");
    (world, app, canary, load)
}

fn cancel_and_see(world: &World, canary: &str, load: &Load) {
    let platform = &world.platform;
    let answer = platform.cancel(canary, "after a kill").expect("answer");
    load.section();
    assert_eq!(answer.status, 200, "{}", answer.text);
    until_answered(load, 100);
    assert_eq!(load.counts().of("2"), 0, "{:?}", load.counts());
    platform
        .wait_deployment(canary, "CANCELED")
        .expect("outcome");
}

#[test]
fn control_is_killed_and_the_canary_canceled_as_soon_as_it_answers() {
    let (mut world, app, canary, load) = canary();
    let instances = world.app_processes();
    world.server.kill(Role::Control).expect("kill");
    // No wait: the connection is accepted by nobody yet and answered by the next control.
    cancel_and_see(&world, &canary, &load);
    // Those of the base were adopted, not started again.
    assert_eq!(census::survivors(&instances).len(), 4);
    world.platform.wait_running(&app).expect("running");
    none_failed(load);
    world.end();
}

#[test]
fn control_is_killed_right_after_the_answer_and_the_cancel_stands() {
    let (mut world, app, canary, load) = canary();
    let answer = world.platform.cancel(&canary, "durable").expect("answer");
    world.server.kill(Role::Control).expect("kill");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let ended = world
        .platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    assert_eq!(ended["status"]["details"]["cancel_reason"], "durable");
    world.platform.wait_running(&app).expect("running");
    none_failed(load);
    world.end();
}

#[test]
fn the_router_is_killed_under_load() {
    let (mut world, _, canary, load) = canary();
    load.router_dies();
    world.server.kill(Role::Router).expect("kill");
    load.router_is_dead();
    load.section();
    until_answered(&load, 200);
    let share = load.counts().percent("2");
    assert!(share.abs_diff(25) <= 5, "{:?}", load.counts());
    cancel_and_see(&world, &canary, &load);
    let totals = load.finish();
    assert_eq!(totals.failed, 0, "{:?}", totals.failures);
    world.end();
}

#[test]
fn the_supervisor_is_killed_and_the_next_one_adopts() {
    let (mut world, app, canary, load) = canary();
    drop(load);
    let instances = world.app_processes();
    world.server.kill(Role::Supervisor).expect("kill");
    world.server.up().expect("up again");
    world.renew();
    assert_eq!(census::survivors(&instances).len(), instances.len());
    let load = world.visitors(&app);
    let deployment = world.platform.deployment(&canary).expect("deployment");
    assert_eq!(deployment["status"]["reason"], "PAUSED");
    cancel_and_see(&world, &canary, &load);
    none_failed(load);
    world.end();
}

#[test]
fn shims_of_the_canary_are_killed() {
    let (world, app, canary, load) = canary();
    let platform = &world.platform;
    // The instance of the canary is the one that the record counts for the target: found by its
    // version in the files of its run.
    let data_dir = world.server.data_dir();
    let shim = census::belonging_to(&data_dir)
        .into_iter()
        .filter(|seen| seen.arguments.get(1).is_some_and(|word| word == "shim"))
        .filter(|seen| {
            let settings = std::path::Path::new(&seen.arguments[2]).join("work/hello.conf");
            let app = std::path::Path::new(&seen.arguments[2]).join("work/app/hello.conf");
            [settings, app]
                .iter()
                .any(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("=2")))
        })
        .collect::<Vec<_>>();
    assert!(!shim.is_empty(), "no shim of version 2");
    for seen in &shim {
        let pid = nix::unistd::Pid::from_raw(seen.pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    until_gone(&shim);
    // Lost, and started again at its place; until then the base has its share.
    until("a new canary", || {
        load.section();
        until_answered(&load, 40);
        load.counts().of("2") > 0
    });
    assert_eq!(
        platform.deployment(&canary).expect("deployment")["status"]["value"],
        "ACTIVE"
    );
    let totals = load.totals();
    // What was in flight on a killed instance is lost; nothing else.
    assert!(totals.failed <= 6, "{:?}", totals.failures);
    load.section();
    cancel_and_see(&world, &canary, &load);
    platform.wait_running(&app).expect("running");
    drop(load);
    world.end();
}
