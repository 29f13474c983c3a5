//! What an earlier control has left: runs that live, have ended, or were lost.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use nix::unistd::geteuid;

use super::{make_passable_dir, removal};
use crate::crash_point::crash_point;
use crate::leftovers::{end_leftovers, mark_lost};
use crate::state::{RunState, boot_id, try_lock};

/// Makes `runs/`. A server that runs as root lets users of apps pass (not list) it and the data
/// directory, whose own files must be private by their own mode.
pub(super) fn make_runs_dir(runs_dir: &Path) -> io::Result<()> {
    make_passable_dir(runs_dir)?;
    if !geteuid().is_root() {
        return Ok(());
    }
    for dir in runs_dir.ancestors().take(2) {
        let mode = std::fs::metadata(dir)?.permissions().mode() & 0o7777;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode | 0o011))?;
    }
    Ok(())
}

/// The states of all runs that were ever launched and are not forgotten.
pub(super) fn scan(runs_dir: &Path) -> io::Result<Vec<RunState>> {
    removal::finish_removals(runs_dir)?;
    let mut states = Vec::new();
    let data_dir = runs_dir.parent().unwrap_or(runs_dir);
    for run_dir in crate::leftovers::run_dirs(data_dir)? {
        match RunState::read(&run_dir) {
            Ok(Some(state)) if state.is_over() => states.push(state),
            Ok(Some(state)) => states.push(conclude(&run_dir)?.into_state().unwrap_or(state)),
            // Prepared, but never launched.
            Ok(None) => {}
            Err(error) => {
                tracing::error!(dir = %run_dir.display(), %error, "state of a run cannot be read");
            }
        }
    }
    Ok(states)
}

/// How a run stands that nobody answers for.
#[derive(Debug)]
pub(super) enum Conclusion {
    /// Its shim (or its init process) lives, or leftovers could not be ended yet. Ask again.
    Alive,
    /// It was never launched.
    Absent,
    /// It is over, and nothing of it is left.
    Over(Box<RunState>),
}

impl Conclusion {
    fn into_state(self) -> Option<RunState> {
        match self {
            Self::Over(state) => Some(*state),
            Self::Alive | Self::Absent => None,
        }
    }
}

/// Finds out from the lock and the state file. A run without a shim and without a recorded end is
/// lost: its leftovers are ended first, then that is recorded.
pub(super) fn conclude(run_dir: &Path) -> io::Result<Conclusion> {
    let over = |state: RunState| Ok(Conclusion::Over(Box::new(state)));
    match RunState::read(run_dir)? {
        Some(state) if state.is_over() => return over(state),
        None if !run_dir.is_dir() => return Ok(Conclusion::Absent),
        Some(_) | None => {}
    }
    let Some(_lock) = try_lock(run_dir)? else {
        return Ok(Conclusion::Alive);
    };
    // The shim may have written its last word between the two looks. From here on none can start.
    let Some(mut state) = RunState::read(run_dir)? else {
        return Ok(Conclusion::Absent);
    };
    if state.is_over() {
        return over(state);
    }
    if state.boot_id == boot_id() {
        let (ended, is_clean) = end_leftovers(&state, run_dir);
        tracing::warn!(
            run = state.run,
            ended,
            is_clean,
            "shim is gone, its run is lost"
        );
        if !is_clean {
            return Ok(Conclusion::Alive);
        }
    }
    crash_point!("driver-lost-before-record");
    mark_lost(&mut state, run_dir)?;
    crash_point!("driver-lost-recorded");
    over(state)
}
