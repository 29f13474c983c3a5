//! The program itself: one per data directory, refusals with a reason, backup and restore.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass::demo::census;
use windlass::demo::platform::Platform;
use windlass::demo::server::{Role, Server};

use crate::world::{TWO, World, program, temporary_directory, until};

/// Exit status of settings, database or key that can't be used.
const EXIT_CONFIGURATION: i32 = 78;

/// Starts `up` where it has to end on its own: its status, and what it printed.
fn try_up(server: &Server) -> (Option<i32>, String) {
    let printed = server.home().join("refused.log");
    let log = std::fs::File::create(&printed).expect("file");
    let mut child = server
        .command(&["up", "--ports", "auto"])
        .arg("--key-file")
        .arg(server.key_file())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("file"))
        .stderr(log)
        .spawn()
        .expect("started");
    let ended = windlass::demo::wait_for("the end of a refused up", || {
        let status = child.try_wait().expect("child");
        Ok(status.ok_or_else(|| std::fs::read_to_string(&printed).unwrap_or_default()))
    });
    if ended.is_err() {
        child.kill().expect("kill");
        child.wait().expect("reaped");
    }
    let text = std::fs::read_to_string(&printed).expect("output");
    (ended.expect("refused").code(), text)
}

#[test]
fn a_second_up_is_refused_with_the_pid_of_the_first() {
    let world = World::new();
    let pid = world.server.pid(Role::Supervisor).expect("runs");
    let (status, text) = try_up(&world.server);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains(&format!("pid {pid}")), "{text}");
    world.end();
}

#[test]
fn roles_take_as_many_open_files_as_they_may() {
    let directory = temporary_directory();
    let script = directory.path().join("windlass");
    let program = program();
    let text = format!(
        "#!/bin/sh\nulimit -S -n 256\nexec '{}' \"$@\"\n",
        program.display()
    );
    std::fs::write(&script, text).expect("script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("mode");
    let mut server = Server::new(&script, &directory.path().join("w"), &[]).expect("home");
    server.up().expect("up");
    for role in [Role::Control, Role::Router] {
        let pid = server.pid(role).expect("runs");
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .expect("line");
        let mut words = line.split_whitespace();
        let (soft, hard) = (words.next(), words.next());
        assert_eq!(soft, hard, "{role:?}: {line}");
    }
    server.down().expect("down");
}

/// Interrupts the demo once so much of it runs; all of it has to go.
fn interrupted(when: impl Fn(&[census::Seen]) -> bool) {
    let directory = temporary_directory();
    let mut demo = std::process::Command::new(program())
        .args(["demo", "--output", "json", "--app"])
        .arg(crate::world::example())
        .env("TMPDIR", directory.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let pid = i32::try_from(demo.id()).expect("pid");
    until("the demo to run", || {
        let mut seen = census::belonging_to(directory.path());
        seen.retain(|seen| seen.pid != pid);
        when(&seen)
    });
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("interrupt");
    let status = windlass::demo::wait_for("the end of the demo", || {
        Ok(demo.try_wait().expect("child").ok_or_else(String::new))
    });
    assert_eq!(status.expect("ended").code(), Some(130));
    let mut printed = String::new();
    let mut stdout = demo.stdout.take().expect("stdout");
    stdout.read_to_string(&mut printed).expect("output");
    assert_eq!(printed, "", "half a report is none");
    assert_eq!(census::belonging_to(directory.path()), []);
    let left = std::fs::read_dir(directory.path()).expect("directory");
    assert_eq!(left.count(), 0, "files of the demo");
}

#[test]
fn a_demo_that_is_interrupted_leaves_nothing() {
    // While it starts, and while its app runs.
    interrupted(|seen| !seen.is_empty());
    interrupted(|seen| seen.iter().any(|seen| !seen.is_windlass()));
}

#[test]
fn a_database_of_a_newer_version_is_refused() {
    let mut world = World::new();
    world.server.down().expect("down");
    let path = world.server.data_dir().join("state/windlass.db");
    let database = rusqlite::Connection::open(path).expect("database");
    database
        .pragma_update(None, "user_version", 1_000_000)
        .expect("another version");
    drop(database);
    let (status, text) = try_up(&world.server);
    assert_eq!(status, Some(EXIT_CONFIGURATION), "{text}");
    assert!(text.contains("newer"), "{text}");
    assert_eq!(world.server.census(), []);
}

#[test]
fn a_missing_or_wrong_key_is_refused() {
    let mut world = World::new();
    world.server.down().expect("down");
    let key = world.server.key_file();
    let kept = std::fs::read(&key).expect("key");
    std::fs::remove_file(&key).expect("removed");
    let (status, text) = try_up(&world.server);
    assert_eq!(status, Some(EXIT_CONFIGURATION), "{text}");
    assert!(!key.exists(), "another key was made: {text}");
    std::fs::write(&key, kept).expect("key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("mode");
    world.server.up().expect("up");
    world.end();
}

#[test]
fn control_that_can_not_start_again_leaves_apps_serving() {
    let mut world = World::new();
    let app = world.push("hello", 2);
    let instances = world.app_processes();
    let key = world.server.key_file();
    let aside = key.with_extension("aside");
    std::fs::rename(&key, &aside).expect("moved");
    world.server.kill(Role::Control).expect("kill");
    until("the reason", || world.server.log().contains("can't start"));
    // Nobody hangs: who asks the API is told so in its own form.
    let answer = world
        .platform
        .api
        .call(http::Method::GET, "/v3/apps", None, &[])
        .expect("answer");
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.body["errors"][0]["title"], "CF-ServiceUnavailable");
    // The router needs no control, not even to start.
    assert_eq!(world.ask(&app, "/").0, 200);
    world.server.kill(Role::Router).expect("kill");
    assert_eq!(world.ask(&app, "/").0, 200);
    assert_eq!(census::survivors(&instances).len(), instances.len());
    let status = world.server.json(&["status"]).expect("status");
    let why = status["control"].as_str().unwrap_or_default();
    assert!(why.contains("key file"), "{status}");

    std::fs::rename(&aside, &key).expect("moved back");
    until("control", || {
        let answer = world.platform.api.get("/v3/apps");
        answer.is_ok()
    });
    assert_eq!(census::survivors(&instances).len(), instances.len());
    let status = world.server.json(&["status"]).expect("status");
    assert!(status["control_pid"].is_u64(), "{status}");
    world.end();
}

#[test]
fn what_was_backed_up_runs_again_elsewhere() {
    let mut world = World::new();
    let app = world.push("hello", 2);
    let platform = &world.platform;
    let droplet = world.stage(&app, TWO);
    let canary = platform.canary(&app, &droplet, &[50]).expect("canary");
    platform.wait_paused(&canary, 1).expect("paused");
    platform
        .cancel(&canary, "kept")
        .expect("answer")
        .ok()
        .expect("canceled");
    platform
        .wait_deployment(&canary, "CANCELED")
        .expect("outcome");
    let variables = format!("/v3/apps/{}/environment_variables", app.guid);
    let secret = serde_json::json!({ "var": { "SECRET": "of the base" } });
    platform.api.patch(&variables, &secret).expect("variables");
    let file = world.server.home().join("backup.tar");
    let name = file.to_str().expect("path");
    world.server.json(&["backup", name]).expect("backup");
    // It never overwrites.
    assert!(
        !world
            .server
            .run(&["backup", name])
            .expect("run")
            .status
            .success()
    );
    world.server.down().expect("down");

    let home = world.server.home().join("restored");
    let mut restored = Server::new(world.server.program(), &home, &[]).expect("home");
    std::fs::copy(world.server.key_file(), restored.key_file()).expect("key");
    let key = restored.key_file();
    let key = key.to_str().expect("path");
    restored
        .json(&["restore", name, "--key-file", key])
        .expect("restore");
    restored.up().expect("up");
    let platform = Platform::of(&restored, None).expect("platform");
    platform.wait_running(&app).expect("running");
    let router = platform.env["WINDLASS_ROUTER_HTTP"]
        .trim_start_matches("http://")
        .parse()
        .expect("address");
    until("the app behind the router", || {
        crate::world::ask(router, &app.host, "/").1 == "1"
    });
    let now = platform.api.get(&variables).expect("variables");
    assert_eq!(now["var"]["SECRET"], "of the base");
    let record = restored
        .json(&["deployment", "show", &canary])
        .expect("record");
    assert_eq!(record["cancel"]["reason"], "kept");
    // A directory that is in use is not filled again.
    let again = restored
        .run(&["restore", name, "--key-file", key])
        .expect("run");
    assert!(!again.status.success());
    restored.down().expect("down");
    assert_eq!(restored.census(), []);
}

#[test]
fn settings_that_contradict_are_refused_before_anything_starts() {
    let world = World::new();
    let wrong = [
        ["check-config", "--listen-cf", "nowhere"],
        ["check-config", "--isolation", "magic"],
        ["check-config", "--domain", "localhost"],
    ];
    for arguments in wrong {
        let output = world.server.run(&arguments).expect("run");
        assert_eq!(
            output.status.code(),
            Some(EXIT_CONFIGURATION),
            "{arguments:?}"
        );
        assert!(!output.stderr.is_empty());
    }
    let settings = world.server.json(&["check-config"]).expect("settings");
    assert!(settings["settings"].is_array(), "{settings}");
    world.end();
}

/// Some clients take a name and no port; on a port that needs no root it is part of the URL.
#[test]
fn an_api_is_reached_by_the_name_that_was_given() {
    let world = World::with(&["--listen-cf", "api.cf.localhost:0"]);
    let url = &world.platform.env["WINDLASS_CF_API"];
    assert!(url.starts_with("https://api.cf.localhost:"), "{url}");
    // The certificate is for that name: the client of these tests checks it.
    let root = world.platform.api.get("/").expect("root");
    for link in ["self", "login", "uaa", "log_cache"] {
        assert_eq!(root["links"][link]["href"], *url, "{link}");
    }
    let other = &world.platform.env["WINDLASS_DIGITALOCEAN_API"];
    assert!(other.starts_with("https://127.0.0.1:"), "{other}");
    world.end();
}

#[test]
fn apis_speak_both_versions_of_http() {
    let world = World::new();
    let env = &world.platform.env;
    for api in ["WINDLASS_CF_API", "WINDLASS_VERCEL_API"] {
        for (flag, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
            let output = std::process::Command::new("curl")
                .args(["--silent", flag, "--cacert", &env["WINDLASS_CA_FILE"]])
                .args(["--output", "/dev/null", "--write-out", "%{http_version}"])
                .arg(&env[api])
                .output()
                .expect("curl");
            let spoken = String::from_utf8_lossy(&output.stdout);
            assert_eq!(spoken, version, "{api}: {output:?}");
        }
    }
    world.end();
}
