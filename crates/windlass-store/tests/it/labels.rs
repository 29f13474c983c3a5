//! Label requirements, with the meaning that they have in Cloud Foundry and Kubernetes.

use windlass_engine::records::{AuditEvent, FeatureFlag};
use windlass_store::{Column, Filter, ListQuery, Order, Page, ReleaseRow, Requirement, StoreError};

use crate::backend::{Backend, Fixture, for_each_backend};
use crate::fixtures;

for_each_backend! {
    requirements, many_rows_give_the_same_as_few, labels_follow_their_row, kinds_are_apart, tables_without_labels_refuse,
}

fn within(key: &str, values: &[&str]) -> Requirement {
    Requirement::In {
        key: key.into(),
        values: values.iter().map(|v| (*v).into()).collect(),
    }
}

fn not_within(key: &str, values: &[&str]) -> Requirement {
    Requirement::NotIn {
        key: key.into(),
        values: values.iter().map(|v| (*v).into()).collect(),
    }
}

fn exists(key: &str) -> Requirement {
    Requirement::Exists { key: key.into() }
}

fn not_exists(key: &str) -> Requirement {
    Requirement::NotExists { key: key.into() }
}

fn labeled(id: &str, labels: &[(&str, &str)]) -> ReleaseRow {
    ReleaseRow {
        labels: fixtures::labels(labels),
        ..fixtures::release(id, "a1", 1, true)
    }
}

fn select(fixture: &Fixture, labels: Vec<Requirement>) -> Vec<String> {
    let query = ListQuery::default()
        .labeled(labels)
        .ordered(Order::ascending(Column::Id));
    let keys = fixture
        .store
        .read(|r| r.keys::<ReleaseRow>(&query))
        .unwrap();
    let page = fixture
        .store
        .read(|r| r.list::<ReleaseRow>(&query))
        .unwrap();
    assert_eq!(page.total, keys.len() as u64);
    // A page that is full makes the store count.
    let part = query.clone().page(Page::first(1));
    let part = fixture.store.read(|r| r.list::<ReleaseRow>(&part)).unwrap();
    assert_eq!(part.total, keys.len() as u64);
    keys
}

fn requirements(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(labeled("none", &[]));
    fixture.put(labeled(
        "prod",
        &[("env", "prod"), ("example.com/team", "a")],
    ));
    fixture.put(labeled("test", &[("env", "test")]));
    fixture.put(labeled("void", &[("env", "")]));
    let table: Vec<(Vec<Requirement>, &[&str])> = vec![
        (vec![], &["none", "prod", "test", "void"]),
        (vec![within("env", &["prod"])], &["prod"]),
        (
            vec![within("env", &["prod", "test", "other"])],
            &["prod", "test"],
        ),
        (vec![within("env", &[])], &[]),
        (vec![within("env", &[""])], &["void"]),
        (
            vec![not_within("env", &["prod"])],
            &["none", "test", "void"],
        ),
        (
            vec![not_within("env", &["prod", "test"])],
            &["none", "void"],
        ),
        (vec![exists("env")], &["prod", "test", "void"]),
        (vec![not_exists("env")], &["none"]),
        (vec![exists("example.com/team")], &["prod"]),
        (vec![exists("team")], &[]),
        (
            vec![exists("env"), not_within("env", &["prod"])],
            &["test", "void"],
        ),
        (
            vec![within("env", &["prod"]), not_exists("example.com/team")],
            &[],
        ),
        (vec![within("env", &["PROD"])], &[]),
        (vec![within("env", &["' OR 1=1 --"])], &[]),
    ];
    for (labels, expected) in table {
        assert_eq!(select(&fixture, labels.clone()), expected, "{labels:?}");
    }
    let filters = vec![Filter::is(Column::Id, "test")];
    let both = ListQuery::filtered(filters).labeled(vec![exists("env")]);
    assert_eq!(
        fixture.store.read(|r| r.keys::<ReleaseRow>(&both)).unwrap(),
        ["test"]
    );
}

fn many_rows_give_the_same_as_few(backend: Backend) {
    /// More than the store sorts.
    const ROWS: i64 = 1500;
    let fixture = Fixture::new(backend);
    fixture.write(|tx| {
        for n in 0..ROWS {
            let env = if n % 500 == 7 { "rare" } else { "common" };
            let labels = fixtures::labels(&[("env", env)]);
            let row = fixtures::release(&format!("r{n:04}"), "a1", n, true);
            tx.put(&ReleaseRow { labels, ..row })?;
        }
        Ok(())
    });
    let page = |labels: Vec<Requirement>, page| {
        let query = ListQuery::default()
            .labeled(labels)
            .ordered(Order::descending(Column::CreatedAt))
            .page(page);
        let found = fixture
            .store
            .read(|r| r.list::<ReleaseRow>(&query))
            .unwrap();
        let ids: Vec<_> = found.rows.into_iter().map(|row| row.id.0).collect();
        (ids.join(" "), found.total)
    };
    let common = || vec![within("env", &["common"])];
    let rest = || {
        vec![
            not_within("env", &["rare", "other"]),
            exists("env"),
            not_exists("no"),
        ]
    };
    let rare = || vec![within("env", &["rare"])];
    for labels in [common(), rest()] {
        assert_eq!(
            page(labels.clone(), Page::first(2)),
            ("r1499 r1498".into(), 1497)
        );
        let around_a_rare_one = Page {
            limit: 2,
            offset: 1499 - 1008,
        };
        assert_eq!(
            page(labels, around_a_rare_one),
            ("r1008 r1006".into(), 1497)
        );
    }
    assert_eq!(page(rare(), Page::first(2)), ("r1007 r0507".into(), 3));
    assert_eq!(
        page(
            rare(),
            Page {
                limit: 2,
                offset: 2
            }
        ),
        ("r0007".into(), 3)
    );
}

fn labels_follow_their_row(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(labeled("r1", &[("env", "prod")]));
    fixture.put(labeled("r1", &[("env", "test")]));
    assert!(select(&fixture, vec![within("env", &["prod"])]).is_empty());
    assert_eq!(select(&fixture, vec![within("env", &["test"])]), ["r1"]);
    fixture.write(|tx| tx.delete::<ReleaseRow>(&"r1".into()));
    // A new row of the same id does not inherit what the old one had.
    fixture.put(labeled("r1", &[]));
    assert!(select(&fixture, vec![exists("env")]).is_empty());
}

fn kinds_are_apart(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::organization("x", "acme"));
    fixture.put(labeled("x", &[]));
    assert!(select(&fixture, vec![exists("tier")]).is_empty());
}

fn tables_without_labels_refuse(backend: Backend) {
    let fixture = Fixture::new(backend);
    let query = ListQuery::default().labeled(vec![exists("env")]);
    let events = fixture
        .store
        .read(|r| r.list::<AuditEvent>(&query).map(drop));
    let flags = fixture
        .store
        .read(|r| r.list::<FeatureFlag>(&query).map(drop));
    for result in [events, flags] {
        let refused = matches!(
            result,
            Err(StoreError::UnknownColumn {
                column: Column::Labels,
                ..
            })
        );
        assert!(refused, "{result:?}");
    }
}
