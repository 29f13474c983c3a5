//! `kill -9` and a failing disk: what was answered is there, and nothing is there by half.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use windlass_store::{OpenOptions, Store, StoreError, WriteError};

use crate::backend::{Backend, for_each_backend};

for_each_backend! { killed_under_load, a_full_disk_loses_nothing_answered }

/// Names the database of a child; without it the child does nothing.
pub(crate) const CHILD_DATABASE: &str = "WINDLASS_STORE_TEST_DATABASE";
const WRITERS: usize = 8;
/// Bytes that a change of the load adds, so that the log grows fast.
const FILLER: usize = 700;

/// Starts a test of this binary in a process of its own.
pub(crate) fn child(test: &str, database: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--ignored", "--nocapture", test])
        .env(CHILD_DATABASE, database)
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Tells the parent something. Not `print!`, which the test harness may hold back.
pub(crate) fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
}

/// Writes pairs of values from several threads and tells each number that was answered.
#[test]
#[ignore = "the crash tests run it in a process of its own"]
fn load() {
    let Some(path) = std::env::var_os(CHILD_DATABASE) else {
        return;
    };
    let store = Store::open(path, OpenOptions::default()).unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = store.clone();
            thread::spawn(move || {
                for n in 0.. {
                    let name = format!("{writer}-{n}");
                    if let Err(error) = put_pair(&store, name.clone()) {
                        tell(&format!("error {error}"));
                        return;
                    }
                    tell(&format!("ack {name}"));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    tell("ended");
}

fn put_pair(store: &Store, name: String) -> Result<(), WriteError<StoreError>> {
    store.write_blocking(move |tx| {
        let commit = tx.commit_number().0.to_string();
        tx.put_meta(&format!("left {name}"), &commit)?;
        tx.put_meta("filler", &"x".repeat(FILLER))?;
        tx.put_meta(&format!("right {name}"), &commit)
    })
}

/// Checks a database after a crash and gives the names that are in it.
fn check(path: &Path, answered: &BTreeSet<String>) -> usize {
    let store = Store::open(path, OpenOptions::default()).unwrap();
    store.integrity_check().unwrap();
    let last = store.read(|r| r.last_commit()).unwrap();
    let mut found = 0;
    for writer in 0..WRITERS {
        for n in 0.. {
            let name = format!("{writer}-{n}");
            let value = |side: &str| store.read(|r| r.meta(&format!("{side} {name}"))).unwrap();
            let (left, right) = (value("left"), value("right"));
            assert_eq!(left, right, "half of {name} is there");
            assert!(
                left.is_some() || !answered.contains(&name),
                "{name} was answered and is lost"
            );
            let Some(commit) = left else { break };
            assert!(
                commit.parse::<u64>().unwrap() <= last.0,
                "a number could be given out again"
            );
            found += 1;
        }
    }
    // It goes on from there.
    put_pair(&store, format!("after {found}")).unwrap();
    found
}

/// Reads acknowledgements until enough came, then kills the child; reads the rest as well.
fn kill_after(mut child: Child, acknowledgements: usize, answered: &mut BTreeSet<String>) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    for line in lines {
        if let Some(name) = line.unwrap().strip_prefix("ack ") {
            answered.insert(name.to_owned());
            seen += 1;
            if seen == acknowledgements {
                child.kill().unwrap();
            }
        }
    }
    let status = child.wait().unwrap();
    assert_eq!(
        status.signal(),
        Some(9),
        "the child ended by itself: {status}"
    );
}

fn killed_under_load(backend: Backend) {
    let Backend::Sqlite = backend;
    // Early (creation, first commits), in the middle, and behind a write-back of the log.
    for acknowledgements in [1, 40, 700] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("windlass.db");
        let mut answered = BTreeSet::new();
        let load = child("crash::load", &path).spawn().unwrap();
        kill_after(load, acknowledgements, &mut answered);
        assert!(answered.len() >= acknowledgements);
        assert!(check(&path, &answered) >= answered.len());
    }
}

fn a_full_disk_loses_nothing_answered(backend: Backend) {
    /// Largest file that the child may write, in the shell's blocks of 512 bytes.
    const FILE_LIMIT_BLOCKS: u32 = 3000;
    let Backend::Sqlite = backend;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("windlass.db");
    let command = child("crash::load", &path);
    // A write beyond the limit fails as on a full disk, once the signal for it is ignored.
    let mut limited = Command::new("sh");
    limited
        .args([
            "-c",
            &format!("trap '' XFSZ; ulimit -f {FILE_LIMIT_BLOCKS}; exec \"$0\" \"$@\""),
        ])
        .arg(command.get_program())
        .args(command.get_args())
        .env(CHILD_DATABASE, &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut load = limited.spawn().unwrap();
    let mut answered = BTreeSet::new();
    let (mut errors, mut ended) = (0, false);
    for line in BufReader::new(load.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        ended |= line == "ended";
        errors += usize::from(line.starts_with("error "));
        if let Some(name) = line.strip_prefix("ack ") {
            answered.insert(name.to_owned());
        }
    }
    load.wait().unwrap();
    assert!(ended, "the child did not survive the full disk");
    assert_eq!(errors, WRITERS, "each writer must have learned of it");
    assert!(!answered.is_empty());
    assert!(check(&path, &answered) >= answered.len());
}
