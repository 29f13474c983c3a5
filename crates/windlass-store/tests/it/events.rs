//! Events: in the order of commits, from any place on.

use serde_json::json;
use windlass_engine::time::Timestamp;
use windlass_store::{EventPosition, EventQuery, EventRow, NewEvent};

use crate::backend::{Backend, Fixture, for_each_backend};

for_each_backend! { order_and_following, filters, retention, an_undone_change_leaves_none }

fn event(app: &str, subject: &str, at: i64) -> NewEvent {
    NewEvent {
        app: Some(app.into()),
        organization: (app != "a9").then(|| "o1".into()),
        subject_kind: "release".into(),
        subject: subject.into(),
        at: Timestamp(at),
        kind: "release.canceled".into(),
        text: format!("{subject} was canceled"),
        data: json!({"by": "ann", "at": at}),
    }
}

fn append(fixture: &Fixture, events: Vec<NewEvent>) -> Vec<EventPosition> {
    fixture.write(move |tx| events.iter().map(|event| tx.append_event(event)).collect())
}

fn list(fixture: &Fixture, query: &EventQuery) -> Vec<EventRow> {
    fixture.store.read(|r| r.events(query)).unwrap()
}

fn order_and_following(backend: Backend) {
    let fixture = Fixture::new(backend);
    let everything = EventQuery::after(None, 100);
    assert!(list(&fixture, &everything).is_empty());
    let first = append(&fixture, vec![event("a1", "r1", 5), event("a1", "r2", 5)]);
    assert_eq!((first[0].seq, first[1].seq), (0, 1));
    let second = append(&fixture, vec![event("a2", "r3", 4)]);
    assert!(second[0] > first[1]);
    let fixture = fixture.reopen();
    let found = list(&fixture, &everything);
    let expected = [
        event("a1", "r1", 5),
        event("a1", "r2", 5),
        event("a2", "r3", 4),
    ];
    assert_eq!(
        found
            .iter()
            .map(|row| row.event.clone())
            .collect::<Vec<_>>(),
        expected
    );

    // Following goes on behind any event, in parts of any size, and leaves none out.
    let mut after = None;
    let mut followed = Vec::new();
    while let Some(row) = list(&fixture, &EventQuery::after(after, 1)).pop() {
        after = Some(row.position);
        followed.push(row);
    }
    assert_eq!(followed, found);
    let rest = list(
        &fixture,
        &EventQuery::after(Some(EventPosition::after(first[0].commit)), 9),
    );
    assert_eq!(rest, found[2..]);
    let newest = EventQuery {
        newest_first: true,
        ..EventQuery::after(None, 2)
    };
    let newest: Vec<_> = list(&fixture, &newest)
        .into_iter()
        .map(|row| row.position)
        .collect();
    assert_eq!(newest, [second[0], first[1]]);
}

fn filters(backend: Backend) {
    let fixture = Fixture::new(backend);
    let nobody = NewEvent {
        app: None,
        organization: None,
        ..event("", "control", 1)
    };
    append(
        &fixture,
        vec![
            event("a1", "r1", 1),
            event("a2", "r2", 1),
            event("a9", "r9", 1),
            nobody,
        ],
    );
    let subjects = |query: EventQuery| {
        let rows = list(&fixture, &query);
        rows.into_iter()
            .map(|row| row.event.subject)
            .collect::<Vec<_>>()
    };
    let all = || EventQuery::after(None, 100);
    assert_eq!(
        subjects(EventQuery {
            app: Some("a2".into()),
            ..all()
        }),
        ["r2"]
    );
    assert_eq!(
        subjects(EventQuery {
            organization: Some("o1".into()),
            ..all()
        }),
        ["r1", "r2"]
    );
    assert_eq!(
        subjects(EventQuery {
            subject: Some("control".into()),
            ..all()
        }),
        ["control"]
    );
    let none = EventQuery {
        app: Some("a1".into()),
        subject: Some("r2".into()),
        ..all()
    };
    assert!(subjects(none).is_empty());
}

fn retention(backend: Backend) {
    let fixture = Fixture::new(backend);
    append(
        &fixture,
        (1..=6)
            .map(|at| event("a1", &format!("r{at}"), at))
            .collect(),
    );
    assert_eq!(
        fixture.write(|tx| tx.delete_events_before(Timestamp(5), 3)),
        3
    );
    assert_eq!(
        fixture.write(|tx| tx.delete_events_before(Timestamp(5), 3)),
        1
    );
    assert_eq!(
        fixture.write(|tx| tx.delete_events_before(Timestamp(5), 3)),
        0
    );
    let left = list(&fixture, &EventQuery::after(None, 100));
    assert_eq!(
        left.iter().map(|row| row.event.at.0).collect::<Vec<_>>(),
        [5, 6]
    );
    // Places are never given out again.
    let next = append(&fixture, vec![event("a1", "r7", 7)]);
    assert!(next[0] > left[1].position);
}

fn an_undone_change_leaves_none(backend: Backend) {
    let fixture = Fixture::new(backend);
    let undone = fixture.try_write(|tx| {
        tx.append_event(&event("a1", "r1", 1))?;
        Err::<(), _>(windlass_store::StoreError::Closed)
    });
    assert!(undone.is_err());
    assert!(list(&fixture, &EventQuery::after(None, 10)).is_empty());
}
