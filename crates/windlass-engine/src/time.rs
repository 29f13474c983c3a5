//! The two clocks of the engine. Both are inputs; the engine never reads a clock.

use serde::{Deserialize, Serialize};

use crate::id::CommitNumber;

/// Wall clock, milliseconds since 1970 (UTC). Only for display and retention.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Uptime of the machine, milliseconds since boot, suspend included. For deadlines, wake-ups,
/// back-off and drains.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Uptime(pub u64);

impl Uptime {
    /// This moment plus a span in milliseconds.
    #[must_use]
    pub fn plus_ms(self, span_ms: u64) -> Self {
        Self(self.0.saturating_add(span_ms))
    }

    /// Milliseconds from `earlier` to this moment; 0 when `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What the shell tells the engine about time with each input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Now {
    /// Wall clock.
    pub wall: Timestamp,
    /// Uptime.
    pub uptime: Uptime,
    /// Number of the commit that this input will be part of.
    pub commit: CommitNumber,
}
