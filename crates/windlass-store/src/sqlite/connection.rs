//! Opening connections with the pragmas that durability needs.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
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
    // Statistics with samples would have nearly every statement compiled anew whenever it is given
    // other values, for a plan of their own: that costs more than most statements do. This way a
    // compiled statement keeps its plan.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
        .map_err(database)?;
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

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::sqlite::migrate;

    #[test]
    fn statements_stay_compiled_whatever_their_values() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        let writer = open(&path, Access::Write, 0).unwrap();
        migrate::migrate(&writer, &path).unwrap();
        for number in 0..100 {
            let sql = "INSERT INTO usages VALUES (?1, ?1 % 3, 1, 1, 1)";
            writer.execute(sql, [number]).unwrap();
        }
        writer.execute_batch("ANALYZE").unwrap();
        for access in [Access::Write, Access::Read] {
            let connection = open(&path, access, 0).unwrap();
            let mut statement = connection
                .prepare("SELECT app FROM usages WHERE organization = ? ORDER BY app LIMIT ?")
                .unwrap();
            for number in 0..5 {
                let mut rows = statement.query((number % 3, number)).unwrap();
                while rows.next().unwrap().is_some() {}
            }
            let again = statement.get_status(StatementStatus::RePrepare);
            assert_eq!(again, 0, "{access:?}");
        }
    }
}
