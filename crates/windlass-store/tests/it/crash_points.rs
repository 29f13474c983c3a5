//! A process that kills itself at each named point of a commit, a migration, a backup.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;
use windlass_store::{CRASH_POINTS, OpenOptions, Store, StoreError, Tx, WriteError};

use crate::backend::{Backend, for_each_backend};
use crate::crash::{CHILD_DATABASE, child, tell};

for_each_backend! { every_point }

const CHILD_POINT: &str = "WINDLASS_STORE_TEST_POINT";
/// More changes than any write-back of the log waits for.
const MANY: usize = 2000;

/// Arms the point: whoever passes it dies at once, as by `kill -9`.
fn arm(point: &str) {
    let die = || {
        kill(getpid(), Signal::SIGKILL).unwrap();
        // The signal ends this thread before the call returns; nothing may happen in between.
        loop {
            std::thread::park();
        }
    };
    fail::cfg_callback(point, die).unwrap();
}

/// Tells each time that the point is passed, until another callback takes its place.
fn passed(point: &str) -> Receiver<()> {
    let (told, passed) = channel();
    let told = Mutex::new(told);
    let tell = move || {
        // Nobody listens once the receiver is gone.
        let _ = told.lock().unwrap().send(());
    };
    fail::cfg_callback(point, tell).unwrap();
    passed
}

fn write(
    store: &Store,
    change: impl FnOnce(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static,
) {
    let written: Result<(), WriteError<StoreError>> = store.write_blocking(change);
    written.unwrap();
}

/// Goes through a life of a database with one point armed.
#[test]
#[ignore = "the crash tests run it in a process of its own"]
fn life() {
    let (Some(path), Ok(point)) = (std::env::var_os(CHILD_DATABASE), std::env::var(CHILD_POINT))
    else {
        return;
    };
    let path = PathBuf::from(path);
    if point.starts_with("store-migration") {
        arm(&point);
    }
    let store = Store::open(&path, OpenOptions::default()).unwrap();
    // The writer passes this point behind its answer: armed earlier, it would kill at this change.
    let answered = passed("store-answered");
    write(&store, |tx| tx.put_meta("before", "1"));
    answered.recv().unwrap();
    tell("before");
    arm(&point);
    if point.starts_with("store-backup") || point.starts_with("store-restore") {
        store.backup(beside(&path, "copy")).unwrap();
        write(&store, |tx| tx.put_meta("during", "1"));
        drop(store);
        Store::restore(beside(&path, "copy"), &path).unwrap();
    } else {
        write(&store, |tx| {
            tx.put_meta("during", "1")
                .and_then(|()| tx.put_meta("whole", "1"))
        });
        tell("during");
        for _ in 0..MANY {
            write(&store, |tx| tx.put_meta("many", "1"));
        }
    }
    tell("survived");
}

fn beside(path: &Path, name: &str) -> PathBuf {
    path.with_file_name(name)
}

/// Whether the changes `before` and `during` must be there when a process died at this point.
fn expected(point: &str) -> (bool, bool) {
    match point {
        "store-migration-before-commit" | "store-migration-after-commit" => (false, false),
        "store-group-begun"
        | "store-job-done"
        | "store-commit-before"
        | "store-backup-before-rename" => (true, false),
        // Committed: there, whether or not the caller learned of it. A restore that did not happen
        // leaves the newer change in place.
        "store-commit-after"
        | "store-answered"
        | "store-checkpointed"
        | "store-restore-before-rename" => (true, true),
        other => panic!("say what {other} leaves behind"),
    }
}

fn every_point(backend: Backend) {
    let Backend::Sqlite = backend;
    for point in CRASH_POINTS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        let mut process = child("crash_points::life", &path)
            .env(CHILD_POINT, point)
            .spawn()
            .unwrap();
        let told: Vec<String> = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .collect();
        let status = process.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{point} was not passed: {status}");
        assert!(!told.iter().any(|line| line == "survived"), "{point}");

        let store = Store::open(&path, OpenOptions::default()).unwrap();
        store.integrity_check().unwrap();
        let there = |key: &str| store.read(|r| r.meta(key)).unwrap().is_some();
        assert_eq!(
            (there("before"), there("during")),
            expected(point),
            "{point}"
        );
        for answered in ["before", "during"] {
            let was_told = told.iter().any(|line| line == answered);
            assert!(
                !was_told || there(answered),
                "{point}: {answered} was answered and is lost"
            );
        }
        if there("whole") {
            assert!(there("during"), "{point}: half of a change is there");
        }
        // Everything works again, leftovers of the interrupted step included.
        write(&store, |tx| tx.put_meta("after", "1"));
        let copy = beside(&path, "copy");
        if !copy.exists() {
            store.backup(&copy).unwrap();
        }
        drop(store);
        Store::restore(&copy, &path).unwrap();
        Store::open(&path, OpenOptions::default())
            .unwrap()
            .integrity_check()
            .unwrap();
    }
}
