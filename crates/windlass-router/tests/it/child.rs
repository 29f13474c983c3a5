//! The router as a process of its own: this test binary, started again.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use windlass_router::{Limits, RouterConfig, run};

use crate::world::BOOT;

const FOLDER: &str = "WINDLASS_TEST_ROUTER_FOLDER";

/// A child process; killed when dropped.
pub(crate) struct RouterProcess(Child);

impl RouterProcess {
    /// Starts a router over the table and socket of `folder`. It inherits the
    /// listening socket as its standard input.
    pub(crate) fn start(folder: &Path, http: &TcpListener) -> Self {
        let socket: OwnedFd = http.as_fd().try_clone_to_owned().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "child::router_process",
                "--ignored",
                "--nocapture",
            ])
            .env(FOLDER, folder)
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for RouterProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test: the body of the child process.
#[test]
#[ignore = "runs only as a child process of other tests"]
fn router_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let config = RouterConfig {
        table_path: folder.join("table"),
        control_socket: folder.join("control"),
        boot_id: BOOT.to_owned(),
        http: vec![TcpListener::from(socket)],
        https: vec![],
        metrics: None,
        workers: 2,
        limits: Limits::default(),
        access_log: None,
        trust_forwarded_headers: false,
    };
    run(config, || {}).unwrap();
}
