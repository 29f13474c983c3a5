//! `windlass reload`: another program in the same processes' place, and nobody notices.

mod gives_way;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass::demo::census::{self, Seen};
use windlass::demo::platform::App;
use windlass::demo::server::Role;

use crate::adoption::{WAIT_FOR, go, waiting};
use crate::survivors::builds_run_packages;
use crate::world::{TWO, World, archive, none_failed, program, until, until_answered};

/// A second program, the same as the first one, at a path of its own.
fn another(world: &World) -> PathBuf {
    let path = world.server.home().join("windlass-next");
    std::fs::copy(program(), &path).expect("copy");
    path
}

/// A program that is a script around the real one.
fn script(world: &World, name: &str, lines: &str) -> PathBuf {
    let path = world.server.home().join(name);
    let text = format!("#!/bin/sh\nreal={}\n{lines}\n", program().display());
    std::fs::write(&path, text).expect("script");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("mode");
    path
}

fn words<'a>(program: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let path = program.to_str().expect("path");
    [&["reload", "--program", path], more].concat()
}

/// Starts a reload that goes on in the background.
fn begin(world: &World, program: &Path, more: &[&str]) -> Child {
    world
        .server
        .command(&words(program, more))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started")
}

fn text_of(output: &Output) -> String {
    let (out, error) = (&output.stdout, &output.stderr);
    format!(
        "{}{}",
        String::from_utf8_lossy(out),
        String::from_utf8_lossy(error)
    )
}

/// The processes whose numbers a reload must not change: apps, shims and the supervisor.
fn lasting(world: &World) -> Vec<Seen> {
    let mut found = world.server.census();
    found.retain(|seen| {
        let word = seen.arguments.get(1).map_or("", String::as_str);
        // Visitors are none of ours.
        let is_app =
            !seen.is_windlass() && seen.arguments.first().is_none_or(|name| name != "curl");
        is_app || seen.is_windlass() && ["up", "shim"].contains(&word)
    });
    found
}

fn all_last(before: &[Seen]) {
    assert_eq!(census::survivors(before).len(), before.len(), "{before:?}");
}

/// Asks again and again, each time over a connection of its own, and counts.
struct Asking {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

impl Asking {
    fn start(mut ask: impl FnMut() -> Result<(), String> + Send + 'static) -> Self {
        let (stop, asked) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&asked));
        let thread = std::thread::spawn(move || {
            let mut failures = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                failures.extend(ask().err());
                count.fetch_add(1, Ordering::Relaxed);
            }
            failures
        });
        Self {
            stop,
            asked,
            thread,
        }
    }

    /// Waits until so many more were asked.
    fn until_more(&self, more: u64) {
        let wanted = self.asked.load(Ordering::Relaxed) + more;
        until("answers", || self.asked.load(Ordering::Relaxed) >= wanted);
    }

    fn none_failed(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert_eq!(self.thread.join().expect("no panic"), Vec::<String>::new());
    }
}

/// Asks an app through the router over TLS.
fn asking_by_tls(world: &World, app: &App) -> Asking {
    let origin = world.platform.env["WINDLASS_ROUTER_HTTPS"].clone();
    let port = origin.rsplit(':').next().expect("port").to_owned();
    let url = format!("https://{}:{port}/", app.host);
    let resolve = format!("{}:{port}:127.0.0.1", app.host);
    let roots = world.platform.env["WINDLASS_CA_FILE"].clone();
    Asking::start(move || {
        let output = Command::new("curl")
            .args(["-sS", "--fail", "--cacert", &roots, "--resolve", &resolve])
            .arg(&url)
            .output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}", output.status, text_of(&output)))
    })
}

/// Asks the API.
fn asking_the_api(world: &World) -> Asking {
    let token = world.platform.env["WINDLASS_TOKEN"].clone();
    let api = world.platform.api.with_token(Some(&token)).expect("client");
    Asking::start(move || {
        api.get("/v3/apps")
            .map(drop)
            .map_err(|error| error.to_string())
    })
}

/// A connection that has left HTTP.
struct Socket(TcpStream);

impl Socket {
    fn open(world: &World, app: &App) -> Self {
        let visit = world.visit(app, "/socket");
        let mut stream = TcpStream::connect(visit.router).expect("connect");
        let limit = Some(windlass::demo::WAIT_LIMIT);
        stream.set_read_timeout(limit).expect("timeout");
        let request = format!(
            "GET /socket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
            app.host
        );
        stream.write_all(request.as_bytes()).expect("request");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("head");
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{head:?}");
        Self(stream)
    }

    fn echoes(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).expect("sent");
        let mut back = vec![0; text.len()];
        self.0.read_exact(&mut back).expect("received");
        assert_eq!(back, text.as_bytes());
    }
}

#[test]
fn a_reload_under_load_refuses_nobody_and_touches_no_instance() {
    let world = World::new();
    let app = world.push("hello", 2);
    let next = another(&world);
    let load = world.visitors(&app);
    let (tls, api) = (asking_by_tls(&world, &app), asking_the_api(&world));
    let mut socket = Socket::open(&world, &app);
    socket.echoes("before");
    let visit = world.visit(&app, "/slow?ms=2000");
    let slow =
        std::thread::spawn(move || crate::world::ask(visit.router, &visit.host, &visit.path));
    until_answered(&load, 100);
    let before = lasting(&world);
    let control = world.server.pid(Role::Control).expect("control");
    let router = world.server.pid(Role::Router).expect("router");

    let done = world.server.json(&words(&next, &[])).expect("reload");
    assert_eq!(done["program"], next.to_str().expect("path"), "{done}");
    assert_ne!(done["control_pid"], control, "{done}");
    assert_ne!(done["router_pid"], router, "{done}");
    let supervisor = world.server.pid(Role::Supervisor);
    assert_eq!(
        done["supervisor_pid"]
            .as_i64()
            .map(i64::try_into)
            .and_then(Result::ok),
        supervisor
    );
    runs(&world, &next);
    assert_eq!(
        world.server.pid(Role::Control).map(i64::from),
        done["control_pid"].as_i64()
    );

    load.section();
    until_answered(&load, 300);
    tls.until_more(5);
    api.until_more(5);
    assert_eq!(slow.join().expect("no panic").0, 200);
    // What was open before is still with the router before, which follows every table.
    socket.echoes("after");
    drop(socket);
    until("the end of the router before", || {
        world.server.log().contains("the router before has ended")
    });
    all_last(&before);
    none_failed(load);
    tls.none_failed();
    api.none_failed();
    world.end();
}

#[test]
fn a_canary_a_rolling_deployment_a_build_and_a_task_go_on_over_a_reload() {
    let world = World::new();
    let app = world.push("hello", 4);
    let other = world.push("rolls", 3);
    builds_run_packages(&world);
    let platform = &world.platform;
    let droplet = world.stage(&app, TWO);
    // Each new instance takes a while, so that the reload falls in the middle.
    let slow = [("hello.conf", "VERSION=2\nHEALTH=deaf_500\n")];
    let rolled = world.stage(&other, &slow);
    let script = ("while-building.sh", WAIT_FOR);
    let package = platform.upload(&app, &archive(&[script])).expect("package");
    let build = platform.build(&package).expect("build");
    let building = waiting(&world, "bin/supply");
    let task = format!("{WAIT_FOR} : good; exit 0");
    let task = platform.run_task(&app, &task).expect("task");
    let tasked = waiting(&world, ": good");
    let canary = platform.canary(&app, &droplet, &[25, 50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    let loads = [world.visitors(&app), world.visitors(&other)];
    let options = serde_json::json!({ "strategy": "rolling" });
    let rolling = platform.deploy(&other, &rolled, options).expect("rolling");

    let before = lasting(&world);
    world
        .server
        .json(&words(&another(&world), &[]))
        .expect("reload");
    let kept: Vec<_> = census::survivors(&before);
    for seen in [&building, &tasked] {
        assert!(kept.contains(seen), "{seen:?}");
    }
    platform
        .wait_deployment(&rolling, "DEPLOYED")
        .expect("rolled");
    let [load, other_load] = loads;
    other_load.section();
    until_answered(&other_load, 50);
    assert_eq!(other_load.counts().percent("2"), 100);
    go(&building);
    platform.droplet_of(&build).expect("droplet");
    go(&tasked);
    platform.wait_task(&task, "SUCCEEDED").expect("success");

    let paused = platform.wait_paused(&canary, 1).expect("still paused");
    assert_eq!(paused["status"]["value"], "ACTIVE");
    load.section();
    until_answered(&load, 200);
    let share = load.counts().percent("2");
    assert!(share.abs_diff(25) <= 5, "{:?}", load.counts());
    let answer = platform.cancel(&canary, "after a reload").expect("answer");
    load.section();
    assert_eq!(answer.status, 200, "{}", answer.text);
    until_answered(&load, 100);
    assert_eq!(load.counts().of("2"), 0, "{:?}", load.counts());
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    platform.wait_running(&app).expect("running");
    none_failed(load);
    none_failed(other_load);
    world.end();
}

/// Does something with the first process of a role that is not `before`.
fn with_next(world: &World, role: &str, before: i32, act: impl FnOnce(Pid)) {
    let supervisor = world.server.pid(Role::Supervisor).expect("supervisor");
    let next = crate::world::until_some("the next one", || {
        census::children(supervisor).into_iter().find(|seen| {
            seen.pid != before && seen.arguments.get(1).is_some_and(|word| word == role)
        })
    });
    act(Pid::from_raw(next.pid));
}

/// The program that the whole Windlass runs now.
fn runs(world: &World, program: &Path) {
    let status = world.server.json(&["status"]).expect("status");
    let program = program.canonicalize().expect("path");
    assert_eq!(
        status["program"],
        program.to_str().expect("path"),
        "{status}"
    );
    let supervisor = world.server.pid(Role::Supervisor).expect("runs");
    let exe = |pid: i32| std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    assert_eq!(exe(supervisor).as_ref(), Some(&program));
    for word in ["control", "router"] {
        let mut children = census::children(supervisor).into_iter();
        // Beside a router that drains there is one that serves.
        assert!(
            children.any(
                |seen| seen.arguments.get(1).is_some_and(|role| role == word)
                    && exe(seen.pid).as_ref() == Some(&program)
            ),
            "{word}"
        );
    }
}

#[test]
fn control_is_killed_before_and_in_the_middle_of_a_reload() {
    let mut world = World::new();
    let app = world.push("hello", 2);
    let load = world.visitors(&app);
    let before = lasting(&world);
    let next = another(&world);
    let gate = world.server.home().join("go");
    let gated = script(
        &world,
        "gated",
        &format!(
            "while [ ! -e {} ]; do sleep 0.02; done\nexec {} \"$@\"",
            gate.display(),
            next.display()
        ),
    );
    let child = begin(&world, &gated, &["--limit", "120"]);
    until("the check", || {
        world.server.log().contains("reload: checking")
    });
    // There is one at a time.
    let second = world.server.run(&words(&next, &[])).expect("run");
    let text = text_of(&second);
    assert!(
        !second.status.success() && text.contains("another reload"),
        "{text}"
    );
    world.server.kill(Role::Control).expect("kill");
    until("control again", || {
        world.platform.api.get("/v3/apps").is_ok()
    });

    let old = world.server.pid(Role::Control).expect("control");
    std::fs::write(&gate, "").expect("file");
    with_next(&world, "control", old, |pid| {
        kill(pid, Signal::SIGKILL).expect("kill");
    });
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{}", text_of(&output));
    runs(&world, &next);
    world.platform.wait_running(&app).expect("running");
    all_last(&before);
    none_failed(load);
    world.end();
}

#[test]
fn down_in_the_middle_of_a_reload_stops_everything() {
    let mut world = World::new();
    let _app = world.push("hello", 1);
    // While the program checks itself.
    let endless = script(&world, "endless", "sleep 600");
    let child = begin(&world, &endless, &["--limit", "600"]);
    until("the check", || {
        world.server.log().contains("reload: checking")
    });
    world.server.down().expect("down");
    assert_eq!(world.server.census(), []);
    let output = child.wait_with_output().expect("ended");
    assert!(!output.status.success(), "{}", text_of(&output));

    // While the new control starts.
    world.server.up().expect("up");
    let old = world.server.pid(Role::Control).expect("control");
    let child = begin(&world, &another(&world), &[]);
    with_next(&world, "control", old, |_| {});
    world.server.down().expect("down");
    assert_eq!(world.server.census(), []);
    drop(child.wait_with_output().expect("ended"));
    world.server.up().expect("up");
    world.renew();
    world.end();
}

/// Whether the file that a role was started from is not there any more.
fn is_replaced(world: &World, role: Role) -> bool {
    let pid = world.server.pid(role).expect("runs");
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).expect("link");
    exe.to_string_lossy().ends_with(" (deleted)")
}

#[test]
fn until_the_reload_everything_goes_on_with_the_program_that_runs() {
    let mut world = World::new();
    let old = another(&world);
    world.server.json(&words(&old, &[])).expect("reload");
    let app = world.push("hello", 1);
    let newer = world.server.home().join("newer");
    std::fs::copy(&old, &newer).expect("copy");
    std::fs::rename(&newer, &old).expect("replaced");
    let roles = [Role::Supervisor, Role::Control, Role::Router];
    assert!(roles.into_iter().all(|role| is_replaced(&world, role)));
    // Builds, instances and roles start as ever, and as the program that runs.
    world.stage(&app, TWO);
    world.platform.scale(&app, 2).expect("scaled");
    world.platform.wait_running(&app).expect("running");
    world.server.kill(Role::Control).expect("kill");
    until("control again", || {
        world.platform.api.get("/v3/apps").is_ok()
    });
    assert!(roles.into_iter().all(|role| is_replaced(&world, role)));
    let done = world.server.json(&["reload"]).expect("reload");
    assert_eq!(done["program"], old.to_str().expect("path"), "{done}");
    assert!(!roles.into_iter().any(|role| is_replaced(&world, role)));
    world.end();
}
