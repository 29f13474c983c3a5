//! A Windlass for one test, the example app, and visitors.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use windlass::demo::bits;
use windlass::demo::census::{self, Seen};
use windlass::demo::load::{Load, Visit};
use windlass::demo::platform::{App, Platform};
use windlass::demo::server::Server;
use windlass::demo::{Failure, wait_for};

/// Servers that run at the same time: each starts several processes per instance.
const SERVERS: usize = 2;

/// What most tests call the base and the target.
pub(crate) const ONE: &[(&str, &str)] = &[("hello.conf", "VERSION=1\n")];
pub(crate) const TWO: &[(&str, &str)] = &[("hello.conf", "VERSION=2\n")];

/// A running Windlass with its first administrator. What falls last is named last.
pub(crate) struct World {
    pub(crate) platform: Platform,
    pub(crate) server: Server,
    _directory: TempDir,
    _slot: Slot,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With more flags of `windlass up`.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let slot = Slot::take();
        let directory = temporary_directory();
        let mut server = Server::new(&program(), &directory.path().join("w"), flags).expect("home");
        server.up().expect("windlass up");
        let platform = Platform::of(&server, None).expect("platform");
        Self {
            platform,
            server,
            _directory: directory,
            _slot: slot,
        }
    }

    /// Pushes version 1 of the example.
    pub(crate) fn push(&self, name: &str, instances: u32) -> App {
        self.push_with(name, instances, ONE)
    }

    /// Pushes the example with other files in it.
    pub(crate) fn push_with(&self, name: &str, instances: u32, extra: &[(&str, &str)]) -> App {
        self.platform
            .push(name, &archive(extra), instances)
            .expect("push")
    }

    /// Builds another version of the example.
    pub(crate) fn stage(&self, app: &App, extra: &[(&str, &str)]) -> String {
        self.platform.stage(app, &archive(extra)).expect("stage")
    }

    /// A load of about 300 requests a second through the router.
    pub(crate) fn visitors(&self, app: &App) -> Load {
        Load::start(self.visit(app, "/")).expect("load")
    }

    pub(crate) fn visit(&self, app: &App, path: &str) -> Visit {
        let router = self.platform.env["WINDLASS_ROUTER_HTTP"]
            .trim_start_matches("http://")
            .parse()
            .expect("address");
        Visit {
            router,
            host: app.host.clone(),
            path: path.to_owned(),
            keeping: 4,
            passing: 2,
            pause: Duration::from_millis(20),
        }
    }

    /// Asks the app once through the router: status, version, body.
    pub(crate) fn ask(&self, app: &App, path: &str) -> (u16, String, String) {
        let visit = self.visit(app, path);
        crate::world::ask(visit.router, &visit.host, path)
    }

    /// Takes up a Windlass that was started again: addresses and tokens may be others.
    pub(crate) fn renew(&mut self) {
        self.platform = Platform::of(&self.server, None).expect("platform");
    }

    /// The record of a deployment as the command line shows it.
    pub(crate) fn record(&self, deployment: &str) -> serde_json::Value {
        self.server
            .json(&["deployment", "show", deployment])
            .expect("deployment show")
    }

    /// Processes of apps: neither roles nor shims.
    pub(crate) fn app_processes(&self) -> Vec<Seen> {
        let mut found = self.server.census();
        found.retain(|seen| !seen.is_windlass());
        found
    }

    /// Stops everything and finds nothing left over.
    pub(crate) fn end(mut self) {
        self.server.down().expect("windlass down");
        assert_eq!(self.server.census(), [], "left over after `down`");
    }
}

/// Sends one plain request over a connection of its own.
pub(crate) fn ask(router: std::net::SocketAddr, host: &str, path: &str) -> (u16, String, String) {
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(router).expect("connect");
    socket
        .set_read_timeout(Some(windlass::demo::WAIT_LIMIT))
        .expect("timeout");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("request");
    let mut text = String::new();
    socket.read_to_string(&mut text).expect("answer");
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .unwrap_or(0);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let version = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("x-hello-version")
                .then(|| value.trim().to_owned())
        })
        .unwrap_or_default();
    (status, version, body.to_owned())
}

/// Waits until a question answers yes.
pub(crate) fn until(what: &str, mut question: impl FnMut() -> bool) {
    wait_for(what, || {
        Ok(if question() {
            Ok(())
        } else {
            Err("not yet".to_owned())
        })
    })
    .expect("came");
}

/// Waits until a question has an answer.
pub(crate) fn until_some<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    wait_for(what, || Ok(question().ok_or_else(|| "not yet".to_owned()))).expect("came")
}

/// Waits until none of these processes lives.
pub(crate) fn until_gone(processes: &[Seen]) {
    wait_for("the end of all these processes", || {
        let left = census::survivors(processes);
        Ok::<_, Failure>(if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        })
    })
    .expect("gone");
}

/// Waits until so many requests have been answered in this section.
pub(crate) fn until_answered(load: &Load, count: u64) {
    until("answers", || load.counts().total() >= count);
}

/// Ends the load; nothing may have failed.
pub(crate) fn none_failed(load: Load) {
    let totals = load.finish();
    assert_eq!(totals.failed, 0, "{:?}", totals.failures);
    assert_eq!(totals.cut_by_kill, 0);
}

/// The example packed, with files added or replaced.
pub(crate) fn archive(extra: &[(&str, &str)]) -> Vec<u8> {
    bits::pack(example(), extra).expect("pack")
}

/// The program under test.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("WINDLASS_BINARY").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_windlass")),
        PathBuf::from,
    )
}

/// A directory that apps under user ids of their own can pass.
pub(crate) fn temporary_directory() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::Builder::new()
        .prefix("windlass-test-")
        .tempdir()
        .expect("temp dir");
    let mode = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(directory.path(), mode).expect("mode");
    directory
}

/// A directory with the example's program and Procfile, built once.
pub(crate) fn example() -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../examples");
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--release",
                "--locked",
                "--quiet",
                "--manifest-path",
            ])
            .arg(source.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            .status()
            .expect("cargo");
        assert!(built.success(), "the example does not build");
        let files = target.join("hello-app-tested");
        std::fs::create_dir_all(&files).expect("directory");
        std::fs::copy(target.join("release/hello"), files.join("hello")).expect("copy");
        std::fs::copy(source.join("Procfile"), files.join("Procfile")).expect("copy");
        files
    })
}

/// One of the places for servers.
struct Slot;

static FREE: Mutex<usize> = Mutex::new(SERVERS);
static FREED: Condvar = Condvar::new();

impl Slot {
    fn take() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = FREED.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        FREED.notify_one();
    }
}
