//! The clocks of the shell: the only place that reads them.

use std::time::{SystemTime, UNIX_EPOCH};

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

/// Uptime of the machine, suspend included. In test builds a file adds an offset, so that long
/// spans can pass at once in every role of the real program.
pub fn uptime() -> Uptime {
    let millis = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds * 1_000 + nanos / 1_000_000
    });
    Uptime(millis + test_offset_ms())
}

/// Both clocks, for an input that becomes part of `commit`.
pub fn now(commit: CommitNumber) -> Now {
    Now {
        wall: wall(),
        uptime: uptime(),
        commit,
    }
}

/// Milliseconds that tests add to the uptime: the content of the file named by
/// `WINDLASS_TEST_CLOCK`.
#[cfg(windlass_test)]
fn test_offset_ms() -> u64 {
    std::env::var_os("WINDLASS_TEST_CLOCK")
        .and_then(|path| std::fs::read_to_string(path).ok())
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(not(windlass_test))]
fn test_offset_ms() -> u64 {
    0
}
