//! A database as an older version left it, so that the next start has a migration to do.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use windlass::demo::Failure;

/// What the migrations after the first add, undone; its rows are kept aside.
const BACK: &str = "
    BEGIN IMMEDIATE;
    DROP INDEX ports_released;
    CREATE TABLE kept_app_hosts AS SELECT * FROM app_hosts;
    DROP TABLE app_hosts;
    PRAGMA user_version = 1;
    COMMIT;";
const FORTH: &str = "
    BEGIN IMMEDIATE;
    INSERT OR IGNORE INTO app_hosts SELECT * FROM kept_app_hosts;
    DROP TABLE kept_app_hosts;
    COMMIT;";

/// The rows that the older version does not know.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
}

/// Makes the database one of the version before. Nobody may have it open.
pub(super) fn put_back(data_dir: &Path) -> Result<Kept, Failure> {
    let path = data_dir.join("state/windlass.db");
    run(&path, BACK)?;
    Ok(Kept { path })
}

impl Kept {
    /// Puts the rows back where the migration has made room for them.
    pub(super) fn give_back(&self) -> Result<(), Failure> {
        run(&self.path, FORTH)
    }
}

fn run(path: &Path, sql: &str) -> Result<(), Failure> {
    let done = Connection::open(path).and_then(|database| {
        database.busy_timeout(std::time::Duration::from_secs(5))?;
        database.execute_batch(sql)
    });
    done.map_err(|error| Failure::Unexpected(format!("database: {error}")))
}
