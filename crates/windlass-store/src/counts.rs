//! Counts of long lists, known as long as nobody changes the database.

use std::cell::RefCell;

use rusqlite::Connection;

use crate::error::StoreError;
use crate::sqlite::{Statement, database};

/// A count below it takes less than a look for it here is worth.
const WORTH_KEEPING: u64 = 256;
/// Counts that one connection keeps.
const KEPT_LIMIT: usize = 32;
/// Longest question whose answer is kept, bytes: it may name thousands of spaces.
const KEPT_BYTES: usize = 8 * 1024;

/// What one read connection has counted since the database was changed last.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    kept: RefCell<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Of this connection alone: another number after a commit of any other.
    data_version: i64,
    /// The oldest first.
    counts: Vec<(Statement, u64)>,
}

impl Counts {
    /// The count that a statement asks for, in the snapshot of the connection.
    pub(crate) fn count(
        &self,
        statement: Statement,
        connection: &Connection,
    ) -> Result<u64, StoreError> {
        // Reading it opens the snapshot, if nothing has before: it belongs to what is counted.
        let data_version = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut pragma| pragma.query_row([], |row| row.get(0)))
            .map_err(database)?;
        let mut kept = self.kept.borrow_mut();
        if kept.data_version != data_version {
            kept.counts.clear();
            kept.data_version = data_version;
        }
        if let Some((_, count)) = kept.counts.iter().find(|(known, _)| *known == statement) {
            return Ok(*count);
        }
        let count = statement.number(connection)?;
        if count >= WORTH_KEEPING && statement.bytes() <= KEPT_BYTES {
            if kept.counts.len() >= KEPT_LIMIT {
                kept.counts.remove(0);
            }
            kept.counts.push((statement, count));
        }
        Ok(count)
    }
}
