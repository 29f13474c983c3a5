//! `windlass backup` while things happen, and `windlass restore` in the place of another state.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use windlass::demo::census;
use windlass::demo::platform::Platform;
use windlass::demo::server::{Role, Server};

use crate::world::{TWO, World, none_failed, until, until_answered, until_gone};

/// Cancels that backups are taken beside.
const CYCLES: usize = 4;

/// Restores a backup of this world into its directory; what it printed.
fn restore(world: &World, file: &Path) -> Value {
    let (file, key) = (text(file), world.server.key_file());
    world
        .server
        .json(&["restore", file, "--replace", "--key-file", text(&key)])
        .expect("restore")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("path")
}

fn is_whole(data_dir: &Path) {
    let database = rusqlite::Connection::open(data_dir.join("state/windlass.db"));
    let check: String = database
        .expect("database")
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("check");
    assert_eq!(check, "ok");
}

/// An empty directory becomes that of a backup: another machine. Not started yet.
fn elsewhere(world: &World, name: &str, file: &Path) -> Server {
    let home = world.server.home().join(name);
    let server = Server::new(world.server.program(), &home, &[]).expect("home");
    let key = server.key_file();
    std::fs::copy(world.server.key_file(), &key).expect("key");
    server
        .json(&["restore", text(file), "--key-file", text(&key)])
        .expect("restore");
    is_whole(&server.data_dir());
    server
}

#[test]
fn every_backup_that_is_taken_meanwhile_is_whole() {
    let mut world = World::new();
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, TWO);
    let load = world.visitors(&app);
    let (platform, home) = (&world.platform, world.server.home());
    let done = AtomicBool::new(false);
    // One after the other, as fast as they can be taken, beside deployments that come and go.
    let backups = std::thread::scope(|scope| {
        let taking = scope.spawn(|| {
            let mut files = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let file = home.join(format!("backup-{}.tar", files.len()));
                let written = world.server.json(&["backup", text(&file)]).expect("backup");
                assert!(written["blobs"].as_u64() >= Some(2), "{written}");
                files.push(file);
            }
            files
        });
        let done = Finally(&done);
        for _ in 0..CYCLES {
            let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
            platform.wait_paused(&canary, 1).expect("paused");
            let answer = platform.cancel(&canary, "again").expect("answer");
            assert_eq!(answer.status, 200, "{}", answer.text);
            platform
                .wait_deployment(&canary, "CANCELED")
                .expect("outcome");
        }
        // In the last one a canary is paused.
        let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
        platform.wait_paused(&canary, 1).expect("paused");
        drop(done);
        (taking.join().expect("no panic"), canary)
    });
    let (mut files, canary) = backups;
    let last = home.join("last.tar");
    world.server.json(&["backup", text(&last)]).expect("backup");
    none_failed(load);
    world.server.down().expect("down");
    assert!(!files.is_empty());
    files.push(last);
    let mut restored = Vec::new();
    for (number, file) in files.iter().enumerate() {
        restored.push(elsewhere(&world, &format!("restored-{number}"), file));
    }
    let mut server = restored.pop().expect("the last one");
    server.up().expect("up");
    let platform = Platform::of(&server, None).expect("platform");
    platform.wait_paused(&canary, 1).expect("still paused");
    let answer = platform.cancel(&canary, "elsewhere").expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    platform.wait_running(&app).expect("running");
    server.down().expect("down");
    assert_eq!(server.census(), []);
    is_whole(&server.data_dir());
}

/// Says that something is done, also when a test fails on the way.
struct Finally<'a>(&'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_of_a_discarded_state_runs_on() {
    let mut world = World::new();
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, TWO);
    let file = world.server.home().join("backup.tar");
    world.server.json(&["backup", text(&file)]).expect("backup");

    // What comes after the backup is discarded with it: a version, an app, a task.
    let platform = &world.platform;
    let options = serde_json::json!({ "strategy": "rolling" });
    let rolling = platform.deploy(&app, &droplet, options).expect("rolling");
    platform
        .wait_deployment(&rolling, "DEPLOYED")
        .expect("done");
    let later = world.push("later", 1);
    let task = platform
        .run_task(&app, "./hello task-ignore-term")
        .expect("task");
    platform.wait_task(&task, "RUNNING").expect("running");
    assert_eq!(world.ask(&app, "/").1, "2");
    let epoch_before = epoch(&world);
    // It runs on without Windlass, and would be adopted by the next one.
    world.server.terminate().expect("terminate");
    let running = world.server.census();
    assert!(!running.is_empty());

    // Not by accident.
    let refused = world.server.run(&["restore", text(&file)]).expect("run");
    assert!(!refused.status.success());
    assert_eq!(census::survivors(&running).len(), running.len());
    // Nor for a file that is none.
    let whole = std::fs::read(&file).expect("file");
    let half = world.server.home().join("half.tar");
    std::fs::write(&half, &whole[..whole.len() / 2]).expect("file");
    let arguments = ["restore", text(&half), "--replace", "--key-file"];
    let key = world.server.key_file();
    let refused = world.server.run(&[&arguments[..], &[text(&key)]].concat());
    assert!(!refused.expect("run").status.success());
    assert_eq!(census::survivors(&running).len(), running.len());

    let printed = restore(&world, &file);
    // Two instances, one of the other app, the task.
    assert_eq!(printed["ended_runs"], 4, "{printed}");
    assert_eq!(world.server.census(), []);
    world.server.up().expect("up");
    world.renew();
    world.platform.wait_running(&app).expect("running");
    until("version 1", || world.ask(&app, "/").1 == "1");
    assert!(epoch(&world) > epoch_before);
    assert_eq!(world.ask(&later, "/").0, 404);
    assert_eq!(census::survivors(&running), []);
    let load = world.visitors(&app);
    until_answered(&load, 100);
    assert_eq!(load.counts().percent("1"), 100, "{:?}", load.counts());
    none_failed(load);
    // And forth again: an older state gives way to a newer one as well.
    let newer = world.server.home().join("newer.tar");
    world
        .server
        .json(&["backup", text(&newer)])
        .expect("backup");
    world.server.terminate().expect("terminate");
    let running = world.server.census();
    restore(&world, &file);
    restore(&world, &newer);
    until_gone(&running);
    world.server.up().expect("up");
    world.renew();
    world.platform.wait_running(&app).expect("running");
    until("version 1", || world.ask(&app, "/").1 == "1");
    world.end();
}

fn epoch(world: &World) -> u64 {
    let status = world.server.json(&["status"]).expect("status");
    let epochs = status["routers"].as_array().expect("routers").iter();
    epochs
        .filter_map(|router| router["epoch"].as_u64())
        .max()
        .expect("a router")
}

/// This process inherits orphans below it.
struct Heir;

impl Heir {
    fn new() -> Self {
        nix::sys::prctl::set_child_subreaper(true).expect("subreaper");
        Self
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        let _ = nix::sys::prctl::set_child_subreaper(false);
    }
}

#[test]
fn a_router_of_a_discarded_state_is_waited_for_and_follows() {
    let mut world = World::new();
    let app = world.push("hello", 2);
    let droplet = world.stage(&app, TWO);
    let canary = world
        .platform
        .canary(&app, &droplet, &[50])
        .expect("canary");
    world.platform.wait_paused(&canary, 1).expect("paused");
    let file = world.server.home().join("backup.tar");
    world.server.json(&["backup", text(&file)]).expect("backup");
    // Many tables later than the backup knows of.
    let answer = world.platform.cancel(&canary, "discarded").expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    world
        .platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");

    // The router hangs when its supervisor dies, so it outlives it. It becomes a child of ours: the
    // kernel lets nobody hang whose session has nobody left to wake it.
    let _heir = Heir::new();
    let router = Pid::from_raw(world.server.pid(Role::Router).expect("router"));
    let seen = world.server.census();
    let seen = seen.into_iter().find(|seen| seen.pid == router.as_raw());
    let seen = [seen.expect("router")];
    kill(router, Signal::SIGSTOP).expect("stop");
    world.server.kill(Role::Supervisor).expect("kill");
    restore(&world, &file);
    world.server.up().expect("up");
    world.renew();
    let platform = &world.platform;
    platform.wait_paused(&canary, 1).expect("paused as before");
    let answer = platform.cancel(&canary, "restored").expect("answer");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let safe = |answer: &Value| answer["status"]["details"]["time_to_safe_ms"].is_number();
    // It may pick by a table of the discarded state yet.
    assert!(!safe(&answer.body), "{}", answer.text);
    assert_eq!(census::survivors(&seen).len(), 1);
    kill(router, Signal::SIGCONT).expect("go on");
    until("the table in force", || {
        safe(&platform.deployment(&canary).expect("deployment"))
    });
    until_gone(&seen);
    let ended = platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    assert_eq!(ended["status"]["details"]["cancel_reason"], "restored");
    platform.wait_running(&app).expect("running");
    assert_eq!(world.ask(&app, "/").1, "1");
    world.end();
}
