//! The clocks of the shell: the only place that reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use windlass_engine::id::CommitNumber;
use windlass_engine::time::{Now, Timestamp, Uptime};

/// Wall clock, milliseconds since 1970.
pub fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Uptime of the machine, suspend included. In test builds a file of the data directory adds an
/// offset, so that long spans can pass at once in the real program.
pub fn uptime() -> Uptime {
    let millis = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds * 1_000 + nanos / 1_000_000
    });
    Uptime(millis + test::offset_ms())
}

/// Both clocks, for an input that becomes part of `commit`.
pub fn now(commit: CommitNumber) -> Now {
    Now {
        wall: wall(),
        uptime: uptime(),
        commit,
    }
}

/// Waits until so much uptime has passed.
pub(crate) async fn sleep(span: Duration) {
    test::sleep(span).await;
}

/// The clock of test builds: a file is looked at on each reading.
#[cfg(windlass_test)]
pub(crate) mod test {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::time::Duration;

    use super::uptime;

    /// Name of the file in the data directory. Its content: milliseconds that have passed beyond
    /// those that really have.
    const FILE: &str = "test-clock-ms";
    /// How often a wait looks at the clock.
    const LOOK: Duration = Duration::from_millis(20);

    static PATH: OnceLock<PathBuf> = OnceLock::new();

    /// Names the data directory. Only the first one counts: it is one of a process.
    pub(crate) fn in_directory(data_dir: &Path) {
        let _ = PATH.set(data_dir.join(FILE));
    }

    pub(super) fn offset_ms() -> u64 {
        PATH.get()
            .and_then(|path| std::fs::read_to_string(path).ok())
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }

    pub(super) async fn sleep(span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let until = uptime().0.saturating_add(millis);
        while uptime().0 < until {
            tokio::time::sleep(LOOK.min(span)).await;
        }
    }
}

/// The clock of every other build is the machine's.
#[cfg(not(windlass_test))]
pub(crate) mod test {
    use std::path::Path;
    use std::time::Duration;

    pub(crate) fn in_directory(_: &Path) {}

    pub(super) fn offset_ms() -> u64 {
        0
    }

    pub(super) async fn sleep(span: Duration) {
        tokio::time::sleep(span).await;
    }
}
