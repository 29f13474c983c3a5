//! The access log: one JSON object per request, written off the request path.
//!
//! A worker collects lines and hands them over in batches; a thread of its own
//! writes them. When that thread cannot keep up, batches are dropped and their
//! lines counted: the log never holds up a request.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;
use tracing::warn;

use crate::config::AccessLogSettings;
use crate::counters::Registry;

/// Lines wait in a worker at most so long.
pub(crate) const FLUSH_EVERY: Duration = Duration::from_millis(100);
/// A batch is handed over when it is so long, in bytes.
const BATCH_BYTES: usize = 32 * 1024;
/// Batches that may wait for the writer.
const BATCH_LIMIT: usize = 256;

/// One request.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    /// Wall clock at its end, microseconds since 1970.
    pub(crate) at_us: u64,
    /// Wall clock when its instance was picked; 0 when none was.
    pub(crate) picked_at_us: u64,
    pub(crate) duration_us: u64,
    pub(crate) request_id: &'a str,
    pub(crate) client: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// Without the query, which may hold secrets.
    pub(crate) path: &'a str,
    /// 0 when the client left before there was a response.
    pub(crate) status: u16,
    /// Bytes of the response body; of an upgraded connection both ways.
    pub(crate) bytes: u64,
    /// How the exchange ended.
    pub(crate) end: &'a str,
    /// Machine-readable reason of an answer that the router gave itself.
    pub(crate) error: &'a str,
    pub(crate) route: &'a str,
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) upstream: &'a str,
    /// Epoch and generation of the table by which the instance was picked.
    pub(crate) epoch: u64,
    pub(crate) generation: u64,
    pub(crate) pinned: bool,
    pub(crate) attempts: u32,
}

/// A worker's end.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    sender: Option<SyncSender<Batch>>,
    registry: Arc<Registry>,
    batch: RefCell<Batch>,
}

#[derive(Debug, Default)]
struct Batch {
    text: Vec<u8>,
    lines: u64,
}

impl LogBuffer {
    /// Without a sender nothing is written.
    pub(crate) fn new(log: Option<&AccessLog>, registry: Arc<Registry>) -> Self {
        let sender = log.and_then(|log| log.sender.clone());
        Self {
            sender,
            registry,
            batch: RefCell::default(),
        }
    }

    /// Adds a line.
    pub(crate) fn write(&self, line: &Line<'_>) {
        if self.sender.is_none() {
            return;
        }
        let full = {
            let mut batch = self.batch.borrow_mut();
            let before = batch.text.len();
            if serde_json::to_writer(&mut batch.text, line).is_err() {
                batch.text.truncate(before);
                return;
            }
            batch.text.push(b'\n');
            batch.lines += 1;
            batch.text.len() >= BATCH_BYTES
        };
        if full {
            self.flush();
        }
    }

    /// Hands over what has been collected.
    pub(crate) fn flush(&self) {
        let Some(sender) = &self.sender else { return };
        let batch = self.batch.take();
        if batch.lines == 0 {
            return;
        }
        let lines = batch.lines;
        if sender.try_send(batch).is_err() {
            self.registry
                .log_lines_dropped
                .fetch_add(lines, Ordering::Relaxed);
        }
    }
}

impl Drop for LogBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// The writer's thread.
#[derive(Debug)]
pub(crate) struct AccessLog {
    sender: Option<SyncSender<Batch>>,
    thread: Option<JoinHandle<()>>,
}

impl AccessLog {
    /// Opens the file and starts the thread.
    pub(crate) fn open(settings: AccessLogSettings, registry: Arc<Registry>) -> io::Result<Self> {
        let mut file = RotatingFile::open(settings)?;
        let (sender, batches) = sync_channel(BATCH_LIMIT);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_batches(&mut file, &batches, &registry))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Writes what is left and ends. All buffers must be gone by then.
    pub(crate) fn close(mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            warn!("the access log writer panicked");
        }
    }
}

fn write_batches(file: &mut RotatingFile, batches: &Receiver<Batch>, registry: &Registry) {
    let mut failed = false;
    while let Ok(batch) = batches.recv() {
        match file.write(&batch.text) {
            Ok(()) => failed = false,
            Err(error) => {
                registry
                    .log_lines_dropped
                    .fetch_add(batch.lines, Ordering::Relaxed);
                if !failed {
                    warn!(%error, "cannot write the access log");
                }
                failed = true;
            }
        }
    }
}

/// A file that is renamed away when it has grown.
#[derive(Debug)]
struct RotatingFile {
    settings: AccessLogSettings,
    file: File,
    length_bytes: u64,
}

impl RotatingFile {
    fn open(settings: AccessLogSettings) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&settings.path)?;
        let length_bytes = file.metadata()?.len();
        Ok(Self {
            settings,
            file,
            length_bytes,
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if self.length_bytes > 0
            && self.length_bytes + text.len() as u64 > self.settings.rotate_bytes
        {
            self.rotate()?;
        }
        self.file.write_all(text)?;
        self.length_bytes += text.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.settings.keep_files).rev() {
            let (from, to) = (self.rotated(number), self.rotated(number + 1));
            match std::fs::rename(from, to) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        if self.settings.keep_files == 0 {
            std::fs::remove_file(&self.settings.path)?;
        } else {
            std::fs::rename(&self.settings.path, self.rotated(1))?;
        }
        *self = Self::open(self.settings.clone())?;
        Ok(())
    }

    fn rotated(&self, number: u32) -> PathBuf {
        let mut name = self.settings.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(folder: &tempfile::TempDir) -> AccessLogSettings {
        AccessLogSettings {
            path: folder.path().join("access.log"),
            rotate_bytes: 100,
            keep_files: 2,
        }
    }

    #[test]
    fn the_file_is_rotated_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = RotatingFile::open(settings(&folder)).unwrap();
        for number in 0..5 {
            file.write(format!("{number}{}\n", "x".repeat(58)).as_bytes())
                .unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["access.log", "access.log.1", "access.log.2"]);
        let newest = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
        assert!(newest.starts_with('4'));
        let oldest = std::fs::read_to_string(folder.path().join("access.log.2")).unwrap();
        assert!(oldest.starts_with('2'));
    }

    #[test]
    fn what_does_not_fit_the_queue_is_counted_and_nobody_waits() {
        let registry = Arc::new(Registry::default());
        let (sender, batches) = sync_channel(1);
        let buffer = LogBuffer {
            sender: Some(sender),
            registry: Arc::clone(&registry),
            batch: RefCell::default(),
        };
        for _ in 0..3 {
            *buffer.batch.borrow_mut() = Batch {
                text: b"x\n".to_vec(),
                lines: 1,
            };
            buffer.flush();
        }
        assert_eq!(registry.log_lines_dropped.load(Ordering::Relaxed), 2);
        assert_eq!(batches.recv().unwrap().text, b"x\n");
    }
}
