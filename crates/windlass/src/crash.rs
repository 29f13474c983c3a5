//! Crash tests of the whole program, only under `--cfg windlass_fail`: a file of the data directory
//! names the crash point at which the role that reaches it next is killed, once.

use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, UnlinkatFlags, unlinkat};

use crate::layout::Layout;

/// Name of the file in the data directory.
pub const FILE: &str = "crash-at";
/// Name of the file that lists every point, one a line: the role that dies there, and its name.
pub const LIST_FILE: &str = "crash-points";

/// Who dies at a crash point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mortal {
    /// `windlass up`.
    Supervisor,
    /// `windlass control`.
    Control,
    /// `windlass router`.
    Router,
    /// `windlass shim`, or the init process below it.
    Shim,
    /// `windlass restore`.
    Restore,
}

impl Mortal {
    /// Its subcommand; that of the supervisor is `up`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Supervisor => "supervisor",
            Self::Control => "control",
            Self::Router => "router",
            Self::Shim => "shim",
            Self::Restore => "restore",
        }
    }

    /// Who passes this point. Libraries that two roles share name the role in the point: it exists
    /// for that one alone.
    pub fn of(point: &str) -> Self {
        match point.split('-').next() {
            _ if point.starts_with("store-restore-") => Self::Restore,
            Some("restore") => Self::Restore,
            Some("supervisor") => Self::Supervisor,
            Some("router") => Self::Router,
            Some("shim") => Self::Shim,
            _ => Self::Control,
        }
    }
}

/// Every crash point of the program.
pub fn points() -> impl Iterator<Item = &'static str> {
    [
        crate::crash_point::CRASH_POINTS,
        windlass_store::CRASH_POINTS,
        windlass_router::CRASH_POINTS,
        windlass_control::CRASH_POINTS,
        windlass_runtime::CRASH_POINTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Makes this process die at the point that the file names.
pub(crate) fn arm(layout: &Layout, mortal: Mortal) -> Result<(), String> {
    let root = layout.root();
    // By descriptor: an init process has a view of its own, without the data directory.
    let flags = OFlag::O_DIRECTORY | OFlag::O_PATH | OFlag::O_CLOEXEC;
    let directory = open(root, flags, Mode::empty())
        .map_err(|errno| format!("failed to open {}: {errno}", root.display()))?;
    let directory = Arc::new(directory);
    for point in points().filter(|point| Mortal::of(point) == mortal) {
        let directory = Arc::clone(&directory);
        fail::cfg_callback(point, move || {
            // Who removes the file dies: one crash for one file.
            if named(&directory).trim() == point
                && unlinkat(directory.as_fd(), FILE, UnlinkatFlags::NoRemoveDir).is_ok()
            {
                let _ = kill(Pid::this(), Signal::SIGKILL);
                // The first process of a namespace can't be killed from inside of it.
                std::process::abort();
            }
        })?;
    }
    Ok(())
}

/// Writes the list of all points.
pub(crate) fn list(layout: &Layout) -> Result<(), String> {
    let lines: String = points()
        .map(|point| format!("{} {point}\n", Mortal::of(point).word()))
        .collect();
    let path = layout.root().join(LIST_FILE);
    std::fs::write(&path, lines)
        .map_err(|error| format!("failed to write {}: {error}", path.display()))
}

fn named(directory: &OwnedFd) -> String {
    let mut text = String::new();
    let opened = openat(
        directory.as_fd(),
        FILE,
        OFlag::O_RDONLY | OFlag::O_CLOEXEC,
        Mode::empty(),
    );
    if let Ok(file) = opened {
        // A file that can't be read names nothing.
        let _ = std::fs::File::from(file).read_to_string(&mut text);
    }
    text
}
