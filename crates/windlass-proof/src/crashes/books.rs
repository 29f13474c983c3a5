//! What the database says is still taken, and whether it is whole.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use windlass::demo::Failure;

use super::scene::INSTANCES;
use crate::rig;

/// What is wrong with the books of a Windlass at rest.
pub(super) fn open(data_dir: &Path) -> Result<Vec<String>, Failure> {
    let path = data_dir.join("state/windlass.db");
    let unreadable = |error: rusqlite::Error| Failure::Unexpected(format!("database: {error}"));
    let database =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(unreadable)?;
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0));
    let slots = count("SELECT count(*) FROM build_slots").map_err(unreadable)?;
    let ports =
        count("SELECT count(*) FROM ports WHERE released_at IS NULL").map_err(unreadable)?;
    let mut wrong = Vec::new();
    if slots != 0 {
        wrong.push(format!("{slots} build slots are taken"));
    }
    if ports != i64::from(INSTANCES) {
        wrong.push(format!("{ports} ports are leased instead of {INSTANCES}"));
    }
    wrong.extend(rig::integrity(data_dir)?);
    Ok(wrong)
}
