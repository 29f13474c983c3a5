//! What the server itself has written down: commits, events, the route table, what runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use windlass::demo::Failure;
use windlass_router::{TargetKind, read_table};

use crate::double;

/// Opened beside a running server, only to be read.
#[derive(Debug)]
pub(super) struct Books {
    database: Mutex<Connection>,
    data_dir: PathBuf,
}

/// What the table gives requests of an app to: instances, by version that has a share.
pub(super) type Served = BTreeMap<String, BTreeSet<String>>;

impl Books {
    /// Of a data directory.
    pub(super) fn open(data_dir: &Path) -> Result<Self, Failure> {
        let path = data_dir.join("state/windlass.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self {
            database: Mutex::new(Connection::open_with_flags(path, flags).map_err(unreadable)?),
            data_dir: data_dir.to_path_buf(),
        })
    }

    /// Number of the newest commit.
    pub(super) fn last_commit(&self) -> Result<u64, Failure> {
        self.number("SELECT last_commit FROM commits WHERE id = 1", [])
    }

    /// Number of the commit by which a deployment began to be put back.
    pub(super) fn commit_of_cancel(&self, guid: &str) -> Result<u64, Failure> {
        let sql = "SELECT MIN(commit_no) FROM events WHERE subject_id = ?1 AND kind = 'canceling'";
        self.number(sql, [guid])
    }

    fn number(&self, sql: &str, values: impl rusqlite::Params) -> Result<u64, Failure> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let found: Result<i64, _> = database
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(values, |row| row.get(0)));
        Ok(found.map_err(unreadable)?.unsigned_abs())
    }

    /// What the route table says of every app.
    pub(super) fn served(&self) -> Result<BTreeMap<String, Served>, Failure> {
        let read = read_table(&self.data_dir.join("router/table"))
            .map_err(|error| Failure::Unexpected(format!("the route table: {error}")))?;
        let mut served: BTreeMap<String, Served> = BTreeMap::new();
        let groups = read.table.map(|table| table.groups).unwrap_or_default();
        for group in groups.into_values().filter(|group| !group.is_whole_app) {
            let of_app = served.entry(group.app_id).or_default();
            for version in group.versions.into_iter().filter(|it| it.share > 0) {
                let upstreams = match version.target {
                    TargetKind::Instances { upstreams } => upstreams,
                    _ => Vec::new(),
                };
                of_app.insert(version.id, upstreams.into_iter().map(|it| it.id).collect());
            }
        }
        Ok(served)
    }

    /// What runs in name, by app.
    pub(super) fn running(&self) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
        let path = self.data_dir.join(double::FILE);
        double::running(&path).map_err(|source| Failure::File {
            what: "read",
            path,
            source,
        })
    }
}

fn unreadable(error: rusqlite::Error) -> Failure {
    Failure::Unexpected(format!("database: {error}"))
}
