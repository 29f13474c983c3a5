//! The clocks of the shell: the only place that reads them.

use std::time::UNIX_EPOCH;

use nix::time::{ClockId, clock_gettime};
use windlass_engine::id::CommitNumber;
use windlass_engine::time::{Now, Timestamp, Uptime};

/// Wall clock, milliseconds since 1970.
pub fn wall() -> Timestamp {
    let since = windlass_clock::wall()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Uptime of the machine, suspend included, and in test builds what tests let pass at once.
pub fn uptime() -> Uptime {
    let millis = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds * 1_000 + nanos / 1_000_000
    });
    let passed = u64::try_from(windlass_clock::offset().as_millis()).unwrap_or(u64::MAX);
    Uptime(millis.saturating_add(passed))
}

/// Both clocks, for an input that becomes part of `commit`.
pub fn now(commit: CommitNumber) -> Now {
    Now {
        wall: wall(),
        uptime: uptime(),
        commit,
    }
}
