//! Shims and controls of other versions, played by hand on the real socket.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_runtime::{
    Driver, ExitReason, Observation, PROTOCOL, RunPhase, runs_of_other_protocols,
};

use crate::bench::{APP, Bench, LIMIT, sets, signal, until};

/// A control by hand: what it says, and what it hears.
struct FakeControl(BufReader<UnixStream>);

impl FakeControl {
    fn connect(run_dir: &Path, hello: &Value) -> Self {
        let stream = UnixStream::connect(run_dir.join("sock")).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut control = Self(BufReader::new(stream));
        control.say(hello);
        control
    }

    fn say(&mut self, message: &Value) {
        let line = format!("{message}\n");
        // A shim that has hung up is noticed by what it does not say.
        let _ = self.0.get_mut().write_all(line.as_bytes());
    }

    /// The next message; `None` when the shim has hung up.
    fn hear(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap_or(0);
        (read > 0).then(|| serde_json::from_str(&line).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_obeys_controls_of_neighbouring_versions_alone() {
    let mut bench = Bench::new().await;
    bench
        .start(bench.spec("a", sets()[0], "echo up; sleep 600"))
        .await;
    bench.routable("a").await;
    let run_dir = bench.driver.run_dir("a");
    for protocol in [PROTOCOL + 2, 0] {
        let hello = json!({ "type": "hello", "protocol": protocol });
        let mut control = FakeControl::connect(&run_dir, &hello);
        control.say(&json!({ "type": "kill" }));
        // It greets everybody, and hangs up.
        while let Some(said) = control.hear() {
            assert_eq!(said["type"], "hello", "{said}");
        }
    }
    let hello = json!({ "type": "hello", "protocol": PROTOCOL + 1, "name": "newer" });
    let mut control = FakeControl::connect(&run_dir, &hello);
    control.say(&json!({ "type": "freeze", "why": { "new": 1 } }));
    control.say(&json!({ "type": "usage", "id": 7, "more": [] }));
    let answer = loop {
        let said = control.hear().unwrap();
        if said["type"] == "usage" {
            break said;
        }
    };
    assert_eq!(answer["id"], 7);
    control.say(&json!({ "type": "stop", "grace_ms": 100, "gently": true }));
    assert_eq!(bench.exit("a").await.reason, ExitReason::Stopped);
}

/// A shim by hand: it holds its lock, has its state on disk and greets whoever comes.
struct FakeShim {
    listener: UnixListener,
    state: Value,
    protocol: u32,
    process: Child,
    lock: File,
}

impl FakeShim {
    fn in_dir(dir: &TempDir, run: &str, protocol: u32) -> Self {
        let run_dir = run_dir(dir, run);
        std::fs::create_dir_all(&run_dir).unwrap();
        let process = Command::new("sleep").arg("600").spawn().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap();
        let start = stat
            .rsplit_once(") ")
            .unwrap()
            .1
            .split(' ')
            .nth(19)
            .unwrap();
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let state = json!({
            "protocol": protocol, "app": APP, "run": run, "kind": "instance", "generation": 1,
            "token": format!("token-{}", process.id()), "boot_id": boot.trim(),
            "shim_pid": process.id(), "shim_start_ticks": start.parse::<u64>().unwrap(),
            "phase": "running", "routable": true, "main_pid": process.id(), "started_at_ms": 1,
            "grace_ms": 100, "port": null, "port_check": "none",
            "isolation": { "landlock": false, "pidns": false, "cgroup": false, "uid": false },
            "uid": null, "cgroups": [], "exit": null, "log_end": { "file": 0, "offset": 0 },
            "of_tomorrow": { "a": [1] },
        });
        std::fs::write(run_dir.join("state.json"), state.to_string()).unwrap();
        let lock = File::create(run_dir.join("lock")).unwrap();
        lock.lock().unwrap();
        Self {
            listener: UnixListener::bind(run_dir.join("sock")).unwrap(),
            state,
            protocol,
            process,
            lock,
        }
    }

    fn greet(&self) -> FakeControl {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut peer = FakeControl(BufReader::new(stream));
        peer.say(
            &json!({ "type": "hello", "protocol": self.protocol, "state": self.state, "x": 1 }),
        );
        peer.say(&json!({ "type": "thawed", "x": [] }));
        peer
    }

    fn end(mut self) {
        let _ = self.process.kill();
        self.process.wait().unwrap();
    }
}

fn run_dir(dir: &TempDir, run: &str) -> PathBuf {
    dir.path().join("data/runs").join(run)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_of_a_neighbouring_version_is_adopted_and_told_to_stop() {
    for protocol in [PROTOCOL, PROTOCOL + 1] {
        let dir = tempfile::tempdir().unwrap();
        let shim = FakeShim::in_dir(&dir, "a", protocol);
        assert_eq!(
            runs_of_other_protocols(&dir.path().join("data")).unwrap(),
            []
        );
        let mut bench = Bench::in_dir(dir).await;
        let mut control = shim.greet();
        bench.routable("a").await;
        assert_eq!(control.hear().unwrap()["type"], "hello");
        bench.stop("a", 50).await;
        let said = control.hear().unwrap();
        assert_eq!(
            (&said["type"], &said["grace_ms"]),
            (&"stop".into(), &50.into())
        );
        shim.end();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_that_can_not_be_understood_is_named_and_can_be_ended() {
    let dir = tempfile::tempdir().unwrap();
    let shim = FakeShim::in_dir(&dir, "a", PROTOCOL + 2);
    let data_dir = dir.path().join("data");
    let named = runs_of_other_protocols(&data_dir).unwrap();
    assert_eq!(named, [("a".to_owned(), PROTOCOL + 2)]);
    let mut bench = Bench::in_dir(dir).await;
    drop(shim.greet());
    let status = bench.driver.observe().await.remove(0);
    assert_eq!(status.phase, RunPhase::Running, "its file is the truth");
    bench.stop("a", 0).await;
    // Control comes again and again, until it ends the shim itself.
    let FakeShim {
        listener,
        mut process,
        lock,
        ..
    } = shim;
    drop(listener);
    until(|| process.try_wait().unwrap().is_some()).await;
    drop(lock);
    bench
        .observe(|seen| (*seen == Observation::Lost { run: "a".into() }).then_some(()))
        .await;
    signal(i32::try_from(process.id()).unwrap(), Signal::SIGKILL);
}
