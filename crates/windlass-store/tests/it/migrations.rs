//! Schema versions: from nothing to the newest, and never back.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use windlass_store::{OpenOptions, Store, StoreError};

use crate::backend::{Backend, Fixture, for_each_backend};

for_each_backend! {
    from_nothing, from_an_empty_file, a_newer_database_is_refused, other_files_are_refused,
    rehearsal_leaves_the_database_alone, files_are_private,
}

fn open(path: &Path) -> Result<Store, StoreError> {
    Store::open(path, OpenOptions::default())
}

fn version(path: &Path) -> u32 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap()
}

fn execute(path: &Path, sql: &str) {
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
}

fn from_nothing(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.store.integrity_check().unwrap();
    fixture.write(|tx| tx.put_meta("key", "value"));
    // Opening again migrates nothing and loses nothing.
    let fixture = fixture.reopen();
    assert_eq!(
        fixture.store.read(|r| r.meta("key")).unwrap().as_deref(),
        Some("value")
    );
    assert!(version(&fixture.path()) >= 1);
}

fn from_an_empty_file(backend: Backend) {
    let Backend::Sqlite = backend;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("windlass.db");
    fs::write(&path, "").unwrap();
    open(&path).unwrap().integrity_check().unwrap();
}

fn a_newer_database_is_refused(backend: Backend) {
    let Fixture { store, folder } = Fixture::new(backend);
    let path = store.path().to_owned();
    drop(store);
    let known = version(&path);
    execute(&path, &format!("PRAGMA user_version = {}", known + 1));
    let before = fs::read(&path).unwrap();
    let error = open(&path).unwrap_err();
    let newer = matches!(&error, StoreError::Newer { found, known: k, .. }
        if *found == known + 1 && *k == known);
    assert!(newer, "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("newer windlass") && text.contains("restore a backup"),
        "{text}"
    );
    assert_eq!(
        fs::read(&path).unwrap(),
        before,
        "the refused database was changed"
    );
    let refused = Store::rehearse(&path, folder.path()).unwrap_err();
    assert!(matches!(refused, StoreError::Newer { .. }), "{refused:?}");
}

fn other_files_are_refused(backend: Backend) {
    let Backend::Sqlite = backend;
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "dear diary ".repeat(100)).unwrap();
    let other = folder.path().join("other.db");
    execute(
        &other,
        "CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 1",
    );
    for path in [text, other] {
        let before = fs::read(&path).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error:?}");
        assert_eq!(
            fs::read(&path).unwrap(),
            before,
            "somebody else's file was changed"
        );
    }
}

fn rehearsal_leaves_the_database_alone(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.write(|tx| tx.put_meta("key", "value"));
    let scratch = tempfile::tempdir().unwrap();
    let rehearsal = Store::rehearse(fixture.path(), scratch.path()).unwrap();
    assert_eq!(rehearsal.from, rehearsal.to);
    assert_eq!(
        fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "the copy was left behind"
    );
    fixture.write(|tx| tx.put_meta("key", "still works"));
}

fn files_are_private(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.write(|tx| tx.put_meta("key", "value"));
    fixture
        .store
        .backup(fixture.folder.path().join("copy"))
        .unwrap();
    let mut files = 0;
    for file in fs::read_dir(fixture.folder.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        files += 1;
    }
    assert!(files >= 2);
}
