//! Ending whole trees of processes, however they try to stay.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::procfs::{self, Stat};
use crate::program;
use crate::state::{LOCK_FILE, try_lock};

/// First pause between two passes; it doubles up to [`MAX_PAUSE`].
pub(crate) const MIN_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause between two passes.
pub(crate) const MAX_PAUSE: Duration = Duration::from_millis(50);
/// An orphan that looks like a shim which has not taken its lock yet is left alone for so long.
const SHIM_START_LIMIT: Duration = Duration::from_secs(5);

/// Ends process `root` and everything that descends from it, in as many passes as it takes, and
/// reaps those that are (or become) children of the caller. True if nothing is left; false if
/// `limit` has passed before.
///
/// Descendants whose parent dies go to the nearest subreaper. Nothing can escape therefore if the
/// caller is one, or `root` has one above it which the caller asks about again.
pub fn end_tree(root: u32, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let mut known = BTreeSet::from([root]);
    let mut pause = MIN_PAUSE;
    loop {
        let all = procfs::all();
        known.extend(
            procfs::descendants_in(&all, &known)
                .iter()
                .map(|stat| stat.pid),
        );
        let alive: Vec<Stat> = all
            .into_iter()
            .filter(|stat| known.contains(&stat.pid) && !stat.is_zombie)
            .collect();
        kill_all(&alive);
        // What has died must not stay in the set: its number may come to mean somebody else.
        known.retain(|pid| !reap(*pid) && procfs::stat(*pid).is_some_and(|stat| !stat.is_zombie));
        if known.is_empty() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// What [`reap_and_end_orphans`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// Children that had ended and were reaped.
    pub reaped: Vec<u32>,
    /// Orphans that were ended, with everything below them.
    pub ended: Vec<u32>,
    /// Orphans that could not be ended in time; ask again.
    pub left: Vec<u32>,
}

/// Looks at every child of the calling process, which is a child subreaper: those in `keep` are
/// left alone (also unreaped), live shims of `data_dir` too, ended ones are reaped, and every
/// other one is an orphan of a run whose shim was killed and is ended with its tree. A shim that is
/// only just starting is one of this program or of `program_before`.
///
/// Call it on SIGCHLD. It blocks up to `limit` for each orphan.
pub fn reap_and_end_orphans(
    keep: &BTreeSet<u32>,
    data_dir: &Path,
    program_before: Option<&Path>,
    limit: Duration,
) -> OrphanReport {
    let me = std::process::id();
    let mut report = OrphanReport::default();
    let children = procfs::all().into_iter().filter(|stat| stat.ppid == me);
    for child in children.filter(|stat| !keep.contains(&stat.pid)) {
        if child.is_zombie {
            if reap(child.pid) {
                report.reaped.push(child.pid);
            }
        } else if !is_live_shim(&child, data_dir, program_before) {
            let is_gone = end_tree(child.pid, limit);
            if is_gone {
                &mut report.ended
            } else {
                &mut report.left
            }
            .push(child.pid);
        }
    }
    report
}

/// A shim is who holds the lock of a run and has written its number into it. What a process calls
/// itself proves nothing: an app could call itself a shim.
fn is_live_shim(stat: &Stat, data_dir: &Path, program_before: Option<&Path>) -> bool {
    let arguments = procfs::arguments(stat.pid);
    let Some(run_dir) = arguments.last().map(Path::new) else {
        return false;
    };
    let is_ours = run_dir.parent() == Some(&data_dir.join("runs")) && run_dir.is_dir();
    if !is_ours {
        return false;
    }
    if age(stat) < SHIM_START_LIMIT && is_own_program(stat.pid, program_before) {
        return true;
    }
    let holder = std::fs::read_to_string(run_dir.join(LOCK_FILE)).unwrap_or_default();
    holder.trim() == stat.pid.to_string() && matches!(try_lock(run_dir), Ok(None))
}

fn is_own_program(pid: u32, before: Option<&Path>) -> bool {
    let Ok(program) = std::fs::read_link(format!("/proc/{pid}/exe")) else {
        return false;
    };
    let own = std::fs::read_link("/proc/self/exe");
    own.is_ok_and(|own| own == program)
        || before.is_some_and(|before| program::without_mark(&program) == before)
}

fn age(stat: &Stat) -> Duration {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let uptime_secs: f64 = uptime
        .split(' ')
        .next()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0.0);
    let started = Duration::from_secs(stat.start_ticks / procfs::ticks_per_second());
    Duration::try_from_secs_f64(uptime_secs)
        .unwrap_or_default()
        .saturating_sub(started)
}

/// Sends SIGKILL to each of `alive`, and to each process group that one of them leads: a group is
/// hit as a whole, also when it forks at the same moment.
pub(crate) fn kill_all(alive: &[Stat]) {
    for stat in alive {
        let Some(pid) = raw(stat.pid) else { continue };
        if stat.pgrp == stat.pid {
            // It may be gone already; then there is nothing to do.
            let _ = killpg(pid, Signal::SIGKILL);
        }
        let _ = kill(pid, Signal::SIGKILL);
    }
}

/// Reaps `pid` if it is an ended child of the caller.
pub(crate) fn reap(pid: u32) -> bool {
    let Some(pid) = raw(pid) else { return false };
    matches!(
        waitpid(pid, Some(WaitPidFlag::WNOHANG)),
        Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
    )
}

/// A pid in the form of the system calls, 0 and 1 excepted.
pub(crate) fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid)
        .ok()
        .filter(|pid| *pid > 1)
        .map(Pid::from_raw)
}
