//! Opening connections with the pragmas that durability needs.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::failure::{database, opening};
use crate::error::StoreError;

/// Statements that a connection keeps compiled.
const STATEMENT_CACHE: usize = 256;
/// Pages of the write-ahead log after which SQLite itself checkpoints in the middle of a commit:
/// only a limit, the writer checkpoints long before.
const LOG_LIMIT_PAGES: u32 = 8192;
/// Size to which the write-ahead log is cut when it starts anew, bytes.
const LOG_KEEP_BYTES: u64 = 64 << 20;
/// Page cache of a connection, KiB.
const CACHE_KIB: u32 = 8192;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// The writer.
    Write,
    /// A reader: the database refuses writes through it.
    Read,
}

/// Opens the database file.
pub(crate) fn open(
    path: &Path,
    access: Access,
    busy_timeout_ms: u32,
) -> Result<Connection, StoreError> {
    if access == Access::Write {
        create_private(path)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection
        .busy_timeout(Duration::from_millis(u64::from(busy_timeout_ms)))
        .map_err(database)?;
    let pragmas = match access {
        // A commit counts as durable only with FULL: NORMAL may lose it at a power failure.
        Access::Write => format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA wal_autocheckpoint = {LOG_LIMIT_PAGES};
             PRAGMA journal_size_limit = {LOG_KEEP_BYTES};
             PRAGMA cache_size = -{CACHE_KIB};"
        ),
        Access::Read => {
            format!("PRAGMA query_only = ON; PRAGMA cache_size = -{CACHE_KIB};")
        }
    };
    connection
        .execute_batch(&pragmas)
        .map_err(|e| opening(path, e))?;
    Ok(connection)
}

/// Creates the file for the owner only (the log and index files beside it take over its mode) and
/// makes its name durable.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let created = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(_) => sync_parent(path),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(StoreError::file("create", path, e)),
    }
}

/// Makes a created or renamed name durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::File::open(parent)
        .and_then(|folder| folder.sync_all())
        .map_err(|e| StoreError::file("sync", parent, e))
}
