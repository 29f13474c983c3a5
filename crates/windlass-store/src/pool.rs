//! Read connections.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use crate::counts::Counts;
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
    idle: Mutex<Vec<ReadConnection>>,
}

#[derive(Debug)]
struct ReadConnection {
    connection: Connection,
    counts: Counts,
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
        let reading = self.take()?;
        let connection = &reading.connection;
        execute(connection, "BEGIN")?;
        let result = read(&Reader::counting(connection, &reading.counts));
        // A snapshot that stays open would keep the write-ahead log from being reused: only a
        // connection that has ended its own goes back. After a panic it is dropped, too.
        execute(connection, "COMMIT")?;
        self.give_back(reading);
        result
    }

    fn take(&self) -> Result<ReadConnection, StoreError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        match idle {
            Some(reading) => Ok(reading),
            None => Ok(ReadConnection {
                connection: sqlite::open(&self.path, Access::Read, self.busy_timeout_ms)?,
                counts: Counts::default(),
            }),
        }
    }

    fn give_back(&self, reading: ReadConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.idle_limit {
            idle.push(reading);
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
