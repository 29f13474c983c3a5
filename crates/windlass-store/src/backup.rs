//! Backup, restore, check, rehearsal: whole files.

use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::sqlite::connection::sync_parent;
use crate::sqlite::failure::is_busy;
use crate::sqlite::{self, Access, database, migrate};
use crate::store::Rehearsal;

/// Messages of an integrity check that are shown.
const SHOWN_FAULTS: u32 = 5;
/// How long a short look at somebody else's database waits for a lock, milliseconds.
const LOOK_TIMEOUT_MS: u32 = 1_000;

/// Writes a consistent copy of an open database to a new file.
pub(crate) fn backup(from: &Path, to: &Path, busy_timeout_ms: u32) -> Result<(), StoreError> {
    if to.exists() {
        let exists = io::Error::from(io::ErrorKind::AlreadyExists);
        return Err(StoreError::file("write the backup", to, exists));
    }
    let partial = beside(to, ".partial");
    copy(from, &partial, busy_timeout_ms)?;
    crash_point!("store-backup-before-rename");
    rename(&partial, to)
}

/// Puts a checked copy of a backup in the place of a database.
pub(crate) fn restore(backup: &Path, target: &Path) -> Result<(), StoreError> {
    if !backup.exists() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        return Err(StoreError::file("read the backup", backup, missing));
    }
    let partial = beside(target, ".partial");
    copy_file(backup, &partial)?;
    let connection = sqlite::open(&partial, Access::Read, LOOK_TIMEOUT_MS)?;
    let version = migrate::version(&connection, backup)?;
    if version == 0 {
        return Err(StoreError::Foreign {
            path: backup.to_owned(),
        });
    }
    check(&connection)?;
    drop(connection);
    settle(target)?;
    crash_point!("store-restore-before-rename");
    rename(&partial, target)
}

/// Removes what an interrupted restore has left.
pub(crate) fn forget_restore(backup: &Path, target: &Path) -> Result<(), StoreError> {
    remove_database(backup)?;
    remove_database(&beside(target, ".partial"))
}

/// Schema version of a database that others may have open.
pub(crate) fn schema_version(path: &Path) -> Result<u32, StoreError> {
    let connection = sqlite::open(path, Access::Read, LOOK_TIMEOUT_MS)?;
    migrate::version(&connection, path)
}

/// Migrates a copy.
pub(crate) fn rehearse(path: &Path, scratch: &Path) -> Result<Rehearsal, StoreError> {
    let copy_path = scratch.join("rehearsal.sqlite");
    let tried = try_migration(path, &copy_path);
    let removed = remove_database(&copy_path);
    let rehearsal = tried?;
    removed.map(|()| rehearsal)
}

fn try_migration(path: &Path, copy_path: &Path) -> Result<Rehearsal, StoreError> {
    let original = sqlite::open(path, Access::Read, LOOK_TIMEOUT_MS)?;
    migrate::version(&original, path)?;
    drop(original);
    copy(path, copy_path, LOOK_TIMEOUT_MS)?;
    let connection = sqlite::open(copy_path, Access::Write, LOOK_TIMEOUT_MS)?;
    let from = migrate::migrate(&connection, copy_path)?;
    check(&connection)?;
    Ok(Rehearsal {
        from,
        to: migrate::NEWEST,
    })
}

/// Checks pages, indexes and references.
pub(crate) fn check(connection: &Connection) -> Result<(), StoreError> {
    let mut faults = Vec::new();
    let pragmas = [
        format!("PRAGMA integrity_check({SHOWN_FAULTS})"),
        "PRAGMA foreign_key_check".to_owned(),
    ];
    for pragma in pragmas {
        let run = || -> rusqlite::Result<Vec<String>> {
            let mut statement = connection.prepare(&pragma)?;
            statement
                .query_map([], |row| row.get::<_, String>(0))?
                .collect()
        };
        faults.extend(run().map_err(database)?);
    }
    faults.retain(|fault| fault != "ok");
    faults.truncate(SHOWN_FAULTS as usize);
    if faults.is_empty() {
        Ok(())
    } else {
        Err(StoreError::Corrupt {
            text: faults.join("; "),
        })
    }
}

/// Copies one snapshot of a database, which others may change meanwhile, and syncs it.
fn copy(from: &Path, to: &Path, busy_timeout_ms: u32) -> Result<(), StoreError> {
    remove_database(to)?;
    create_private(to)?;
    let connection = sqlite::open(from, Access::Read, busy_timeout_ms)?;
    // `VACUUM INTO` changes nothing here, but counts as a write.
    connection
        .execute_batch("PRAGMA query_only = OFF")
        .map_err(database)?;
    let name = to.to_str().ok_or_else(|| {
        StoreError::file("write", to, io::Error::other("the name is not valid UTF-8"))
    })?;
    connection
        .execute("VACUUM INTO ?", [name])
        .map_err(database)?;
    sync(to)
}

/// Makes sure that nobody has the target open and that its log is empty: a log left beside the
/// restored file would be taken for its own.
fn settle(target: &Path) -> Result<(), StoreError> {
    if target.exists() {
        let closed = Connection::open(target).and_then(|connection| {
            connection.query_row("PRAGMA journal_mode = DELETE", [], |row| {
                row.get::<_, String>(0)
            })
        });
        match closed {
            Ok(_) => {}
            Err(error) if is_busy(&error) => {
                return Err(StoreError::InUse {
                    path: target.to_owned(),
                });
            }
            // A damaged database is what a restore is for.
            Err(error) => tracing::warn!(%error, "the replaced database could not be opened"),
        }
    }
    for suffix in ["-wal", "-shm", "-journal"] {
        remove(&beside(target, suffix))?;
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> Result<(), StoreError> {
    remove_database(to)?;
    create_private(to)?;
    fs::copy(from, to).map_err(|e| StoreError::file("copy the backup to", to, e))?;
    sync(to)
}

fn create_private(path: &Path) -> Result<(), StoreError> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|e| StoreError::file("create", path, e))
}

fn sync(path: &Path) -> Result<(), StoreError> {
    fs::File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|e| StoreError::file("sync", path, e))
}

fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|e| StoreError::file("rename to", to, e))?;
    sync_parent(to)
}

fn remove_database(path: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        remove(&beside(path, suffix))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::file("remove", path, e)),
        _ => Ok(()),
    }
}

/// The path with something appended to its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
