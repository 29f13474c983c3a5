//! Which router processes live, as control sees it.
//!
//! Each router holds a lock on a file of its own, in a folder beside the table
//! file, from before it reads the table until it dies; the kernel releases the
//! lock however it dies. So control knows a router also while that router has
//! no connection: it must be waited for, because it may still pick by an old
//! table.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tracing::warn;

/// Attempts to announce before giving up: each lost one means that control
/// looked in the same microsecond.
const ANNOUNCE_ATTEMPTS: u32 = 100;

/// A router's announcement, held for its whole life.
#[derive(Debug)]
pub struct Presence {
    name: String,
    path: PathBuf,
    // Held for its lock.
    _file: File,
}

/// Folder of announcements that belongs to a table file.
pub fn folder_of(table_path: &Path) -> PathBuf {
    let mut name = table_path.as_os_str().to_owned();
    name.push(".routers");
    PathBuf::from(name)
}

impl Presence {
    /// Announces this process. Must happen before the table file is read.
    pub fn announce(table_path: &Path) -> io::Result<Self> {
        let folder = folder_of(table_path);
        std::fs::create_dir_all(&folder)?;
        let pid = std::process::id();
        for attempt in 0..ANNOUNCE_ATTEMPTS {
            let name = format!("{pid}-{attempt}");
            let path = folder.join(&name);
            let created = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            let file = match created {
                Ok(file) => file,
                // Left behind by a dead process with the same pid.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            file.lock()?;
            // Control may have taken the file for a dead router's and removed
            // it between its creation and the lock.
            let same = std::fs::metadata(&path)
                .ok()
                .zip(file.metadata().ok())
                .is_some_and(|(named, held)| named.ino() == held.ino());
            if same {
                return Ok(Self {
                    name,
                    path,
                    _file: file,
                });
            }
        }
        Err(io::Error::other(format!(
            "cannot announce the router in {}: empty that folder",
            folder.display()
        )))
    }

    /// Name of this router, unique among those that live.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // The lock goes with the file handle, after the name.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Names of the routers that live. A router for which `known` is true is
/// counted without looking at its lock. What dead ones left is removed.
pub fn living(table_path: &Path, known: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder_of(table_path)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if known(&name) || is_locked(&entry.path()) {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Whether somebody holds the lock; removes the file when nobody does. Whoever
/// cannot be judged counts as alive: that is the safe side.
fn is_locked(path: &Path) -> bool {
    let file = match OpenOptions::new().write(true).open(path) {
        Ok(file) => file,
        Err(error) => return error.kind() != io::ErrorKind::NotFound,
    };
    match file.try_lock() {
        Ok(()) => {
            if let Err(error) = std::fs::remove_file(path) {
                warn!(path = %path.display(), %error, "cannot remove a dead router's mark");
            }
            false
        }
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => {
            warn!(path = %path.display(), %error, "cannot test a router's lock");
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_lives_as_long_as_it_holds_its_lock() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("table");
        assert!(living(&table, |_| false).unwrap().is_empty());
        let first = Presence::announce(&table).unwrap();
        let second = Presence::announce(&table).unwrap();
        assert_ne!(first.name(), second.name());
        assert_eq!(living(&table, |_| false).unwrap().len(), 2);
        drop(first);
        assert_eq!(living(&table, |_| false).unwrap(), [second.name()]);
    }

    #[test]
    fn the_mark_of_a_dead_router_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("table");
        std::fs::create_dir(folder_of(&table)).unwrap();
        let mark = folder_of(&table).join("1-0");
        std::fs::write(&mark, "").unwrap();
        assert!(living(&table, |_| false).unwrap().is_empty());
        assert!(!mark.exists());
    }
}
