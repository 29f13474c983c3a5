//! Filters, order, pages, totals.

use windlass_engine::records::*;
use windlass_engine::time::Timestamp;
use windlass_store::{
    Cell, Column, Filter, ListQuery, Order, Page, ReleaseRow, Row, StoreError, TaskRow, words,
};

use crate::backend::{Backend, Fixture, for_each_backend};
use crate::fixtures;

for_each_backend! {
    filters, orders_with_ties, pages_and_totals, through_the_app, through_the_space, by_destination,
    shared_domains, names_ignore_case, unknown_columns, words_of_states, deletes_the_oldest_first,
    the_active_release, many_values, long_counts_follow_every_change,
    a_long_count_belongs_to_its_snapshot,
}

fn keys<T: Row>(fixture: &Fixture, query: &ListQuery) -> Vec<String> {
    fixture.store.read(|r| r.keys::<T>(query)).unwrap()
}

fn filtered<T: Row>(fixture: &Fixture, filters: Vec<Filter>) -> Vec<String> {
    let query = ListQuery::filtered(filters.clone()).ordered(Order::ascending(Column::Id));
    let keys = keys::<T>(fixture, &query);
    assert_eq!(
        fixture.store.read(|r| r.count::<T>(&filters)).unwrap(),
        keys.len() as u64
    );
    let all = fixture.store.read(|r| r.all::<T>(filters)).unwrap();
    assert_eq!(all.len(), keys.len());
    keys
}

fn filters(backend: Backend) {
    let fixture = Fixture::new(backend);
    for at in 1..=5 {
        fixture.put(fixtures::release(&format!("r{at}"), "a1", at, at % 2 == 0));
    }
    let at = |n| Cell::from(Timestamp(n));
    let time = Column::CreatedAt;
    let reason = Column::StatusReason;
    let table: Vec<(Filter, &[&str])> = vec![
        (Filter::is(Column::Id, "r1"), &["r1"]),
        (
            Filter::one_of(Column::Id, ["r1", "r3", "r9", "r1"]),
            &["r1", "r3"],
        ),
        (Filter::In(Column::Id, vec![]), &[]),
        (
            Filter::NotIn(Column::Id, vec![]),
            &["r1", "r2", "r3", "r4", "r5"],
        ),
        (
            Filter::NotIn(Column::Id, vec!["r1".into(), "r2".into()]),
            &["r3", "r4", "r5"],
        ),
        (Filter::is(Column::Finished, true), &["r1", "r3", "r5"]),
        (
            Filter::one_of(Column::Finished, [true, false]),
            &["r1", "r2", "r3", "r4", "r5"],
        ),
        (Filter::is_null(reason), &["r2", "r4"]),
        (
            Filter::In(reason, vec![Cell::Null, "DEPLOYED".into()]),
            &["r1", "r2", "r3", "r4", "r5"],
        ),
        (Filter::is(reason, "DEPLOYED"), &["r1", "r3", "r5"]),
        (
            Filter::NotIn(reason, vec!["DEPLOYED".into()]),
            &["r2", "r4"],
        ),
        (Filter::NotIn(reason, vec![Cell::Null]), &["r1", "r3", "r5"]),
        (Filter::Lt(time, at(3)), &["r1", "r2"]),
        (Filter::Lte(time, at(3)), &["r1", "r2", "r3"]),
        (Filter::Gt(time, at(3)), &["r4", "r5"]),
        (Filter::Gte(time, at(3)), &["r3", "r4", "r5"]),
        (Filter::before(Column::UpdatedAt, Timestamp(3)), &["r1"]),
        (
            Filter::one_of(time, [Timestamp(2), Timestamp(5)]),
            &["r2", "r5"],
        ),
        (Filter::Any(vec![]), &[]),
        (Filter::All(vec![]), &["r1", "r2", "r3", "r4", "r5"]),
        (
            Filter::Any(vec![Filter::Lt(time, at(2)), Filter::Gt(time, at(4))]),
            &["r1", "r5"],
        ),
        (
            Filter::All(vec![
                Filter::is(Column::Finished, true),
                Filter::Any(vec![
                    Filter::is(Column::Id, "r2"),
                    Filter::is(Column::Id, "r3"),
                ]),
            ]),
            &["r3"],
        ),
    ];
    for (filter, expected) in table {
        let found = filtered::<ReleaseRow>(&fixture, vec![filter.clone()]);
        assert_eq!(found, expected, "{filter:?}");
    }
    let both = vec![Filter::Gt(time, at(1)), Filter::is(Column::Finished, true)];
    assert_eq!(filtered::<ReleaseRow>(&fixture, both), ["r3", "r5"]);
}

fn orders_with_ties(backend: Backend) {
    let fixture = Fixture::new(backend);
    // Equal times: the commit decides; equal commits: the id.
    for (id, created_at, commit) in [("d", 5, 9), ("a", 5, 9), ("c", 5, 2), ("b", 4, 10)] {
        let mut row = fixtures::release(id, "a1", created_at, true);
        row.stamps.created_commit.0 = commit;
        fixture.put(row);
    }
    let by = |order| keys::<ReleaseRow>(&fixture, &ListQuery::default().ordered(order));
    assert_eq!(
        by(Order::ascending(Column::CreatedAt)),
        ["b", "c", "a", "d"]
    );
    assert_eq!(
        by(Order::descending(Column::CreatedAt)),
        ["d", "a", "c", "b"]
    );
    assert_eq!(
        by(Order::ascending(Column::UpdatedAt)),
        ["b", "c", "a", "d"]
    );
    assert_eq!(
        by(Order::ascending(Column::CreatedCommit)),
        ["c", "a", "d", "b"]
    );
    assert_eq!(
        keys::<ReleaseRow>(&fixture, &ListQuery::default()),
        ["b", "c", "a", "d"]
    );
}

fn pages_and_totals(backend: Backend) {
    let fixture = Fixture::new(backend);
    let part = |limit, offset| {
        let query = ListQuery::default().page(Page { limit, offset });
        let page = fixture
            .store
            .read(|r| r.list::<ReleaseRow>(&query))
            .unwrap();
        (
            page.rows
                .into_iter()
                .map(|row| row.id.0)
                .collect::<Vec<_>>(),
            page.total,
        )
    };
    assert_eq!(part(2, 0), (vec![], 0));
    assert_eq!(part(2, 7), (vec![], 0));
    for at in 1..=5 {
        fixture.put(fixtures::release(&format!("r{at}"), "a1", at, true));
    }
    let some = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    assert_eq!(part(2, 0), (some(&["r1", "r2"]), 5));
    assert_eq!(part(2, 2), (some(&["r3", "r4"]), 5));
    assert_eq!(part(2, 4), (some(&["r5"]), 5));
    assert_eq!(part(5, 0), (some(&["r1", "r2", "r3", "r4", "r5"]), 5));
    assert_eq!(part(9, 0).1, 5);
    assert_eq!(part(2, 5), (vec![], 5));
    assert_eq!(part(2, u64::MAX), (vec![], 5));
    assert_eq!(part(0, 0), (vec![], 5));
}

fn through_the_app(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::app("a1", "o1", "s1", "one"));
    fixture.put(fixtures::app("a2", "o1", "s2", "two"));
    fixture.put(fixtures::app("a3", "o2", "s3", "three"));
    for app in ["a1", "a2", "a3"] {
        fixture.put(fixtures::release(app, app, 1, true));
        fixture.put(fixtures::task(app, app, 1, "x"));
        fixture.put(fixtures::package(app, app));
    }
    let organization = || vec![Filter::is(Column::Organization, "o1")];
    assert_eq!(
        filtered::<ReleaseRow>(&fixture, organization()),
        ["a1", "a2"]
    );
    assert_eq!(filtered::<TaskRow>(&fixture, organization()), ["a1", "a2"]);
    let spaces = || vec![Filter::one_of(Column::Space, ["s2", "s3"])];
    assert_eq!(filtered::<ReleaseRow>(&fixture, spaces()), ["a2", "a3"]);
    assert_eq!(filtered::<Package>(&fixture, spaces()), ["a2", "a3"]);
    let others = vec![Filter::NotIn(Column::Space, vec!["s1".into()])];
    assert_eq!(filtered::<ReleaseRow>(&fixture, others), ["a2", "a3"]);
}

fn through_the_space(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::organization("o1", "acme"));
    fixture.put(fixtures::space("s1", "o1", "dev"));
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    fixture.put(fixtures::route("r1", "d1", "www", &[]));
    fixture.put(Route {
        space: "s9".into(),
        ..fixtures::route("r2", "d1", "api", &[])
    });
    fixture.put(fixtures::service_instance("i1", "db"));
    let acme = || vec![Filter::is(Column::Organization, "o1")];
    assert_eq!(filtered::<Route>(&fixture, acme()), ["r1"]);
    assert_eq!(filtered::<ServiceInstance>(&fixture, acme()), ["i1"]);
}

fn by_destination(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    fixture.put(fixtures::route("r1", "d1", "www", &["a1", "a2"]));
    fixture.put(fixtures::route("r2", "d1", "api", &["a2"]));
    fixture.put(fixtures::route("r3", "d1", "old", &[]));
    let of = |app: &str| filtered::<Route>(&fixture, vec![Filter::is(Column::App, app)]);
    assert_eq!(of("a1"), ["r1"]);
    assert_eq!(of("a2"), ["r1", "r2"]);
    fixture.put(fixtures::route("r1", "d1", "www", &["a3"]));
    assert_eq!(of("a2"), ["r2"]);
    assert_eq!(of("a3"), ["r1"]);
    let hosts = vec![
        Filter::is(Column::Host, "old"),
        Filter::is(Column::Path, "/api"),
    ];
    assert_eq!(filtered::<Route>(&fixture, hosts), ["r3"]);
}

fn shared_domains(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::domain("d1", "apps.localhost", None));
    fixture.put(fixtures::domain("d2", "mine.test", Some("o1")));
    fixture.put(fixtures::domain("d3", "yours.test", Some("o2")));
    fixture.put(Domain {
        shared_with: vec![],
        ..fixtures::domain("d4", "own.test", Some("o2"))
    });
    let seen_by = |organization: &str| {
        filtered::<Domain>(
            &fixture,
            vec![Filter::Any(vec![
                Filter::is_null(Column::Organization),
                Filter::is(Column::Organization, organization),
                Filter::is(Column::SharedWith, organization),
            ])],
        )
    };
    assert_eq!(seen_by("o1"), ["d1", "d2"]);
    assert_eq!(seen_by("o2"), ["d1", "d3", "d4"]);
    assert_eq!(seen_by("o7"), ["d1", "d2", "d3"]);
}

fn names_ignore_case(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::organization("o1", "Acme"));
    fixture.put(fixtures::app("a1", "o1", "s1", "Shop"));
    fixture.put(fixtures::task("t1", "a1", 1, "Migrate"));
    fixture.put(fixtures::service_instance("i1", "Db"));
    let by = |name: &str| vec![Filter::is(Column::Name, name)];
    assert_eq!(filtered::<Organization>(&fixture, by("aCME")), ["o1"]);
    assert_eq!(filtered::<AppRecord>(&fixture, by("shop")), ["a1"]);
    assert_eq!(filtered::<TaskRow>(&fixture, by("MIGRATE")), ["t1"]);
    assert!(filtered::<ServiceInstance>(&fixture, by("db")).is_empty());
    assert_eq!(fixture.get::<TaskRow>("t1").unwrap().name, "Migrate");
}

fn unknown_columns(backend: Backend) {
    let fixture = Fixture::new(backend);
    let queries = [
        ListQuery::filtered(vec![Filter::is(Column::Host, "x")]),
        ListQuery::filtered(vec![Filter::Lt(Column::Space, "x".into())]),
        ListQuery::filtered(vec![Filter::Any(vec![Filter::is(Column::SharedWith, "x")])]),
        ListQuery::default().ordered(Order::ascending(Column::Organization)),
    ];
    for query in queries {
        let result = fixture
            .store
            .read(|r| r.list::<ReleaseRow>(&query).map(drop));
        let refused = matches!(
            result,
            Err(StoreError::UnknownColumn {
                table: "releases",
                ..
            })
        );
        assert!(refused, "{query:?}: {result:?}");
    }
}

fn words_of_states(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::user("u1", "ann"));
    fixture.put(fixtures::package("p1", "a1"));
    fixture.put(fixtures::artifact("d1", "a1"));
    fixture.put(fixtures::build("b1", "a1"));
    fixture.put(fixtures::operation("x1"));
    fixture.put(fixtures::token("t1", "u1", "ff"));
    fixture.put(fixtures::role(
        "r1",
        RoleKind::SpaceSupporter,
        "u1",
        Some("s1"),
    ));
    let state = |word: &str| vec![Filter::is(Column::State, word)];
    let kind = |word: &str| vec![Filter::is(Column::Kind, word)];
    let failed = words::package_state(&PackageState::Failed {
        error: String::new(),
    });
    assert_eq!(filtered::<Package>(&fixture, state(failed)), ["p1"]);
    assert!(
        filtered::<Package>(&fixture, state(words::package_state(&PackageState::Ready))).is_empty()
    );
    let staged = words::artifact_state(&ArtifactState::Staged);
    assert_eq!(filtered::<Artifact>(&fixture, state(staged)), ["d1"]);
    let built = words::build_state(&BuildRecordState::Staged {
        artifact: "x".into(),
    });
    assert_eq!(filtered::<BuildRecord>(&fixture, state(built)), ["b1"]);
    let ended = words::operation_state(&OperationState::Failed { errors: vec![] });
    assert_eq!(filtered::<Operation>(&fixture, state(ended)), ["x1"]);
    assert_eq!(
        filtered::<Token>(&fixture, kind(words::token_kind(TokenKind::Refresh))),
        ["t1"]
    );
    assert_eq!(
        filtered::<Role>(&fixture, kind(words::role_kind(RoleKind::SpaceSupporter))),
        ["r1"]
    );
}

fn deletes_the_oldest_first(backend: Backend) {
    let fixture = Fixture::new(backend);
    for at in 1..=4 {
        fixture.put(fixtures::release(&format!("r{at}"), "a1", at, at == 1));
    }
    let old = vec![
        Filter::is(Column::Finished, true),
        Filter::before(Column::UpdatedAt, Timestamp(9)),
    ];
    assert_eq!(
        fixture.write(move |tx| tx.delete_where::<ReleaseRow>(old, 2)),
        2
    );
    assert_eq!(filtered::<ReleaseRow>(&fixture, vec![]), ["r1", "r4"]);
    for (key, expires_at) in [("k1", 30), ("k2", 10), ("k3", 20)] {
        fixture.put(fixtures::idempotency(key, expires_at));
    }
    let expired = vec![Filter::before(Column::ExpiresAt, Timestamp(30))];
    assert_eq!(
        fixture.write(move |tx| tx.delete_where::<IdempotencyRow>(expired, 10)),
        2
    );
    assert_eq!(filtered::<IdempotencyRow>(&fixture, vec![]), ["k1"]);
}

fn the_active_release(backend: Backend) {
    let fixture = Fixture::new(backend);
    for (id, app, at, active) in [
        ("r1", "a1", 1, false),
        ("r2", "a1", 2, true),
        ("r3", "a1", 3, true),
        ("r4", "a2", 4, true),
    ] {
        fixture.put(fixtures::release(id, app, at, active));
    }
    let query = ListQuery::filtered(vec![
        Filter::is(Column::App, "a1"),
        Filter::is(Column::StatusValue, "ACTIVE"),
    ])
    .ordered(Order::descending(Column::CreatedAt))
    .page(Page::first(1));
    let page = fixture
        .store
        .read(|r| r.list::<ReleaseRow>(&query))
        .unwrap();
    assert_eq!((page.rows[0].id.as_str(), page.total), ("r3", 2));
}

fn many_values(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(fixtures::release("r1", "a77777", 1, true));
    let apps = (0..100_000).map(|n| format!("a{n}"));
    let filter = Filter::one_of(Column::App, apps);
    assert_eq!(filtered::<ReleaseRow>(&fixture, vec![filter]), ["r1"]);
}

/// Long enough that a count is kept.
const MANY: i64 = 600;

fn put_many(fixture: &Fixture) {
    fixture.write(|tx| {
        (0..MANY).try_for_each(|at| {
            let app = if at < 300 { "a1" } else { "a2" };
            tx.put(&fixtures::release(
                &format!("r{at:03}"),
                app,
                at,
                at % 2 == 0,
            ))
        })
    });
}

fn total(fixture: &Fixture, filters: &[Filter]) -> u64 {
    let query = ListQuery::filtered(filters.to_vec()).page(Page::first(2));
    let page = fixture.store.read(|r| r.list::<ReleaseRow>(&query));
    let total = page.unwrap().total;
    // The writer counts for itself.
    let by_writer = filters.to_vec();
    assert_eq!(
        fixture.write(move |tx| tx.count::<ReleaseRow>(&by_writer)),
        total
    );
    total
}

fn long_counts_follow_every_change(backend: Backend) {
    let fixture = Fixture::new(backend);
    put_many(&fixture);
    let of = |app: &str| vec![Filter::is(Column::App, app)];
    // Twice, so that the second is the kept one.
    for _ in 0..2 {
        assert_eq!(total(&fixture, &[]), 600);
        assert_eq!(total(&fixture, &of("a1")), 300);
        assert_eq!(total(&fixture, &of("a2")), 300);
    }
    fixture.put(fixtures::release("r3", "a1", MANY, true));
    assert_eq!(total(&fixture, &[]), 601);
    assert_eq!(total(&fixture, &of("a1")), 301);
    let old = of("a2");
    fixture.write(move |tx| tx.delete_where::<ReleaseRow>(old, 1_000));
    assert_eq!(total(&fixture, &[]), 301);
    // A question that is too long to be kept.
    let every: Vec<String> = (0..2_000).map(|at| format!("r{at:03}")).collect();
    for expected in [300, 301] {
        assert_eq!(
            total(&fixture, &[Filter::one_of(Column::Id, every.clone())]),
            expected
        );
        fixture.put(fixtures::release(
            &format!("r1{expected}"),
            "a1",
            MANY,
            true,
        ));
    }
    // More counts than are kept.
    for at in 0..100 {
        let since = vec![Filter::Gte(Column::CreatedAt, Cell::from(Timestamp(at)))];
        let known = fixture.store.read(|r| {
            r.keys::<ReleaseRow>(&ListQuery::filtered(since.clone()).page(Page::first(1_000)))
        });
        assert_eq!(total(&fixture, &since), known.unwrap().len() as u64);
    }
}

fn a_long_count_belongs_to_its_snapshot(backend: Backend) {
    let fixture = Fixture::new(backend);
    put_many(&fixture);
    for expected in [600, 601] {
        let found = fixture.store.read(|reader| {
            let before = reader.count::<ReleaseRow>(&[])?;
            fixture.put(fixtures::release(
                &format!("new-{expected}"),
                "a1",
                MANY,
                true,
            ));
            let after = reader.count::<ReleaseRow>(&[])?;
            Ok::<_, StoreError>((before, after))
        });
        assert_eq!(found.unwrap(), (expected, expected));
    }
    assert_eq!(total(&fixture, &[]), 602);
}
