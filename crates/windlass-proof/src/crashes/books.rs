//! What the database says is still taken, whether it is whole, and how often things have ended.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use windlass::demo::Failure;

use super::scene::INSTANCES;
use crate::rig;

/// The database in a data directory.
pub(super) const DATABASE: &str = "state/windlass.db";
/// Events with which a deployment, a build or a task ends.
const ENDS: [&str; 7] = [
    "deployed",
    "canceled",
    "superseded",
    "failed",
    "built",
    "skipped",
    "succeeded",
];

/// What is wrong with the books of a Windlass at rest.
pub(super) fn open(data_dir: &Path) -> Result<Vec<String>, Failure> {
    let database = read(data_dir)?;
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

/// What is wrong with the end of a deployment, a build or a task that is over.
pub(super) fn ended_once(data_dir: &Path, id: &str) -> Result<Option<String>, Failure> {
    let ends = ends(&read(data_dir)?, id).map_err(unreadable)?;
    Ok(match ends.as_slice() {
        [_] => None,
        [] => Some(format!("{id} is over and no event says how")),
        more => Some(format!("{id} has ended {} times: {more:?}", more.len())),
    })
}

fn ends(database: &Connection, id: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        database.prepare("SELECT kind FROM events WHERE subject_id = ? ORDER BY commit_no, seq")?;
    let told = statement.query_map([id], |row| row.get(0))?;
    let mut ends = told.collect::<rusqlite::Result<Vec<String>>>()?;
    ends.retain(|kind| ENDS.contains(&&**kind));
    Ok(ends)
}

fn read(data_dir: &Path) -> Result<Connection, Failure> {
    let path = data_dir.join(DATABASE);
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(unreadable)
}

fn unreadable(error: rusqlite::Error) -> Failure {
    Failure::Unexpected(format!("database: {error}"))
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::AppId;
    use windlass_engine::time::Timestamp;
    use windlass_store::{NewEvent, OpenOptions, Store};

    use super::*;

    fn tell(store: &Store, subject: &str, kind: &str) {
        let event = NewEvent {
            app: Some(AppId::new("a")),
            organization: None,
            subject_kind: "release".to_owned(),
            subject: subject.to_owned(),
            at: Timestamp::default(),
            kind: kind.to_owned(),
            text: String::new(),
            data: serde_json::Value::Null,
        };
        let told = store.write_blocking(move |tx| tx.append_event(&event).map(drop));
        assert!(told.is_ok(), "{told:?}");
    }

    #[test]
    fn a_second_end_is_found_and_so_is_none() {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::create_dir(dir.path().join("state")).expect("state");
        let path = dir.path().join(DATABASE);
        let store = Store::open(path, OpenOptions::default()).expect("store");
        let wrong = |id: &str| ended_once(dir.path(), id).expect("books");
        for kind in ["created", "paused", "canceling"] {
            tell(&store, "r1", kind);
        }
        assert!(wrong("r1").is_some_and(|text| text.contains("no event")));
        tell(&store, "r1", "canceled");
        tell(&store, "r2", "deployed");
        assert_eq!(wrong("r1"), None);
        tell(&store, "r1", "deployed");
        assert!(wrong("r1").is_some_and(|text| text.contains("2 times")));
        assert_eq!(wrong("r2"), None);
    }
}
