//! The router's access log, read while it grows: by which table each request was given to whom.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Deserialize;
use windlass::demo::Failure;
use windlass_router::Position;

/// Between two looks at a log that has not grown. It is rotated at 64 MiB: that is much longer.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What of a line is looked at.
#[derive(Debug, Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    host: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    version: std::borrow::Cow<'a, str>,
    epoch: u64,
    generation: u64,
    picked_at_us: u64,
}

/// What the router gave to one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Picks {
    /// Requests.
    pub(super) count: u64,
    /// The newest table by which one was picked for it.
    pub(super) newest: Position,
    /// When the last one was picked, wall clock, microseconds since 1970.
    pub(super) last_us: u64,
}

/// All picks for the app's host, by version.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// By version.
    pub(super) versions: HashMap<String, Picks>,
    /// Lines that could not be understood.
    pub(super) strange: u64,
}

impl Log {
    /// Requests that were given to anybody.
    pub(super) fn total(&self) -> u64 {
        self.versions.values().map(|picks| picks.count).sum()
    }

    fn take(&mut self, host: &str, text: &[u8]) {
        let Ok(line) = serde_json::from_slice::<Line<'_>>(text) else {
            self.strange += 1;
            return;
        };
        // Without a version nobody was picked.
        if line.host != host || line.version.is_empty() {
            return;
        }
        let at = Position {
            epoch: line.epoch,
            generation: line.generation,
        };
        let found = self.versions.get_mut(line.version.as_ref());
        let picks = match found {
            Some(picks) => picks,
            None => self.versions.entry(line.version.into_owned()).or_default(),
        };
        picks.count += 1;
        picks.newest = picks.newest.max(at);
        picks.last_us = picks.last_us.max(line.picked_at_us);
    }
}

/// Somebody who reads along.
#[derive(Debug)]
pub(super) struct Reader {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Log, Failure>>>,
}

impl Reader {
    /// Reads what is written about a host, from the beginning of the log that there is.
    pub(super) fn start(path: PathBuf, host: String) -> Result<Self, Failure> {
        let file = File::open(&path).map_err(|source| Failure::File {
            what: "open",
            path: path.clone(),
            source,
        })?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || follow(&path, file, &host, &told))
            .map_err(|source| Failure::System {
                what: "read the access log",
                source,
            })?;
        Ok(Self {
            ended,
            thread: Some(thread),
        })
    }

    /// Reads to the end of a log to which nothing is added any more.
    pub(super) fn finish(mut self) -> Result<Log, Failure> {
        self.ended.store(true, Ordering::SeqCst);
        let broke = || Failure::Unexpected("the reader of the access log broke".to_owned());
        let thread = self.thread.take().ok_or_else(broke)?;
        thread.join().map_err(|_| broke())?
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

fn follow(path: &Path, file: File, host: &str, ended: &AtomicBool) -> Result<Log, Failure> {
    let failed = |source| Failure::File {
        what: "read",
        path: path.to_path_buf(),
        source,
    };
    let mut log = Log::default();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        // Asked before the look: what was there then is read.
        let is_last = ended.load(Ordering::SeqCst);
        // Another file has its name: what is still to come is there. Asked before the look, too.
        let own = reader.get_ref().metadata().map_err(failed)?.ino();
        let is_rotated = std::fs::metadata(path).is_ok_and(|other| other.ino() != own);
        let mut grown = false;
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            grown = true;
            // Half a line waits for its rest.
            if line.pop_if(|last| *last == b'\n').is_some() {
                log.take(host, &line);
                line.clear();
            }
        }
        if is_rotated {
            reader = BufReader::new(File::open(path).map_err(failed)?);
        } else if is_last {
            return Ok(log);
        } else if !grown {
            std::thread::sleep(LOOK_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(host: &str, version: &str, generation: u64) -> String {
        format!(
            "{{\"host\":\"{host}\",\"version\":\"{version}\",\"epoch\":1,\
             \"generation\":{generation},\"picked_at_us\":{generation},\"more\":[]}}\n"
        )
    }

    #[test]
    fn a_log_is_read_over_its_rotation() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("access.log");
        let first = [line("a", "v1", 5), line("a", "v1", 3), line("b", "v1", 9)].concat();
        std::fs::write(&path, first + "no line\n").expect("written");
        let reader = Reader::start(path.clone(), "a".to_owned()).expect("reader");
        std::fs::rename(&path, folder.path().join("access.log.1")).expect("rotated");
        std::fs::write(&path, line("a", "v2", 7) + &line("a", "", 8)).expect("written");
        let log = reader.finish().expect("read");
        assert_eq!((log.total(), log.strange), (3, 1));
        let at = |generation| Position {
            epoch: 1,
            generation,
        };
        let picks = |count, newest| Picks {
            count,
            newest: at(newest),
            last_us: newest,
        };
        assert_eq!(log.versions["v1"], picks(2, 5));
        assert_eq!(log.versions["v2"], picks(1, 7));
    }
}
