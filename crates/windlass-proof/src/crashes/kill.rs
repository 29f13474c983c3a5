//! Signals to processes of a Windlass.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use windlass::demo::Failure;

/// SIGKILL. Who is gone already is as dead as asked.
pub(super) fn now(pid: i32) -> Result<(), Failure> {
    send(pid, Signal::SIGKILL)
}

/// SIGTERM.
pub(super) fn gently(pid: i32) -> Result<(), Failure> {
    send(pid, Signal::SIGTERM)
}

/// SIGSTOP: it does nothing more until it is killed.
pub(super) fn stop(pid: i32) -> Result<(), Failure> {
    send(pid, Signal::SIGSTOP)
}

fn send(pid: i32, signal: Signal) -> Result<(), Failure> {
    match kill(Pid::from_raw(pid), signal) {
        Ok(()) | Err(nix::Error::ESRCH) => Ok(()),
        Err(errno) => Err(Failure::System {
            what: "send a signal",
            source: errno.into(),
        }),
    }
}
