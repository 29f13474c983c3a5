//! Whether anything has changed: one number for each table.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::types::ValueRef;

use crate::error::StoreError;
use crate::reader::Reader;
use crate::sqlite::database;

/// Counts commits, also of those that changed nothing.
const COUNTER: &str = "commits";

impl Reader<'_> {
    /// A digest of all rows of each table, whatever their order. Two that are equal, in one run of
    /// the program, mean that nothing was changed in between. Reads the whole database: for tests.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn contents(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let tables: Vec<String> = self.column(
            "sqlite_schema",
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            [],
        )?;
        let mut contents = BTreeMap::new();
        for table in tables.into_iter().filter(|table| table != COUNTER) {
            let digest = self.digest(&table).map_err(database)?;
            contents.insert(table, digest);
        }
        Ok(contents)
    }

    fn digest(&self, table: &str) -> rusqlite::Result<u64> {
        let mut statement = self
            .connection
            .prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut sum = 0_u64;
        while let Some(row) = rows.next()? {
            let mut hasher = DefaultHasher::new();
            for column in 0..columns {
                match row.get_ref(column)? {
                    ValueRef::Null => 0_u8.hash(&mut hasher),
                    ValueRef::Integer(number) => (1_u8, number).hash(&mut hasher),
                    ValueRef::Real(number) => (2_u8, number.to_bits()).hash(&mut hasher),
                    ValueRef::Text(text) => (3_u8, text).hash(&mut hasher),
                    ValueRef::Blob(bytes) => (4_u8, bytes).hash(&mut hasher),
                }
            }
            sum = sum.wrapping_add(hasher.finish());
        }
        Ok(sum)
    }
}
