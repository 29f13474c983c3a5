//! Things happen while nobody looks: the next control takes them in.

use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass::demo::census::{self, Seen};
use windlass::demo::server::Role;

use crate::survivors::builds_run_packages;
use crate::world::{World, archive, until, until_gone, until_some};

/// Waits for a file of this name in its directory.
pub(crate) const WAIT_FOR: &str = "while [ ! -e go ]; do sleep 0.02; done;";

/// The process of a command that waits for its file, once it runs.
pub(crate) fn waiting(world: &World, mark: &str) -> Seen {
    until_some("a waiting process", || {
        world
            .app_processes()
            .into_iter()
            .find(|seen| seen.command().contains(mark) && !seen.command().contains("/bin/sleep"))
    })
}

/// Lets a waiting process go on.
pub(crate) fn go(seen: &Seen) {
    std::fs::write(PathBuf::from(format!("/proc/{}/cwd/go", seen.pid)), "").expect("file");
}

struct Scene {
    world: World,
    app: windlass::demo::platform::App,
    web: Vec<Seen>,
    good: String,
    bad: String,
    build: String,
    building: Seen,
    waiting: [Seen; 2],
}

/// Two instances, two tasks that wait for a word, a build that does.
fn scene() -> Scene {
    let world = World::new();
    let app = world.push("hello", 2);
    let web: Vec<Seen> = world.app_processes();
    builds_run_packages(&world);
    let platform = &world.platform;
    let good = platform
        .run_task(&app, &format!("{WAIT_FOR} : good; exit 0"))
        .expect("task");
    let bad = platform
        .run_task(&app, &format!("{WAIT_FOR} : bad; exit 7"))
        .expect("task");
    let script = ("while-building.sh", WAIT_FOR);
    let package = platform.upload(&app, &archive(&[script])).expect("package");
    let build = platform.build(&package).expect("build");
    let building = waiting(&world, "bin/supply");
    let waiting = [waiting(&world, ": good"), waiting(&world, ": bad")];
    Scene {
        world,
        app,
        web,
        good,
        bad,
        build,
        building,
        waiting,
    }
}

fn is_web(seen: &Seen) -> bool {
    seen.arguments
        .last()
        .is_some_and(|word| word.ends_with("./hello"))
}

#[test]
fn a_task_ends_an_instance_crashes_and_a_build_runs_while_windlass_is_away() {
    let mut scene = scene();
    scene.world.server.terminate().expect("terminate");
    for seen in &scene.waiting {
        go(seen);
    }
    until_gone(&scene.waiting);
    let crashed = scene.web.iter().find(|seen| is_web(seen)).expect("web");
    kill(Pid::from_raw(crashed.pid), Signal::SIGKILL).expect("kill");
    until_gone(std::slice::from_ref(crashed));
    assert_eq!(
        census::survivors(std::slice::from_ref(&scene.building)).len(),
        1
    );

    scene.world.server.up().expect("up");
    scene.world.renew();
    let platform = &scene.world.platform;
    platform
        .wait_task(&scene.good, "SUCCEEDED")
        .expect("success");
    let failed = platform.wait_task(&scene.bad, "FAILED").expect("failure");
    let reason = failed["result"]["failure_reason"]
        .as_str()
        .unwrap_or_default();
    assert!(reason.contains('7'), "{failed}");
    platform
        .wait_running(&scene.app)
        .expect("the crashed one is back");

    // The same build goes on, not another one.
    assert_eq!(
        census::survivors(std::slice::from_ref(&scene.building)).len(),
        1
    );
    go(&scene.building);
    platform.droplet_of(&scene.build).expect("droplet");
    scene.world.end();
}

#[test]
fn a_task_ends_an_instance_crashes_and_a_build_runs_while_control_is_killed() {
    let mut scene = scene();
    scene.world.server.kill(Role::Control).expect("kill");
    for seen in &scene.waiting {
        go(seen);
    }
    go(&scene.building);
    let crashed = scene.web.iter().find(|seen| is_web(seen)).expect("web");
    kill(Pid::from_raw(crashed.pid), Signal::SIGKILL).expect("kill");
    let platform = &scene.world.platform;
    platform
        .wait_task(&scene.good, "SUCCEEDED")
        .expect("success");
    platform.wait_task(&scene.bad, "FAILED").expect("failure");
    platform.droplet_of(&scene.build).expect("droplet");
    until("the crashed instance to be replaced", || {
        let web = scene.world.app_processes();
        web.iter().filter(|seen| is_web(seen)).count() == 2
            && census::survivors(std::slice::from_ref(crashed)).is_empty()
    });
    platform.wait_running(&scene.app).expect("running");
    scene.world.end();
}
