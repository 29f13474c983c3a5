//! Nothing that was canceled lives on: not what left its session and its parent and ignores
//! SIGTERM, whether in a task, an instance or a build.

use std::path::Path;

use serde_json::json;
use windlass::demo::census::{self, Seen};
use windlass::demo::platform::App;
use windlass::demo::server::Role;

use crate::world::{World, archive, until, until_some};

/// Starts two programs that hide, then does its work.
const HIDING: &str = "setsid ./hello orphan & (setsid ./hello orphan &) ; exec ./hello";

fn hidden(world: &World) -> Vec<Seen> {
    let mut found = world.app_processes();
    found.retain(|seen| seen.arguments.last().is_some_and(|word| word == "orphan"));
    found
}

fn two_hidden(world: &World) -> Vec<Seen> {
    until_some("two hidden programs", || {
        let found = hidden(world);
        (found.len() == 2).then_some(found)
    })
}

/// Makes the staging scripts do what the package says: what a hostile package does to a buildpack
/// that runs its code.
pub(crate) fn builds_run_packages(world: &World) {
    let script = world.server.data_dir().join("buildpacks/binary/bin/supply");
    let text = std::fs::read_to_string(&script).expect("script");
    let hook = "if [ -e \"$1/while-building.sh\" ]; then cd \"$1\"; . ./while-building.sh; fi\n";
    std::fs::write(&script, text.replacen('\n', &format!("\n{hook}"), 1)).expect("script");
}

fn delete(world: &World, app: &App) {
    let path = format!("/v3/apps/{}", app.guid);
    let api = &world.platform.api;
    let answer = api
        .call(http::Method::DELETE, &path, None, &[])
        .expect("answer");
    assert_eq!(answer.status, 202, "{}", answer.text);
    let job = answer.header("location").expect("job").to_owned();
    let job = job.split_once("/v3/").expect("path").1;
    until("the job of the deletion", || {
        let job = api.get(&format!("/v3/{job}")).expect("job");
        assert_ne!(job["state"], "FAILED", "{job}");
        job["state"] == "COMPLETE"
    });
}

fn nothing_survives(isolation: &[&str]) {
    let world = World::with(isolation);
    let platform = &world.platform;
    let app = world.push("hello", 1);

    let task = platform
        .run_task(&app, "./hello task-ignore-term")
        .expect("task");
    let found = two_hidden(&world);
    platform
        .cancel_task(&task)
        .expect("answer")
        .ok()
        .expect("canceled");
    platform.wait_task(&task, "FAILED").expect("end");
    // It has ended only when all of it has ended.
    assert_eq!(census::survivors(&found), [], "left over from the task");

    let procfile = format!("web: {HIDING}\n");
    let droplet = world.stage(
        &app,
        &[("Procfile", &procfile), ("hello.conf", "VERSION=2\n")],
    );
    let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    let found = two_hidden(&world);
    platform
        .cancel(&canary, "hides")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    until("the cleanup", || world.record(&canary)["cleanup"] == "done");
    assert_eq!(census::survivors(&found), [], "left over from the canary");

    builds_run_packages(&world);
    let other = platform.create_app("other").expect("app");
    let while_building = "trap '' TERM; setsid ./hello orphan & (setsid ./hello orphan &)\n\
                          while : ; do sleep 0.1; done\n";
    let package = platform
        .upload(&other, &archive(&[("while-building.sh", while_building)]))
        .expect("package");
    let build = platform.build(&package).expect("build");
    let found = two_hidden(&world);
    let canceled = ["deployment", "cancel", &build, "--reason", "hides"];
    world.server.json(&canceled).expect("canceled");
    until("the end of the build", || {
        world.record(&build)["cleanup"] == "done"
    });
    assert_eq!(census::survivors(&found), [], "left over from the build");
    let record = world.record(&build);
    assert_eq!(record["outcome"], "canceled", "{record:#}");
    assert_eq!(record["cancel"]["reason"], "hides", "{record:#}");

    let build = platform.build(&package).expect("build");
    let found = two_hidden(&world);
    let state = platform
        .api
        .get(&format!("/v3/builds/{build}"))
        .expect("build");
    assert_eq!(state["state"], json!("STAGING"));
    delete(&world, &other);
    assert_eq!(census::survivors(&found), [], "left over from the build");

    let everything = world.app_processes();
    assert!(!everything.is_empty());
    delete(&world, &app);
    assert_eq!(census::survivors(&everything), [], "left over from the app");
    until("the removal of every directory", || {
        std::fs::read_dir(world.server.data_dir().join("runs"))
            .expect("runs")
            .count()
            == 0
    });
    world.end();
}

#[test]
fn with_every_means_of_isolation() {
    nothing_survives(&[]);
}

#[test]
fn without_means_of_isolation() {
    nothing_survives(&["--isolation", "bare"]);
}

/// The shim of a hiding instance is killed: its tree is ended by who is left.
fn a_killed_shim_leaves_nothing(isolation: &[&str]) {
    let world = World::with(isolation);
    let procfile = format!("web: {HIDING}\n");
    let app = world.push_with("hello", 1, &[("Procfile", &procfile)]);
    let tree = world.app_processes();
    let shims = shims(&world.server.data_dir());
    assert!(!shims.is_empty());
    for shim in &shims {
        let pid = nix::unistd::Pid::from_raw(shim.pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    crate::world::until_gone(&tree);
    // The instance counts as lost and is started again.
    until("a new instance", || world.ask(&app, "/").0 == 200);
    world.end();
}

/// The supervisor and then all shims are killed: nobody is left to end their trees but their init
/// processes and the next start.
fn killed_shims_and_supervisor_leave_nothing(isolation: &[&str]) {
    let mut world = World::with(isolation);
    let procfile = format!("web: {HIDING}\n");
    let app = world.push_with("hello", 1, &[("Procfile", &procfile)]);
    let tree = world.app_processes();
    let shims = shims(&world.server.data_dir());
    assert!(!tree.is_empty() && !shims.is_empty());
    world.server.kill(Role::Supervisor).expect("kill");
    for shim in &shims {
        let pid = nix::unistd::Pid::from_raw(shim.pid);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
    }
    world.server.up().expect("up again");
    world.renew();
    until("a new instance", || world.ask(&app, "/").0 == 200);
    crate::world::until_gone(&tree);
    world.end();
}

#[test]
fn killed_shims_and_supervisor_with_every_means() {
    killed_shims_and_supervisor_leave_nothing(&[]);
}

#[test]
fn killed_shims_and_supervisor_without_means() {
    killed_shims_and_supervisor_leave_nothing(&["--isolation", "bare"]);
}

fn shims(data_dir: &Path) -> Vec<Seen> {
    let mut found = census::belonging_to(data_dir);
    found.retain(|seen| seen.arguments.get(1).is_some_and(|word| word == "shim"));
    found
}

#[test]
fn a_killed_shim_with_every_means() {
    a_killed_shim_leaves_nothing(&[]);
}

#[test]
fn a_killed_shim_without_means() {
    a_killed_shim_leaves_nothing(&["--isolation", "bare"]);
}
