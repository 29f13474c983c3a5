//! For tests of the whole program: a database as the version before left it, so that the next
//! start has a migration to do.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use crate::sqlite::migrate;

/// What a table is called while the version before does not know it.
const KEPT: &str = "kept_";
/// Longest wait for a lock.
const BUSY_LIMIT: Duration = Duration::from_secs(5);

/// Rows of tables that the newest migration has made, kept aside.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    tables: Vec<String>,
}

/// Undoes the newest migration of a database that nobody has open. It can undo what only makes
/// tables and indexes.
///
/// # Errors
/// When the newest migration does more, or the database refuses.
pub fn put_back(path: &Path) -> Result<Kept, String> {
    let made = made(migrate::newest())?;
    let indexes = made
        .indexes
        .iter()
        .map(|index| format!("DROP INDEX {index};"));
    let tables = made.tables.iter().map(|table| {
        format!("CREATE TABLE {KEPT}{table} AS SELECT * FROM {table}; DROP TABLE {table};")
    });
    let version = format!("PRAGMA user_version = {};", migrate::NEWEST - 1);
    let steps: String = indexes.chain(tables).chain([version]).collect();
    let sql = format!("BEGIN IMMEDIATE; {steps} COMMIT;");
    execute(path, &sql)?;
    Ok(Kept {
        path: path.to_owned(),
        tables: made.tables,
    })
}

impl Kept {
    /// Puts the rows back where the migration has made room for them.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn give_back(&self) -> Result<(), String> {
        let tables = self.tables.iter().map(|table| {
            format!(
                "INSERT OR IGNORE INTO {table} SELECT * FROM {KEPT}{table}; \
                 DROP TABLE {KEPT}{table};"
            )
        });
        let sql = format!("BEGIN IMMEDIATE; {} COMMIT;", tables.collect::<String>());
        execute(&self.path, &sql)
    }
}

fn execute(path: &Path, sql: &str) -> Result<(), String> {
    let done = Connection::open(path).and_then(|database| {
        database.busy_timeout(BUSY_LIMIT)?;
        database.execute_batch(sql)
    });
    done.map_err(|error| format!("{}: {error}", path.display()))
}

/// What a migration makes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Made {
    tables: Vec<String>,
    indexes: Vec<String>,
}

fn made(sql: &str) -> Result<Made, String> {
    let lines = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut made = Made::default();
    for statement in text.split(';') {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["CREATE", "TABLE", name, ..] => made.tables.push((*name).to_owned()),
            ["CREATE", "INDEX", name, "ON", table, ..]
            | ["CREATE", "UNIQUE", "INDEX", name, "ON", table, ..] => {
                // That of a table which goes away goes with it.
                if !made.tables.iter().any(|made| made == table) {
                    made.indexes.push((*name).to_owned());
                }
            }
            _ => {
                return Err(format!(
                    "the newest migration does more than make tables and indexes: say in {} how \
                     this is undone: {}",
                    file!(),
                    words.join(" ")
                ));
            }
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{OpenOptions, Store};

    #[test]
    fn the_newest_migration_is_undone_and_done_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        let open = || Store::open(&path, OpenOptions::default()).unwrap();
        drop(open());
        let tables = made(migrate::newest()).unwrap().tables;
        let count = |table: &str| {
            let database = Connection::open(&path).unwrap();
            let sql = format!("SELECT count(*) FROM sqlite_master WHERE name = '{table}'");
            database
                .query_row(&sql, [], |row| row.get::<_, u32>(0))
                .unwrap()
        };
        let kept = put_back(&path).unwrap();
        for table in &tables {
            assert_eq!((count(table), count(&format!("{KEPT}{table}"))), (0, 1));
        }
        let database = Connection::open(&path).unwrap();
        assert_eq!(
            migrate::version(&database, &path).unwrap(),
            migrate::NEWEST - 1
        );
        drop(database);
        drop(open());
        kept.give_back().unwrap();
        for table in &tables {
            assert_eq!((count(table), count(&format!("{KEPT}{table}"))), (1, 0));
        }
        open().integrity_check().unwrap();
    }

    #[test]
    fn what_a_migration_makes_is_read_and_what_else_it_does_is_refused() {
        let sql = "-- A word; more.\nCREATE TABLE a (\n id TEXT\n);\n\
                   CREATE INDEX a_id ON a (id);\nCREATE UNIQUE INDEX b_id ON b (id);\n";
        let expected = Made {
            tables: vec!["a".to_owned()],
            indexes: vec!["b_id".to_owned()],
        };
        assert_eq!(made(sql), Ok(expected));
        let refused = made("ALTER TABLE a ADD COLUMN more TEXT;").unwrap_err();
        assert!(refused.contains("ALTER TABLE a"), "{refused}");
    }
}
