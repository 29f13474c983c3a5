//! Lines that the platform itself writes into a log.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::LogLimits;
use super::record::{LogPosition, LogStream};
use super::writer::LogWriter;
use crate::state::wall_us;

/// Writes platform lines (source types such as `STG`, `API`, `RTR`, `CELL`) to a log directory of
/// its own, in the form that [`super::LogReader`] reads.
///
/// One directory has one writer: never point it at the log of a run. It blocks for a write to the page cache. Safe to share between threads.
#[derive(Debug)]
pub struct LogAppender {
    writer: Mutex<LogWriter>,
}

impl LogAppender {
    /// Opens the log in `dir`, which is made if it is missing. `log_number` makes the last three
    /// digits of its stamps; no other writer of the app may have it.
    pub fn open(dir: impl Into<PathBuf>, limits: LogLimits, log_number: u32) -> io::Result<Self> {
        Ok(Self {
            writer: Mutex::new(LogWriter::open(dir, limits, log_number)?),
        })
    }

    /// Writes one line and returns the position behind it.
    ///
    /// # Errors
    /// When the line could not be written, for example because the disk is full.
    pub fn line(
        &self,
        stream: LogStream,
        source_type: &str,
        index: u32,
        text: &str,
    ) -> io::Result<LogPosition> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.lines() {
            writer.line(wall_us(), stream, source_type, index, line.as_bytes());
        }
        writer.flush();
        match writer.take_lost() {
            0 => Ok(writer.end()),
            lost => Err(io::Error::other(format!(
                "{lost} log lines could not be written"
            ))),
        }
    }
}
