//! Ending the tree of a run, until the kernel says that nothing is left.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use windlass_clock::thread::Instant;

use super::init::Init;
use crate::cgroup::Groups;
use crate::crash_point::crash_point;
use crate::observation::ExitReason;
use crate::procfs;
use crate::tree::{MAX_PAUSE, MIN_PAUSE, kill_all};

/// A run that is being ended.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) reason: ExitReason,
    /// When everything that is left gets SIGKILL.
    pub(super) kill_at: Instant,
    pause: Duration,
    next_pass: Option<Instant>,
}

impl Ending {
    pub(super) fn new(reason: ExitReason, kill_at: Instant) -> Self {
        Self {
            reason,
            kill_at,
            pause: MIN_PAUSE,
            next_pass: None,
        }
    }

    /// When there is something to do next.
    pub(super) fn due(&self) -> Instant {
        self.next_pass.unwrap_or(self.kill_at)
    }

    pub(super) fn kill_now(&mut self) {
        self.kill_at = Instant::now();
    }

    /// One pass. Repeat it at [`Self::due`]: a single one is not enough against a tree that forks.
    pub(super) fn pass(
        &mut self,
        init: &mut Init,
        is_init_alive: bool,
        groups: Option<&Groups>,
        is_user_exclusive: bool,
        has_namespace: bool,
    ) {
        crash_point!("shim-kill-before");
        if let Some(groups) = groups {
            groups.kill();
        }
        let mut alive = procfs::descendants(&BTreeSet::from([std::process::id()]));
        let init_pid = init.pid.as_raw().unsigned_abs();
        alive.retain(|stat| !stat.is_zombie && stat.pid != init_pid);
        if is_init_alive {
            if is_user_exclusive && !has_namespace {
                init.end_user();
            }
            // The death of a namespace's init ends all of it. Without one, init stays until it has
            // nothing below it, since it can end a whole user, and collects orphans meanwhile.
            if has_namespace || alive.is_empty() {
                let _ = kill(init.pid, Signal::SIGKILL);
            }
        }
        kill_all(&alive);
        crash_point!("shim-kill-sent");
        self.next_pass = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(MAX_PAUSE);
    }
}

/// What reaping has found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reaped {
    /// True if init was among the reaped ones.
    pub(super) init: bool,
    /// True if this process has no child at all. Since it is a subreaper, nothing descends from it
    /// then: every orphan would have become its child.
    pub(super) is_childless: bool,
}

/// Reaps every child that has ended.
pub(super) fn reap_all(init: &Init) -> Reaped {
    let mut reaped = Reaped::default();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                reaped.init |= pid == init.pid;
            }
            Err(nix::Error::ECHILD) => {
                reaped.is_childless = true;
                return reaped;
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return reaped,
            Ok(_) => {}
        }
    }
}
