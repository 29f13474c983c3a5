//! The engine's document of an app: compare-and-set, waking, loading at the start.

use windlass_engine::id::{AppId, RowRevision};
use windlass_store::{AppStateRow, StoreError};

use crate::backend::{Backend, Fixture, for_each_backend};

for_each_backend! {
    round_trip, compare_and_set, wakes, loads_active_apps_in_parts,
}

fn row(app: &str, revision: u64) -> AppStateRow {
    AppStateRow {
        app: app.into(),
        row_revision: RowRevision(revision),
        wake_at: None,
        active: true,
        document: format!(r#"{{"revision":{revision},"a":1}}"#),
    }
}

fn put(fixture: &Fixture, expected: Option<u64>, row: AppStateRow) -> Result<(), StoreError> {
    fixture.try_write(move |tx| tx.put_app_state(expected.map(RowRevision), &row))
}

fn get(fixture: &Fixture, app: &str) -> Option<AppStateRow> {
    fixture.store.read(|r| r.app_state(&app.into())).unwrap()
}

fn round_trip(backend: Backend) {
    let fixture = Fixture::new(backend);
    assert_eq!(get(&fixture, "a1"), None);
    let first = AppStateRow {
        wake_at: Some(-1),
        active: false,
        ..row("a1", 1)
    };
    put(&fixture, None, first.clone()).unwrap();
    let fixture = fixture.reopen();
    assert_eq!(get(&fixture, "a1"), Some(first));
    assert!(fixture.write(|tx| tx.delete_app_state(&"a1".into())));
    assert!(!fixture.write(|tx| tx.delete_app_state(&"a1".into())));
    assert_eq!(get(&fixture, "a1"), None);
}

fn compare_and_set(backend: Backend) {
    let fixture = Fixture::new(backend);
    let conflict = |result: Result<(), StoreError>, expected: Option<u64>, found: Option<u64>| {
        let Err(StoreError::Conflict {
            app,
            expected: e,
            found: f,
        }) = result
        else {
            panic!("no conflict: {result:?}");
        };
        assert_eq!(app, AppId::from("a1"));
        assert_eq!((e, f), (expected.map(RowRevision), found.map(RowRevision)));
    };
    conflict(put(&fixture, Some(1), row("a1", 2)), Some(1), None);
    put(&fixture, None, row("a1", 1)).unwrap();
    conflict(put(&fixture, None, row("a1", 1)), None, Some(1));
    put(&fixture, Some(1), row("a1", 2)).unwrap();
    conflict(put(&fixture, Some(1), row("a1", 3)), Some(1), Some(2));
    assert_eq!(get(&fixture, "a1"), Some(row("a1", 2)));
    let revision = fixture
        .store
        .read(|r| r.app_row_revision(&"a1".into()))
        .unwrap();
    assert_eq!(revision, Some(RowRevision(2)));
}

fn wakes(backend: Backend) {
    let fixture = Fixture::new(backend);
    assert_eq!(fixture.store.read(|r| r.next_wake()).unwrap(), None);
    for (app, wake_at) in [
        ("a1", Some(300)),
        ("a2", None),
        ("a3", Some(100)),
        ("a4", Some(200)),
    ] {
        put(
            &fixture,
            None,
            AppStateRow {
                wake_at,
                ..row(app, 1)
            },
        )
        .unwrap();
    }
    assert_eq!(fixture.store.read(|r| r.next_wake()).unwrap(), Some(100));
    let due = |at, limit| {
        let apps = fixture.store.read(|r| r.due_apps(at, limit)).unwrap();
        apps.into_iter().map(|app| app.0).collect::<Vec<_>>()
    };
    assert!(due(99, 10).is_empty());
    assert_eq!(due(200, 10), ["a3", "a4"]);
    assert_eq!(due(1000, 2), ["a3", "a4"]);
}

fn loads_active_apps_in_parts(backend: Backend) {
    let fixture = Fixture::new(backend);
    for app in ["a3", "a1", "a2", "a4"] {
        put(
            &fixture,
            None,
            AppStateRow {
                active: app != "a2",
                ..row(app, 1)
            },
        )
        .unwrap();
    }
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let part = fixture
            .store
            .read(|r| r.active_app_states(after.as_ref(), 2))
            .unwrap();
        let Some(last) = part.last() else { break };
        after = Some(last.app.clone());
        found.extend(part.into_iter().map(|row| row.app.0));
    }
    assert_eq!(found, ["a1", "a3", "a4"]);
    let all = fixture
        .store
        .read(|r| r.apps_with_state(Some(&"a1".into()), 2))
        .unwrap();
    assert_eq!(all, [AppId::from("a2"), AppId::from("a3")]);
}
