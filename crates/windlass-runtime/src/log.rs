//! Log files: one record per line, strictly increasing stamps, bounded size.
//!
//! A record is `<stamp> <o|e> <source type>/<index> <text>\n`. The stamp counts nanoseconds since
//! the epoch: microseconds times 1000 plus the last three digits of the number of the run. Runs of an
//! app that run at the same time have different numbers, so that stamps are unique within an app. In the text, backslash, line feed, carriage return and NUL are
//! escaped; every other byte stands for itself.

mod appender;
mod rate;
mod reader;
mod record;
mod writer;

pub use appender::LogAppender;
pub(crate) use rate::RateLimit;
pub use reader::{LogPage, LogReader};
pub use record::{LogPosition, LogRecord, LogStream};
pub(crate) use writer::{CELL, LogWriter};

use serde::{Deserialize, Serialize};

/// Longest text of one record, in bytes. Longer lines become several records.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;

/// Limits of the log files of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLimits {
    /// Size at which the next file is begun, in bytes.
    pub bytes_per_file: u64,
    /// Number of files that are kept.
    pub files: u64,
}
