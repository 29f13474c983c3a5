//! Group commit: jobs that wait together are committed together, and yet apart.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use windlass_engine::id::CommitNumber;
use windlass_store::{OpenOptions, Store, StoreError, Tx, WriteError};

use crate::backend::{Backend, Fixture, for_each_backend};

for_each_backend! {
    a_refused_job_leaves_the_others, later_jobs_see_earlier_ones, numbers_grow_in_order,
    numbers_survive_a_restart, a_panic_is_undone, half_a_change_is_never_seen,
    a_caller_that_goes_does_not_matter, a_full_queue_says_so, closing_finishes_what_waits,
    a_closure_may_hold_the_last_store, a_failed_statement_does_not_spoil_the_change,
    a_snapshot_stays_as_it_is, lists_survive_a_panic, many_writers,
}

type Refusal = WriteError<StoreError>;

/// Keeps the writer busy until told, so that what is sent meanwhile becomes one group.
struct Gate {
    open: Sender<()>,
    job: JoinHandle<Result<(), Refusal>>,
}

impl Gate {
    fn close(store: &Store) -> Self {
        let (open, wait) = channel::<()>();
        let (started, running) = channel();
        let store = store.clone();
        let job = thread::spawn(move || {
            store.write_blocking(move |_: &mut Tx<'_>| {
                started.send(()).unwrap();
                wait.recv().map_err(|_| StoreError::Closed)
            })
        });
        running.recv().unwrap();
        Self { open, job }
    }

    fn open(self) {
        self.open.send(()).unwrap();
        self.job.join().unwrap().unwrap();
    }
}

/// Sends a job and comes back when it waits in the queue. The jobs run in the order of the calls.
fn send<T: Send + 'static>(
    store: &Store,
    change: impl FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Receiver<Result<T, Refusal>> {
    let (tell, told) = channel();
    let (polled, waits) = channel();
    let store = store.clone();
    thread::spawn(move || {
        let runtime = runtime();
        runtime.block_on(async move {
            let mut write = Box::pin(store.write(change));
            // The first poll puts the job into the queue.
            let first = std::future::poll_fn(|context| {
                std::task::Poll::Ready(write.as_mut().poll(context))
            })
            .await;
            polled.send(()).unwrap();
            let result = match first {
                std::task::Poll::Ready(result) => result,
                std::task::Poll::Pending => write.await,
            };
            // The test may not care.
            let _ = tell.send(result);
        });
    });
    waits.recv().unwrap();
    told
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn meta(fixture: &Fixture, key: &str) -> Option<String> {
    fixture.store.read(|r| r.meta(key)).unwrap()
}

fn a_refused_job_leaves_the_others(backend: Backend) {
    let fixture = Fixture::new(backend);
    let gate = Gate::close(&fixture.store);
    let before = send(&fixture.store, |tx| tx.put_meta("before", "1"));
    let refused = send(&fixture.store, |tx| {
        tx.put_meta("refused", "1")?;
        tx.put_meta("before", "2")?;
        Err::<(), _>(StoreError::Overloaded)
    });
    let after = send(&fixture.store, |tx| tx.put_meta("after", "1"));
    gate.open();
    before.recv().unwrap().unwrap();
    after.recv().unwrap().unwrap();
    let refused = refused.recv().unwrap();
    assert!(
        matches!(refused, Err(WriteError::Refused(StoreError::Overloaded))),
        "{refused:?}"
    );
    let fixture = fixture.reopen();
    let found = ["before", "refused", "after"].map(|key| meta(&fixture, key));
    assert_eq!(found, [Some("1".into()), None, Some("1".into())]);
}

fn later_jobs_see_earlier_ones(backend: Backend) {
    let fixture = Fixture::new(backend);
    let gate = Gate::close(&fixture.store);
    let add = |tx: &mut Tx<'_>| {
        let count = tx
            .meta("count")?
            .map_or(0, |text| text.parse::<u32>().unwrap());
        tx.put_meta("count", &(count + 1).to_string())?;
        Ok(count)
    };
    let answers: Vec<_> = (0..20).map(|_| send(&fixture.store, add)).collect();
    assert_eq!(
        meta(&fixture, "count"),
        None,
        "a reader sees what is not committed"
    );
    gate.open();
    let counts: Vec<u32> = answers.iter().map(|a| a.recv().unwrap().unwrap()).collect();
    assert_eq!(counts, (0..20).collect::<Vec<_>>());
    assert_eq!(meta(&fixture, "count").as_deref(), Some("20"));
}

fn numbers_grow_in_order(backend: Backend) {
    // Smaller groups than jobs: the order holds across groups, too.
    let options = OpenOptions {
        group_limit: 3,
        ..OpenOptions::default()
    };
    let fixture = Fixture::with(backend, options);
    let gate = Gate::close(&fixture.store);
    let answers: Vec<_> = (0..10)
        .map(|n| {
            send(&fixture.store, move |tx| {
                tx.put_meta("last", &n.to_string())?;
                Ok(tx.commit_number())
            })
        })
        .collect();
    gate.open();
    let numbers: Vec<CommitNumber> = answers.iter().map(|a| a.recv().unwrap().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(fixture.store.read(|r| r.last_commit()).unwrap(), numbers[9]);
    assert_eq!(meta(&fixture, "last").as_deref(), Some("9"));
}

fn numbers_survive_a_restart(backend: Backend) {
    let fixture = Fixture::new(backend);
    let put = |tx: &mut Tx<'_>| {
        tx.put_meta("key", "value")?;
        Ok(tx.commit_number())
    };
    let first = fixture.write(put);
    let unused = fixture.write(|tx| Ok(tx.commit_number()));
    let second = fixture.write(put);
    assert!(unused > first && second > first);
    let fixture = fixture.reopen();
    assert_eq!(fixture.store.read(|r| r.last_commit()).unwrap(), second);
    assert!(fixture.write(put) > second);
}

fn a_panic_is_undone(backend: Backend) {
    let fixture = Fixture::new(backend);
    let gate = Gate::close(&fixture.store);
    let panics = send(&fixture.store, |tx| {
        tx.put_meta("half", "1")?;
        panic!("on purpose");
        #[expect(unreachable_code, reason = "says the type of the closure")]
        Ok(())
    });
    let after = send(&fixture.store, |tx| tx.put_meta("after", "1"));
    gate.open();
    let told = panics.recv().unwrap();
    assert!(
        matches!(told, Err(WriteError::Store(StoreError::Panicked))),
        "{told:?}"
    );
    after.recv().unwrap().unwrap();
    assert_eq!(
        (meta(&fixture, "half"), meta(&fixture, "after")),
        (None, Some("1".into()))
    );
}

fn half_a_change_is_never_seen(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.write(|tx| {
        tx.put_meta("left", "0")
            .and_then(|()| tx.put_meta("right", "0"))
    });
    let store = fixture.store.clone();
    let (stop, stopped) = channel::<()>();
    let reader = thread::spawn(move || {
        let mut seen = 0;
        while stopped.try_recv().is_err() {
            let pair = store.read(|r| Ok::<_, StoreError>((r.meta("left")?, r.meta("right")?)));
            let (left, right) = pair.unwrap();
            assert_eq!(left, right);
            seen += 1;
        }
        seen
    });
    for n in 1..=200 {
        fixture.write(move |tx| {
            tx.put_meta("left", &n.to_string())?;
            tx.put_meta("right", &n.to_string())
        });
    }
    stop.send(()).unwrap();
    assert!(reader.join().unwrap() > 0);
}

fn a_caller_that_goes_does_not_matter(backend: Backend) {
    let fixture = Fixture::new(backend);
    let gate = Gate::close(&fixture.store);
    let store = fixture.store.clone();
    runtime().block_on(async {
        let mut write = Box::pin(store.write(|tx| tx.put_meta("key", "value")));
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(write.as_mut().poll(context).is_pending())
        });
        assert!(polled.await);
    });
    gate.open();
    fixture.write(|_| Ok(()));
    assert_eq!(meta(&fixture, "key").as_deref(), Some("value"));
}

fn a_full_queue_says_so(backend: Backend) {
    let options = OpenOptions {
        queue_limit: 1,
        queue_wait_ms: 1,
        ..OpenOptions::default()
    };
    let fixture = Fixture::with(backend, options);
    let gate = Gate::close(&fixture.store);
    let waits = send(&fixture.store, |tx| tx.put_meta("waits", "1"));
    let refused: Result<(), Refusal> =
        runtime().block_on(fixture.store.write(|tx| tx.put_meta("refused", "1")));
    let overloaded = matches!(&refused, Err(WriteError::Store(e)) if e.is_transient());
    assert!(overloaded, "{refused:?}");
    gate.open();
    waits.recv().unwrap().unwrap();
    assert_eq!(
        (meta(&fixture, "waits"), meta(&fixture, "refused")),
        (Some("1".into()), None)
    );
}

fn closing_finishes_what_waits(backend: Backend) {
    let fixture = Fixture::new(backend);
    let gate = Gate::close(&fixture.store);
    let answers: Vec<_> = (0..50)
        .map(|n| send(&fixture.store, move |tx| tx.put_meta(&format!("k{n}"), "1")))
        .collect();
    gate.open();
    let fixture = fixture.reopen();
    for (n, answer) in answers.iter().enumerate() {
        answer.recv().unwrap().unwrap();
        assert!(meta(&fixture, &format!("k{n}")).is_some());
    }
}

fn a_closure_may_hold_the_last_store(backend: Backend) {
    let Fixture { store, folder } = Fixture::new(backend);
    let path = store.path().to_owned();
    let gate = Gate::close(&store);
    let held = store.clone();
    let answer = send(&store, move |tx| {
        tx.put_meta("key", "value")?;
        drop(held);
        Ok(())
    });
    drop(store);
    gate.open();
    answer.recv().unwrap().unwrap();
    let store = Store::open(path, OpenOptions::default()).unwrap();
    assert!(store.read(|r| r.meta("key")).unwrap().is_some());
    drop((store, folder));
}

fn a_failed_statement_does_not_spoil_the_change(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.put(crate::fixtures::organization("o1", "acme"));
    fixture.write(|tx| {
        let taken = tx.put(&crate::fixtures::organization("o2", "acme"));
        assert!(matches!(taken, Err(StoreError::Duplicate { .. })));
        tx.put_meta("name", "was taken")
    });
    assert!(meta(&fixture, "name").is_some());
}

fn a_snapshot_stays_as_it_is(backend: Backend) {
    let fixture = Fixture::new(backend);
    fixture.write(|tx| tx.put_meta("key", "old"));
    let writer = &fixture;
    let seen = fixture.store.read(|r| {
        let first = r.meta("key")?;
        writer.write(|tx| tx.put_meta("key", "new"));
        Ok::<_, StoreError>((first, r.meta("key")?))
    });
    assert_eq!(seen.unwrap(), (Some("old".into()), Some("old".into())));
    assert_eq!(meta(&fixture, "key").as_deref(), Some("new"));
}

fn lists_survive_a_panic(backend: Backend) {
    let options = OpenOptions {
        list_limit: 1,
        ..OpenOptions::default()
    };
    let fixture = Fixture::with(backend, options);
    fixture.write(|tx| tx.put_meta("key", "value"));
    runtime().block_on(async {
        for _ in 0..3 {
            let panicked: Result<(), StoreError> =
                fixture.store.read_list(|_| panic!("on purpose")).await;
            assert!(
                matches!(panicked, Err(StoreError::Panicked)),
                "{panicked:?}"
            );
        }
        let value = fixture.store.read_list(|r| r.meta("key")).await;
        assert_eq!(value.unwrap().as_deref(), Some("value"));
    });
}

fn many_writers(backend: Backend) {
    const WRITERS: u32 = 16;
    const CHANGES: u32 = 25;
    let fixture = Fixture::new(backend);
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = fixture.store.clone();
            thread::spawn(move || {
                for _ in 0..CHANGES {
                    let added: Result<(), Refusal> = store.write_blocking(|tx| {
                        let count = tx.meta("count")?.map_or(0, |t| t.parse::<u32>().unwrap());
                        tx.put_meta("count", &(count + 1).to_string())
                    });
                    added.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(
        meta(&fixture, "count"),
        Some((WRITERS * CHANGES).to_string())
    );
    fixture.store.integrity_check().unwrap();
}
