//! Storing whole rows.

use rusqlite::Connection;

use super::failure::in_table;
use super::statement::push_names;
use crate::cell::Cell;
use crate::error::StoreError;
use crate::table::Table;

/// `INSERT … ON CONFLICT (id) DO UPDATE …` of a whole row.
pub(crate) fn upsert(
    connection: &Connection,
    table: &'static Table,
    cells: &[Cell],
) -> Result<(), StoreError> {
    let mut sql = String::with_capacity(512);
    sql.push_str("INSERT INTO ");
    sql.push_str(table.name);
    sql.push_str(" (");
    push_names(&mut sql, table.columns);
    sql.push_str(") VALUES (?");
    for _ in 1..table.columns.len() {
        sql.push_str(", ?");
    }
    sql.push_str(") ON CONFLICT (id) DO UPDATE SET ");
    for (index, column) in table.columns[1..].iter().enumerate() {
        if index > 0 {
            sql.push_str(", ");
        }
        sql.push_str(column.as_str());
        sql.push_str(" = excluded.");
        sql.push_str(column.as_str());
    }
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.execute(rusqlite::params_from_iter(cells)))
        .map(drop)
        .map_err(|e| in_table(table.name, e))
}
