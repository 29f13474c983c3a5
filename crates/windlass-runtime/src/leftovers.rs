//! Ends what is left of runs whose shim is gone, by the marks that the processes carry.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cgroup::{kill_members, remove_groups};
use crate::observation::RunPhase;
use crate::ports::{self, Listener};
use crate::procfs::{self, Stat};
use crate::spec::is_understood;
use crate::state::{RunState, boot_id, try_lock};
use crate::tree::{MAX_PAUSE, MIN_PAUSE, kill_all};

/// Variable that carries the token of the run in every process of it.
pub(crate) const TOKEN_VARIABLE: &str = "WINDLASS_RUN_TOKEN";
/// How long leftovers are hunted before the sweep gives up on a run.
const SWEEP_LIMIT: Duration = Duration::from_secs(10);

/// What [`sweep_leftovers`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Runs without a shim and without a recorded end; they are recorded as lost now.
    pub lost: Vec<String>,
    /// Number of processes that were ended.
    pub ended: usize,
    /// Runs of which something could not be ended in time.
    pub unfinished: Vec<String>,
    /// Ports of lost runs on which somebody still listens; do not use them. Nobody is ended for
    /// his port alone: it may be a bystander.
    pub taken_ports: Vec<u16>,
}

/// Ends what is left of every run in `data_dir` whose shim does not live, and records these runs
/// as lost. Live runs are not touched. For the start, when no control runs. It blocks.
///
/// # Errors
/// When the directory of the runs cannot be read.
pub fn sweep_leftovers(data_dir: &Path) -> io::Result<SweepReport> {
    let mut report = SweepReport::default();
    for run_dir in run_dirs(data_dir)? {
        // The lock is held during the sweep, so that no shim starts meanwhile.
        let Ok(Some(_lock)) = try_lock(&run_dir) else {
            continue;
        };
        let Ok(Some(mut state)) = RunState::read(&run_dir) else {
            continue;
        };
        if state.is_over() {
            continue;
        }
        let (ended, is_clean) = end_leftovers(&state, &run_dir);
        report.ended += ended;
        if !is_clean {
            report.unfinished.push(state.run.clone());
        }
        if let Some(port) = state.port
            && ports::listener(port, &BTreeSet::new()) == Listener::Foreign
        {
            report.taken_ports.push(port);
        }
        mark_lost(&mut state, &run_dir)?;
        report.lost.push(state.run);
    }
    Ok(report)
}

/// Runs that have not ended and whose shim speaks a protocol that this program does not understand,
/// with its version.
///
/// # Errors
/// When the directory of the runs cannot be read.
pub fn runs_of_other_protocols(data_dir: &Path) -> io::Result<Vec<(String, u32)>> {
    let mut found = Vec::new();
    for run_dir in run_dirs(data_dir)? {
        // One that can't be read is nobody's we could name; control reports it.
        if let Ok(Some((run, protocol))) = RunState::protocol_of(&run_dir)
            && !is_understood(protocol)
        {
            found.push((run, protocol));
        }
    }
    Ok(found)
}

/// Records that a run is gone without a record of its end. Hold its lock.
pub(crate) fn mark_lost(state: &mut RunState, run_dir: &Path) -> io::Result<()> {
    state.phase = RunPhase::Lost;
    state.routable = false;
    state.write(run_dir)
}

/// Directories of all runs.
pub(crate) fn run_dirs(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(data_dir.join("runs")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut dirs = Vec::new();
    for entry in entries {
        let entry = entry?;
        let is_run = entry
            .file_name()
            .to_str()
            .is_some_and(crate::spec::is_plain_name);
        if is_run && entry.file_type()?.is_dir() {
            dirs.push(entry.path());
        }
    }
    dirs.sort();
    Ok(dirs)
}

/// Ends every process that betrays itself as one of the run: by its control group, token, session,
/// working directory, own user, or parent. Says how many, and whether nothing is left.
pub(crate) fn end_leftovers(state: &RunState, run_dir: &Path) -> (usize, bool) {
    if state.boot_id != boot_id() {
        return (0, true);
    }
    let deadline = Instant::now() + SWEEP_LIMIT;
    let mut pause = MIN_PAUSE;
    let mut ended = BTreeSet::new();
    loop {
        let mut left = kill_members(&state.cgroups);
        let found = betrayed(state, run_dir);
        left += found.len();
        kill_all(&found);
        ended.extend(found.iter().map(|stat| stat.pid));
        if left == 0 {
            remove_groups(&state.cgroups);
            return (ended.len(), true);
        }
        if Instant::now() >= deadline {
            return (ended.len(), false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

fn betrayed(state: &RunState, run_dir: &Path) -> Vec<Stat> {
    let all = procfs::all();
    let assignment = format!("{TOKEN_VARIABLE}={}", state.token);
    let me = std::process::id();
    let above = procfs::ancestors_in(&all, me);
    let carries_mark = |stat: &&Stat| {
        !stat.is_zombie
            && stat.pid != me
            && (procfs::has_environment(stat.pid, &assignment)
                || procfs::working_dir(stat.pid).is_some_and(|dir| dir.starts_with(run_dir))
                || is_of_session(stat, state, &all)
                || is_orphan_of_user(stat, state, &above))
    };
    let marked: Vec<Stat> = all.iter().filter(carries_mark).copied().collect();
    let roots: BTreeSet<u32> = marked.iter().map(|stat| stat.pid).collect();
    let below = procfs::descendants_in(&all, &roots);
    marked
        .into_iter()
        .chain(below)
        .filter(|stat| !stat.is_zombie)
        .collect()
}

/// A process of a living run has its shim or init above it, however it was forked. So one of the
/// app's own user whose parent is the machine's init (or who else collects orphans above this
/// process) belongs to a run whose shim is gone.
fn is_orphan_of_user(stat: &Stat, state: &RunState, above: &BTreeSet<u32>) -> bool {
    let Some(uid) = state.uid.filter(|_| state.isolation.uid) else {
        return false;
    };
    above.contains(&stat.ppid) && procfs::user(stat.pid) == Some(uid)
}

/// A number is not given to a new process as long as it names a session. So a member of the main
/// process's session belongs to the run, unless the number has a living owner who is not its
/// leader from then (the session is then a later one of the same number).
fn is_of_session(stat: &Stat, state: &RunState, all: &[Stat]) -> bool {
    let Some(main_pid) = state.main_pid else {
        return false;
    };
    stat.session == main_pid
        && stat.start_ticks >= state.shim_start_ticks
        && all
            .iter()
            .find(|other| other.pid == main_pid)
            .is_none_or(|leader| {
                leader.ppid == state.shim_pid
                    || procfs::has_environment(
                        leader.pid,
                        &format!("{TOKEN_VARIABLE}={}", state.token),
                    )
            })
}
