//! Backup and restore.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use windlass_engine::records::Organization;
use windlass_store::{OpenOptions, Store, StoreError};

use crate::backend::{Backend, Fixture, for_each_backend};
use crate::fixtures;

for_each_backend! {
    round_trip, a_copy_of_a_busy_database_is_whole, an_existing_file_is_kept, bad_backups_are_refused,
    an_open_target_is_refused, a_damaged_target_is_replaced, damage_is_found, optimizing_keeps_rows,
}

fn value(path: &Path, key: &str) -> Option<String> {
    let store = Store::open(path, OpenOptions::default()).unwrap();
    store.integrity_check().unwrap();
    store.read(|r| r.meta(key)).unwrap()
}

/// A closed database with one value, and a backup of it with another.
fn pair(backend: Backend) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let Fixture { store, folder } = Fixture::new(backend);
    let (path, copy) = (store.path().to_owned(), folder.path().join("copy"));
    let put = |text: &'static str| store.write_blocking(move |tx| tx.put_meta("key", text));
    put("old").unwrap();
    store.backup(&copy).unwrap();
    put("new").unwrap();
    drop(store);
    (folder, path, copy)
}

fn round_trip(backend: Backend) {
    let fixture = Fixture::new(backend);
    let row = fixtures::organization("o1", "acme");
    fixture.put(row.clone());
    let last = fixture.store.read(|r| r.last_commit()).unwrap();
    let copy = fixture.folder.path().join("copy");
    fixture.store.backup(&copy).unwrap();
    fixture.write(|tx| tx.delete::<Organization>(&"o1".into()));

    // Into a new place, and in the place of the database itself.
    let elsewhere = fixture.folder.path().join("elsewhere.db");
    Store::restore(&copy, &elsewhere).unwrap();
    let store = Store::open(&elsewhere, OpenOptions::default()).unwrap();
    assert_eq!(
        store.read(|r| r.get::<Organization>(&"o1".into())).unwrap(),
        Some(row.clone())
    );
    assert_eq!(store.read(|r| r.last_commit()).unwrap(), last);

    let Fixture { store, folder } = fixture;
    let path = store.path().to_owned();
    drop(store);
    Store::restore(&copy, &path).unwrap();
    let store = Store::open(&path, OpenOptions::default()).unwrap();
    assert_eq!(
        store.read(|r| r.get::<Organization>(&"o1".into())).unwrap(),
        Some(row)
    );
    store.integrity_check().unwrap();
    let again: Result<(), _> = store.write_blocking(|tx| tx.put_meta("works", "still"));
    again.unwrap();
    drop(folder);
}

fn a_copy_of_a_busy_database_is_whole(backend: Backend) {
    let fixture = Fixture::new(backend);
    let stop = Arc::new(AtomicBool::new(false));
    let (store, stopped) = (fixture.store.clone(), Arc::clone(&stop));
    let writer = thread::spawn(move || {
        let mut n = 0_u32;
        while !stopped.load(Ordering::Relaxed) {
            n += 1;
            let put: Result<(), windlass_store::WriteError<StoreError>> =
                store.write_blocking(move |tx| {
                    tx.put_meta("left", &n.to_string())?;
                    tx.put_meta(&format!("k{n}"), &"x".repeat(500))?;
                    tx.put_meta("right", &n.to_string())
                });
            put.unwrap();
        }
        n
    });
    for round in 0..5 {
        let copy = fixture.folder.path().join(format!("copy{round}"));
        fixture.store.backup(&copy).unwrap();
        let restored = fixture.folder.path().join(format!("restored{round}.db"));
        Store::restore(&copy, &restored).unwrap();
        let store = Store::open(&restored, OpenOptions::default()).unwrap();
        store.integrity_check().unwrap();
        let left = store.read(|r| r.meta("left")).unwrap();
        assert_eq!(left, store.read(|r| r.meta("right")).unwrap());
        let number = left.map_or(0, |text| text.parse::<u32>().unwrap());
        for n in 1..=number {
            assert!(
                store.read(|r| r.meta(&format!("k{n}"))).unwrap().is_some(),
                "{n} of {number}"
            );
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() > 0);
}

fn an_existing_file_is_kept(backend: Backend) {
    let fixture = Fixture::new(backend);
    let copy = fixture.folder.path().join("copy");
    fs::write(&copy, "precious").unwrap();
    let refused = fixture.store.backup(&copy).unwrap_err();
    assert!(matches!(refused, StoreError::File { .. }), "{refused:?}");
    assert_eq!(fs::read(&copy).unwrap(), b"precious");
}

fn bad_backups_are_refused(backend: Backend) {
    let (folder, path, copy) = pair(backend);
    let missing = Store::restore(folder.path().join("nothing"), &path).unwrap_err();
    assert!(matches!(missing, StoreError::File { .. }), "{missing:?}");

    let text = folder.path().join("text");
    fs::write(&text, "no database ".repeat(500)).unwrap();
    let empty = folder.path().join("empty");
    fs::write(&empty, "").unwrap();
    for file in [text, empty] {
        let foreign = Store::restore(&file, &path).unwrap_err();
        assert!(matches!(foreign, StoreError::Foreign { .. }), "{foreign:?}");
    }

    let mut bytes = fs::read(&copy).unwrap();
    let half = bytes.len() / 2;
    bytes[half..].fill(0x5a);
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, bytes).unwrap();
    let corrupt = Store::restore(&damaged, &path).unwrap_err();
    let refused = matches!(
        corrupt,
        StoreError::Corrupt { .. } | StoreError::Database { .. }
    );
    assert!(refused, "{corrupt:?}");

    assert_eq!(
        value(&path, "key").as_deref(),
        Some("new"),
        "a refused restore changed the target"
    );
    Store::restore(&copy, &path).unwrap();
    assert_eq!(value(&path, "key").as_deref(), Some("old"));
}

fn an_open_target_is_refused(backend: Backend) {
    let (_folder, path, copy) = pair(backend);
    let store = Store::open(&path, OpenOptions::default()).unwrap();
    store.read(|r| r.meta("key")).unwrap();
    let refused = Store::restore(&copy, &path).unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused:?}");
    assert_eq!(
        store.read(|r| r.meta("key")).unwrap().as_deref(),
        Some("new")
    );
    drop(store);
    Store::restore(&copy, &path).unwrap();
    assert_eq!(value(&path, "key").as_deref(), Some("old"));
}

fn a_damaged_target_is_replaced(backend: Backend) {
    let (_folder, path, copy) = pair(backend);
    fs::write(&path, "torn ".repeat(3000)).unwrap();
    Store::restore(&copy, &path).unwrap();
    assert_eq!(value(&path, "key").as_deref(), Some("old"));
}

fn damage_is_found(backend: Backend) {
    let Fixture { store, folder } = Fixture::new(backend);
    let path = store.path().to_owned();
    for n in 0..200 {
        let put: Result<(), windlass_store::WriteError<StoreError>> =
            store.write_blocking(move |tx| tx.put_meta(&format!("k{n}"), &"x".repeat(900)));
        put.unwrap();
    }
    drop(store);
    let mut bytes = fs::read(&path).unwrap();
    let from = bytes.len() - 40_000;
    bytes[from..from + 20_000].fill(0xff);
    fs::write(&path, bytes).unwrap();
    let store = Store::open(&path, OpenOptions::default()).unwrap();
    let error = store.integrity_check().unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Corrupt { .. } | StoreError::Database { .. }
        ),
        "{error:?}"
    );
    drop(folder);
}

fn optimizing_keeps_rows(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::organization("o1", "acme"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(fixture.store.optimize()).unwrap();
    assert!(fixture.get::<Organization>("o1").is_some());
    fixture.put(fixtures::organization("o2", "other"));
}
