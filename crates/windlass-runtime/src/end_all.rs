//! Ends every run of a data directory, for whoever puts another state in its place: what runs
//! belongs to the state before, and a later run may get a name that was used in it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::leftovers::{end_leftovers, run_dirs};
use crate::process::removal;
use crate::procfs;
use crate::protocol::{ToShim, to_line};
use crate::spec::PROTOCOL;
use crate::state::{RunState, SOCKET_FILE, try_lock};
use crate::tree;

/// How much longer than their grace runs may take to end before their shims are killed.
const STOP_MARGIN: Duration = Duration::from_secs(5);
/// How long the end of a killed shim is waited for.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Pause between two looks at a lock: nothing tells when it is released.
const PAUSE: Duration = Duration::from_millis(5);

/// Ends every run: SIGTERM, its grace, SIGKILL, as a stop does, all at the same time. Their
/// directories are removed; log files stay. Gives the number of runs that were still alive. Only
/// for the time in which no control runs. It blocks.
///
/// # Errors
/// When something can't be ended or removed; then it can be called again.
pub fn end_all_runs(data_dir: &Path) -> io::Result<usize> {
    let mut living: Vec<(PathBuf, Instant)> = Vec::new();
    for run_dir in run_dirs(data_dir)? {
        if try_lock(&run_dir)?.is_some() {
            finish(&run_dir)?;
            continue;
        }
        let grace_ms = RunState::read(&run_dir)
            .ok()
            .flatten()
            .map_or(0, |state| state.grace_ms);
        if let Err(error) = ask_to_stop(&run_dir, grace_ms) {
            tracing::warn!(dir = %run_dir.display(), %error, "a shim does not listen");
        }
        let until = Instant::now() + Duration::from_millis(grace_ms) + STOP_MARGIN;
        living.push((run_dir, until));
    }
    let count = living.len();
    for (run_dir, until) in living {
        if !is_free_by(&run_dir, until)? {
            kill_shim(&run_dir)?;
            if !is_free_by(&run_dir, Instant::now() + KILL_LIMIT)? {
                let text = format!("the shim of {} does not end", run_dir.display());
                return Err(io::Error::other(text));
            }
        }
        finish(&run_dir)?;
    }
    Ok(count)
}

fn ask_to_stop(run_dir: &Path, grace_ms: u64) -> io::Result<()> {
    // A socket's path may have about a hundred bytes only: go through an open directory.
    let dir = File::open(run_dir)?;
    let path = format!("/proc/self/fd/{}/{SOCKET_FILE}", dir.as_raw_fd());
    let mut shim = UnixStream::connect(path)?;
    shim.write_all(&to_line(&ToShim::Hello { protocol: PROTOCOL }))?;
    shim.write_all(&to_line(&ToShim::Stop { grace_ms }))
}

fn is_free_by(run_dir: &Path, until: Instant) -> io::Result<bool> {
    while try_lock(run_dir)?.is_none() {
        if Instant::now() >= until {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}

fn kill_shim(run_dir: &Path) -> io::Result<()> {
    let Some(state) = RunState::read(run_dir)? else {
        return Ok(());
    };
    let is_same =
        procfs::stat(state.shim_pid).is_some_and(|stat| stat.start_ticks == state.shim_start_ticks);
    if let (true, Some(pid)) = (is_same, tree::raw(state.shim_pid)) {
        // It may have ended just now.
        let _ = kill(pid, Signal::SIGKILL);
    }
    Ok(())
}

/// Nobody holds the lock: ends what is left, and removes the directory.
fn finish(run_dir: &Path) -> io::Result<()> {
    if let Ok(Some(mut state)) = RunState::read(run_dir)
        && !state.is_over()
    {
        let (_, is_clean) = end_leftovers(&state, run_dir);
        if !is_clean {
            let text = format!("what is left of {} does not end", run_dir.display());
            return Err(io::Error::other(text));
        }
        crate::leftovers::mark_lost(&mut state, run_dir)?;
    }
    if removal::remove(run_dir)? {
        return Ok(());
    }
    let text = format!("{} can't be removed", run_dir.display());
    Err(io::Error::other(text))
}
