//! What the visitors have seen, counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Texts of failures that are kept.
const FAILURES_KEPT: usize = 20;

/// What a visitor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request on a connection that is kept.
    Keeping,
    /// A request on a connection of its own.
    Passing,
    /// A request that takes two seconds.
    Slow,
    /// An upload of 10 MB.
    Upload,
    /// A WebSocket.
    Socket,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Keeping,
        Self::Passing,
        Self::Slow,
        Self::Upload,
        Self::Socket,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Keeping => "keep-alive",
            Self::Passing => "short connections",
            Self::Slow => "slow",
            Self::Upload => "uploads",
            Self::Socket => "websockets",
        }
    }
}

/// The counts that all visitors share.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: [AtomicU64; Kind::ALL.len()],
    messages: AtomicU64,
    cut_by_drain: AtomicU64,
    failed: AtomicU64,
    failures: Mutex<Vec<String>>,
    versions: Mutex<BTreeMap<String, u64>>,
}

impl Tally {
    /// A request was answered well by this version.
    pub(super) fn answered(&self, kind: Kind, version: &str) {
        self.requests[kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        match versions.get_mut(version) {
            Some(count) => *count += 1,
            None => {
                versions.insert(version.to_owned(), 1);
            }
        }
    }

    /// A message came back over a WebSocket.
    pub(super) fn echoed(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// A WebSocket was closed because its instance goes.
    pub(super) fn cut_by_drain(&self) {
        self.cut_by_drain.fetch_add(1, Ordering::Relaxed);
    }

    /// A request or a WebSocket failed.
    pub(super) fn failed(&self, kind: Kind, text: &str) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < FAILURES_KEPT {
            failures.push(format!("{}: {text}", kind.as_str()));
        }
    }

    /// Answers of a version so far.
    pub(super) fn of_version(&self, version: &str) -> u64 {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.get(version).copied().unwrap_or(0)
    }

    /// All that was seen so far.
    pub(super) fn counts(&self) -> Counts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: Kind::ALL.map(|kind| of(&self.requests[kind as usize])),
            messages: of(&self.messages),
            cut_by_drain: of(&self.cut_by_drain),
            failed: of(&self.failed),
        }
    }

    /// What the first failures were.
    pub(super) fn failures(&self) -> Vec<String> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.clone()
    }
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    requests: [u64; Kind::ALL.len()],
    /// Messages that came back over WebSockets.
    pub(super) messages: u64,
    /// WebSockets that were closed because their instance went.
    pub(super) cut_by_drain: u64,
    /// Requests and WebSockets that failed.
    pub(super) failed: u64,
}

impl Counts {
    /// Requests of all kinds that were answered well.
    pub(super) fn total(&self) -> u64 {
        self.requests.iter().sum()
    }

    /// Requests of one kind.
    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.requests[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_by_itself() {
        let tally = Tally::default();
        tally.answered(Kind::Upload, "1");
        tally.answered(Kind::Keeping, "2");
        tally.answered(Kind::Keeping, "2");
        tally.cut_by_drain();
        for number in 0..30 {
            tally.failed(Kind::Slow, &number.to_string());
        }
        let counts = tally.counts();
        assert_eq!((counts.total(), counts.of(Kind::Keeping)), (3, 2));
        assert_eq!((counts.cut_by_drain, counts.failed), (1, 30));
        assert_eq!((tally.of_version("2"), tally.of_version("3")), (2, 0));
        assert_eq!(tally.failures().len(), FAILURES_KEPT);
        assert_eq!(tally.failures()[0], "slow: 0");
    }
}
