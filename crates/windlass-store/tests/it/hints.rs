//! Hints: every commit is told of, or the listener learns that it missed some.

use windlass_engine::id::{AppId, RowRevision};
use windlass_store::{AppStateRow, Hint, OpenOptions};

use crate::backend::{Backend, Fixture, for_each_backend};

for_each_backend! { commits_are_told, a_slow_listener_is_told_so, closing_ends_the_hints }

fn next(hints: &mut windlass_store::Hints) -> Option<Hint> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(hints.next())
}

fn commits_are_told(backend: Backend) {
    let fixture = Fixture::new(backend);
    let mut hints = fixture.store.hints();
    // Neither a change of nothing nor a refused one is told of.
    fixture.write(|tx| {
        tx.touch(&"nothing".into());
        Ok(())
    });
    let refused = fixture.try_write(|tx| {
        tx.touch(&"refused".into());
        tx.put_meta("key", "value")?;
        Err::<(), _>(windlass_store::StoreError::Closed)
    });
    assert!(refused.is_err());
    let commit = fixture.write(|tx| {
        let row = AppStateRow {
            app: "a2".into(),
            row_revision: RowRevision(1),
            wake_at: None,
            active: true,
            document: "{}".into(),
        };
        tx.put_app_state(None, &row)?;
        tx.touch(&"a1".into());
        tx.touch(&"a1".into());
        Ok(tx.commit_number())
    });
    let apps: Vec<AppId> = vec!["a1".into(), "a2".into()];
    assert_eq!(
        next(&mut hints),
        Some(Hint::Touched {
            commit,
            apps: apps.into()
        })
    );
    let commit = fixture.write(|tx| tx.put_meta("key", "value").map(|()| tx.commit_number()));
    assert_eq!(
        next(&mut hints),
        Some(Hint::Touched {
            commit,
            apps: [].into()
        })
    );
}

fn a_slow_listener_is_told_so(backend: Backend) {
    let fixture = Fixture::with(
        backend,
        OpenOptions {
            hint_limit: 2,
            ..OpenOptions::default()
        },
    );
    let mut hints = fixture.store.hints();
    for n in 0..5 {
        fixture.write(move |tx| tx.put_meta("key", &n.to_string()));
    }
    assert_eq!(next(&mut hints), Some(Hint::Missed));
    assert!(matches!(next(&mut hints), Some(Hint::Touched { .. })));
}

fn closing_ends_the_hints(backend: Backend) {
    let fixture = Fixture::new(backend);
    let mut hints = fixture.store.hints();
    drop(fixture);
    assert_eq!(next(&mut hints), None);
}
