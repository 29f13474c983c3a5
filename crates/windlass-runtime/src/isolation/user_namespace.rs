//! Namespaces for the processes of a run, with a user namespace where the server is no root.

use std::fs;

use nix::sched::CloneFlags;
use nix::sys::prctl;
use nix::unistd::{getegid, geteuid};

/// Which namespaces to make, and who made them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Namespaces {
    /// For the call that makes the process.
    pub(crate) flags: CloneFlags,
    uid: u32,
    gid: u32,
}

impl Namespaces {
    /// The namespaces of a run: pids, mounts and System V IPC. An ordinary user may make them only
    /// inside a user namespace. Ask before making the process: in it the ids are not mapped yet.
    pub(crate) fn of_run() -> Self {
        let flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
        let (uid, gid) = (geteuid(), getegid());
        let flags = if uid.is_root() {
            flags
        } else {
            flags | CloneFlags::CLONE_NEWUSER
        };
        Self {
            flags,
            uid: uid.as_raw(),
            gid: gid.as_raw(),
        }
    }

    /// First thing in the new process: keeps its user in the new user namespace.
    pub(crate) fn enter(self) -> Result<(), String> {
        if !self.flags.contains(CloneFlags::CLONE_NEWUSER) {
            return Ok(());
        }
        // The files below /proc/self belong to root while the process is not dumpable. No process
        // of an app exists yet that could make use of this moment.
        prctl::set_dumpable(true).map_err(|error| format!("prctl: {error}"))?;
        let written = self.write_maps();
        prctl::set_dumpable(false).map_err(|error| format!("prctl: {error}"))?;
        written
    }

    fn write_maps(self) -> Result<(), String> {
        let write = |file: &str, text: String| {
            let path = format!("/proc/self/{file}");
            fs::write(&path, text).map_err(|error| format!("{path}: {error}"))
        };
        write("setgroups", "deny".to_owned())?;
        write("uid_map", format!("{0} {0} 1", self.uid))?;
        write("gid_map", format!("{0} {0} 1", self.gid))
    }
}
