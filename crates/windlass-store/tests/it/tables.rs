//! Every table: put, get, list, change, delete, and the same after a restart.

use std::fmt::Debug;

use windlass_engine::id::SecretRef;
use windlass_engine::records::*;
use windlass_store::{
    Column, EngineRevisionRow, Filter, ListQuery, ReleaseRow, Row, StoreError, TaskRow,
};

use crate::backend::{Backend, Fixture, for_each_backend};
use crate::fixtures;

for_each_backend! {
    organizations, spaces, apps, users, roles, tokens, signing_keys, domains, routes, packages,
    artifacts, builds, numbered_revisions, service_instances, service_bindings, audit_events,
    operations, feature_flags, idempotency_rows, secrets, releases, tasks, engine_revisions, meta,
    references_are_kept, blobs_in_use,
}

/// Puts, reads back, lists, replaces, reopens and deletes one row.
fn round_trip<T>(fixture: Fixture, key: &'static str, row: T, changed: T)
where
    T: Row + Clone + PartialEq + Debug + Sync,
{
    assert_ne!(row, changed, "the change must change something");
    assert_eq!(fixture.get::<T>(key), None);
    fixture.put(row.clone());
    assert_eq!(fixture.get::<T>(key), Some(row.clone()));
    assert_eq!(fixture.get::<T>("no such key"), None);
    let everything = ListQuery::default();
    let listed = fixture.store.read(|r| r.list::<T>(&everything)).unwrap();
    assert_eq!((listed.rows, listed.total), (vec![row], 1));

    fixture.put(changed.clone());
    let fixture = fixture.reopen();
    assert_eq!(fixture.get::<T>(key), Some(changed.clone()));
    let found = fixture
        .store
        .read(|r| r.find::<T>(&[Filter::is(Column::Id, key)]))
        .unwrap();
    assert_eq!(found, Some(changed));
    assert_eq!(
        fixture.store.read(|r| r.keys::<T>(&everything)).unwrap(),
        vec![key.to_owned()]
    );

    let filters = vec![Filter::is(Column::Id, key)];
    let again = filters.clone();
    assert_eq!(
        fixture.write(move |tx| tx.delete_where::<T>(filters, 10)),
        1
    );
    assert_eq!(fixture.write(move |tx| tx.delete_where::<T>(again, 10)), 0);
    assert_eq!(fixture.get::<T>(key), None);
    assert_eq!(fixture.store.read(|r| r.count::<T>(&[])).unwrap(), 0);
    fixture.store.integrity_check().unwrap();
}

fn organizations(backend: Backend) {
    let row = fixtures::organization("o1", "Acme");
    let changed = Organization {
        suspended: true,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "o1", row, changed);
}

fn spaces(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::organization("o1", "acme"));
    let row = fixtures::space("s1", "o1", "Dev");
    round_trip(
        fixture,
        "s1",
        row.clone(),
        Space {
            name: "prod".into(),
            ..row
        },
    );
}

fn apps(backend: Backend) {
    let row = fixtures::app("a1", "o1", "s1", "Shop");
    let changed = AppRecord {
        last_task_sequence: 5,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "a1", row, changed);
}

fn users(backend: Backend) {
    let row = fixtures::user("u1", "Ann");
    round_trip(
        Fixture::new(backend),
        "u1",
        row.clone(),
        User {
            admin: AdminScope::None,
            ..row
        },
    );
}

fn roles(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::user("u1", "ann"));
    let row = fixtures::role("r1", RoleKind::SpaceDeveloper, "u1", Some("s1"));
    let changed = Role {
        kind: RoleKind::SpaceManager,
        ..row.clone()
    };
    round_trip(fixture, "r1", row, changed);
}

fn tokens(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::user("u1", "ann"));
    let row = fixtures::token("t1", "u1", "ff00");
    round_trip(
        fixture,
        "t1",
        row.clone(),
        Token {
            expires_at: None,
            ..row
        },
    );
}

fn signing_keys(backend: Backend) {
    let row = fixtures::signing_key("k1");
    let changed = SigningKey {
        retired_at: Some(windlass_engine::time::Timestamp(7)),
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "k1", row, changed);
}

fn domains(backend: Backend) {
    let row = fixtures::domain("d1", "apps.localhost", Some("o1"));
    let changed = Domain {
        shared_with: vec!["o9".into()],
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "d1", row, changed);
}

fn routes(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    let row = fixtures::route("r1", "d1", "www", &["a1", "a2"]);
    round_trip(
        fixture,
        "r1",
        row.clone(),
        fixtures::route("r1", "d1", "shop", &["a2"]),
    );
}

fn packages(backend: Backend) {
    let row = fixtures::package("p1", "a1");
    let changed = Package {
        state: PackageState::Expired,
        blob: None,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "p1", row, changed);
}

fn artifacts(backend: Backend) {
    let row = fixtures::artifact("a1", "app");
    let changed = Artifact {
        state: ArtifactState::Expired,
        build: None,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "a1", row, changed);
}

fn builds(backend: Backend) {
    let row = fixtures::build("b1", "a1");
    let changed = BuildRecord {
        state: BuildRecordState::Canceled,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "b1", row, changed);
}

fn numbered_revisions(backend: Backend) {
    let row = fixtures::numbered_revision("n1", "a1", 9999);
    round_trip(
        Fixture::new(backend),
        "n1",
        row.clone(),
        NumberedRevision { number: 1, ..row },
    );
}

fn service_instances(backend: Backend) {
    let row = fixtures::service_instance("i1", "db");
    let changed = ServiceInstance {
        tags: Vec::new(),
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "i1", row, changed);
}

fn service_bindings(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::service_instance("i1", "db"));
    let row = fixtures::service_binding("b1", "a1", "i1");
    round_trip(
        fixture,
        "b1",
        row.clone(),
        ServiceBinding {
            name: Some("main".into()),
            ..row
        },
    );
}

fn audit_events(backend: Backend) {
    let row = fixtures::audit_event("e1", "a1");
    round_trip(
        Fixture::new(backend),
        "e1",
        row.clone(),
        AuditEvent { space: None, ..row },
    );
}

fn operations(backend: Backend) {
    let row = fixtures::operation("x1");
    let changed = Operation {
        state: OperationState::Complete,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "x1", row, changed);
}

fn feature_flags(backend: Backend) {
    let row = fixtures::feature_flag("diego_docker");
    let changed = FeatureFlag {
        enabled: false,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "diego_docker", row, changed);
}

fn idempotency_rows(backend: Backend) {
    let row = fixtures::idempotency("digest", 100);
    let changed = IdempotencyRow {
        delivered: true,
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "digest", row, changed);
}

fn secrets(backend: Backend) {
    let row = fixtures::secret("s1");
    let changed = SecretValue {
        ciphertext: "k2:BBBB".into(),
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "s1", row.clone(), changed);
    let fixture = Fixture::new(backend);
    fixture.put(row.clone());
    let by_id = fixture
        .store
        .read(|r| r.get::<SecretValue>(&SecretRef("s1".into())))
        .unwrap();
    assert_eq!(by_id, Some(row));
}

fn releases(backend: Backend) {
    let row = fixtures::release("r1", "a1", 27, true);
    let changed = ReleaseRow {
        stamps: fixtures::stamps(28),
        ..fixtures::release("r1", "a1", 28, false)
    };
    round_trip(Fixture::new(backend), "r1", row, changed);
}

fn tasks(backend: Backend) {
    let row = fixtures::task("t1", "a1", 1, "Migrate");
    round_trip(
        Fixture::new(backend),
        "t1",
        row.clone(),
        TaskRow {
            state: "FAILED".into(),
            ..row
        },
    );
}

fn engine_revisions(backend: Backend) {
    let row = fixtures::engine_revision("v1", "a1");
    let changed = EngineRevisionRow {
        document: "[]".into(),
        ..row.clone()
    };
    round_trip(Fixture::new(backend), "v1", row, changed);
}

fn meta(backend: Backend) {
    let fixture = Fixture::new(backend);
    assert_eq!(fixture.store.read(|r| r.meta("table_epoch")).unwrap(), None);
    fixture.write(|tx| tx.put_meta("table_epoch", "1"));
    fixture.write(|tx| tx.put_meta("table_epoch", "2"));
    let fixture = fixture.reopen();
    assert_eq!(
        fixture
            .store
            .read(|r| r.meta("table_epoch"))
            .unwrap()
            .as_deref(),
        Some("2")
    );
    fixture.write(|tx| tx.delete_meta("table_epoch"));
    assert_eq!(fixture.store.read(|r| r.meta("table_epoch")).unwrap(), None);
}

fn references_are_kept(backend: Backend) {
    let fixture = Fixture::new(backend);
    let referenced = |result: Result<(), StoreError>| {
        assert!(
            matches!(result, Err(StoreError::Referenced { .. })),
            "{result:?}"
        );
    };
    referenced(fixture.try_put(fixtures::space("s1", "o1", "dev")));
    referenced(fixture.try_put(fixtures::route("r1", "d1", "www", &[])));
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    fixture.put(fixtures::route("r1", "d1", "www", &["a1"]));
    referenced(fixture.try_write(|tx| tx.delete::<Domain>(&"d1".into()).map(drop)));
    assert!(fixture.write(|tx| tx.delete::<Route>(&"r1".into())));
    assert!(fixture.write(|tx| tx.delete::<Domain>(&"d1".into())));
    assert!(!fixture.write(|tx| tx.delete::<Domain>(&"d1".into())));
    // The destinations went with the route: their ids are free.
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    fixture.put(fixtures::route("r1", "d1", "www", &["a1"]));
}

fn blobs_in_use(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::package("p1", "a1"));
    fixture.put(Package {
        blob: None,
        ..fixtures::package("p2", "a1")
    });
    fixture.put(Artifact {
        blob: Some("aa11".into()),
        ..fixtures::artifact("d1", "a1")
    });
    fixture.put(fixtures::artifact("d2", "a1"));
    assert_eq!(
        fixture.store.read(|r| r.blobs(None, 9)).unwrap(),
        ["aa11", "bb22"]
    );
    assert_eq!(fixture.store.read(|r| r.blobs(None, 1)).unwrap(), ["aa11"]);
    assert_eq!(
        fixture.store.read(|r| r.blobs(Some("aa11"), 9)).unwrap(),
        ["bb22"]
    );
    let used = |blob| fixture.store.read(|r| r.is_blob_used(blob)).unwrap();
    assert_eq!(
        [used("aa11"), used("bb22"), used("cc33")],
        [true, true, false]
    );
}
