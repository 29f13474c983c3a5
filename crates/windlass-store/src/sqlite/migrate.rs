//! Numbered migrations. A file never changes once it was released; a new one is added.

use std::path::Path;

use rusqlite::Connection;

use super::failure::{database, opening};
use crate::crash_point::crash_point;
use crate::error::StoreError;

/// The migrations: number n makes schema version n out of n − 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/sqlite/0001_initial.sql"),
    include_str!("../migrations/sqlite/0002_app_hosts.sql"),
    include_str!("../migrations/sqlite/0003_ports_released.sql"),
];

/// Mark of our files (`WNDL`), so that no other program's database is ever changed.
const APPLICATION_ID: u32 = 0x574e_444c;

/// How long the look at a file before it is opened waits for a lock, milliseconds.
const LOOK_TIMEOUT_MS: u32 = 5_000;

/// The newest schema version known here.
#[expect(
    clippy::cast_possible_truncation,
    reason = "there are far fewer than 2^32 migrations"
)]
pub(crate) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// What the newest migration does.
pub(crate) fn newest() -> &'static str {
    MIGRATIONS.last().copied().unwrap_or_default()
}

/// Schema version of an open database; 0 = empty.
///
/// # Errors
/// [`StoreError::Foreign`] and [`StoreError::Newer`].
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let number = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, u32>(0))
            .map_err(|e| opening(path, e))
    };
    let found = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_master")?;
    let fresh = found == 0 && application == 0 && tables == 0;
    if application != APPLICATION_ID && !fresh {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    if found > NEWEST {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: NEWEST,
        });
    }
    Ok(found)
}

/// Refuses a file that is not ours or too new before anything is written to it: even opening it for
/// writing would change its journal mode. A file that does not exist or is empty is fine.
pub(crate) fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let is_empty = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    if is_empty {
        return Ok(());
    }
    let connection = super::open(path, super::Access::Read, LOOK_TIMEOUT_MS)?;
    version(&connection, path).map(drop)
}

/// Brings the database to the newest version, each migration in a transaction of its own. Gives
/// the version that it found.
pub(crate) fn migrate(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let found = version(connection, path)?;
    for (number, sql) in (1u32..).zip(MIGRATIONS) {
        if number <= found {
            continue;
        }
        let step = format!(
            "PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\n{sql}"
        );
        connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(database)?;
        let done = connection.execute_batch(&step).and_then(|()| {
            crash_point!("store-migration-before-commit");
            connection.execute_batch("COMMIT")
        });
        if let Err(error) = done {
            // The error of the migration says more than one of the rollback could.
            let _ = connection.execute_batch("ROLLBACK");
            return Err(database(error));
        }
        crash_point!("store-migration-after-commit");
    }
    Ok(found)
}
