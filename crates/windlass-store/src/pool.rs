//! Read connections.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::error::StoreError;
use crate::reader::Reader;
use crate::sqlite::{self, Access, database};

/// Read connections. Nobody waits for one: when none is idle a further one is opened, and closed
/// again when enough are idle. A thread uses one at a time, so that threads are the limit.
#[derive(Debug)]
pub(crate) struct Pool {
    path: PathBuf,
    idle_limit: usize,
    busy_timeout_ms: u32,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    /// An empty pool for an existing database.
    pub(crate) fn new(path: PathBuf, idle_limit: usize, busy_timeout_ms: u32) -> Self {
        Self {
            path,
            idle_limit,
            busy_timeout_ms,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Runs a closure on one snapshot.
    pub(crate) fn read<T, E: From<StoreError>>(
        &self,
        read: impl FnOnce(&Reader<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.take()?;
        execute(&connection, "BEGIN")?;
        let result = read(&Reader::new(&connection));
        // A snapshot that stays open would keep the write-ahead log from being reused: only a
        // connection that has ended its own goes back. After a panic it is dropped, too.
        execute(&connection, "COMMIT")?;
        self.give_back(connection);
        result
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(connection) => Ok(connection),
            None => sqlite::open(&self.path, Access::Read, self.busy_timeout_ms),
        }
    }

    fn give_back(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_limit {
            idle.push(connection);
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute([]))
        .map(drop)
        .map_err(database)
}
