//! Removes the directories of ended runs.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::crash_point::crash_point;
use crate::state::{RunState, try_lock};

/// Prefix of directories that are being removed. No run has a name with a leading dot.
const GONE: &str = ".gone-";

/// How long a shim that has recorded the end of its run may take to leave: a disk sync.
const LEAVE_LIMIT: Duration = Duration::from_mins(1);
/// Pause between two looks whether it has left.
const LEAVE_PAUSE: Duration = Duration::from_millis(2);

/// Removes the directory of a run; false if somebody holds its lock or it has not ended.
pub(crate) fn remove(run_dir: &Path) -> io::Result<bool> {
    if !run_dir.is_dir() {
        return Ok(true);
    }
    let deadline = Instant::now() + LEAVE_LIMIT;
    let _lock = loop {
        match try_lock(run_dir)? {
            Some(lock) => break lock,
            None if Instant::now() >= deadline => return Ok(false),
            None => std::thread::sleep(LEAVE_PAUSE),
        }
    };
    if RunState::read(run_dir)?.is_some_and(|state| !state.is_over()) {
        return Ok(false);
    }
    let (Some(parent), Some(name)) = (run_dir.parent(), run_dir.file_name()) else {
        return Ok(false);
    };
    // Out of the way first: half of a directory would look like a run that was never launched.
    let gone = parent.join(format!("{GONE}{}", name.to_string_lossy()));
    remove_tree(&gone)?;
    fs::rename(run_dir, &gone)?;
    crash_point!("driver-forget-moved");
    remove_tree(&gone)?;
    Ok(true)
}

/// Goes on with removals that a crash has interrupted.
pub(crate) fn finish_removals(runs_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(runs_dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(GONE) {
            remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

fn remove_tree(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // The app may have taken the permissions from its own directories.
            open_up(dir)?;
            fs::remove_dir_all(dir)
        }
        other => other,
    }
}

fn open_up(dir: &Path) -> io::Result<()> {
    let mut waiting: Vec<PathBuf> = vec![dir.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    Ok(())
}
