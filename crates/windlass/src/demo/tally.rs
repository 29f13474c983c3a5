//! What visitors have seen, counted.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How many texts of failures are kept.
const FAILURES_KEPT: usize = 20;

/// Answers by version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many answers which version gave.
    pub by_version: BTreeMap<String, u64>,
}

impl Counts {
    /// All answers.
    pub fn total(&self) -> u64 {
        self.by_version.values().sum()
    }

    /// Answers of one version.
    pub fn of(&self, version: &str) -> u64 {
        self.by_version.get(version).copied().unwrap_or(0)
    }

    /// Share of one version in percent; 0 without answers.
    pub fn percent(&self, version: &str) -> u64 {
        (self.of(version) * 100 + self.total() / 2)
            .checked_div(self.total())
            .unwrap_or(0)
    }
}

/// All that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that have ended, well or not.
    pub requests: u64,
    /// Requests without a good answer.
    pub failed: u64,
    /// Requests that were in flight on a router that was killed and had a good answer when they
    /// were sent again, once.
    pub cut_by_kill: u64,
    /// What the first failures were.
    pub failures: Vec<String>,
}

/// The counts that all visitors share.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    section: u64,
    counts: Counts,
    totals: Totals,
    deaths: Vec<Death>,
}

/// The end of a router that was killed.
#[derive(Debug, Clone, Copy)]
struct Death {
    from: Instant,
    gone: Option<Instant>,
}

impl Tally {
    pub(super) fn section(&self) {
        let mut state = self.state();
        state.section += 1;
        state.counts = Counts::default();
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    pub(super) fn totals(&self) -> Totals {
        self.state().totals.clone()
    }

    /// A request is about to be sent: in which section.
    pub(super) fn sent(&self) -> u64 {
        self.state().section
    }

    pub(super) fn answered(&self, section: u64, version: &str) {
        let mut state = self.state();
        state.totals.requests += 1;
        if section == state.section {
            *state
                .counts
                .by_version
                .entry(version.to_owned())
                .or_default() += 1;
        }
    }

    pub(super) fn cut(&self, section: u64, version: &str) {
        self.answered(section, version);
        self.state().totals.cut_by_kill += 1;
    }

    pub(super) fn failed(&self, text: &str) {
        let mut state = self.state();
        state.totals.requests += 1;
        state.totals.failed += 1;
        if state.totals.failures.len() < FAILURES_KEPT {
            state.totals.failures.push(text.to_owned());
        }
    }

    pub(super) fn router_dies(&self) {
        self.state().deaths.push(Death {
            from: Instant::now(),
            gone: None,
        });
    }

    pub(super) fn router_is_dead(&self) {
        if let Some(death) = self.state().deaths.last_mut() {
            death.gone = Some(Instant::now());
        }
    }

    /// Whether a request that failed just now was in flight on a killed router: its connection was
    /// made before that router was gone, and broke after it was killed. A connection that is
    /// refused never counts.
    pub(super) fn is_cut_by_kill(&self, opened: Option<Instant>) -> bool {
        let Some(opened) = opened else { return false };
        self.state()
            .deaths
            .last()
            .is_some_and(|death| opened < death.from || death.gone.is_none_or(|gone| opened < gone))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_counts_only_what_was_sent_in_it() {
        let tally = Tally::default();
        let early = tally.sent();
        tally.section();
        let late = tally.sent();
        tally.answered(early, "1");
        tally.answered(late, "2");
        assert_eq!(tally.counts().of("1"), 0);
        assert_eq!(tally.counts().percent("2"), 100);
        assert_eq!(tally.totals().requests, 2);
    }

    #[test]
    fn only_connections_of_the_killed_router_are_cut_by_the_kill() {
        let tally = Tally::default();
        let before = Instant::now();
        assert!(!tally.is_cut_by_kill(Some(before)), "nobody was killed");
        tally.router_dies();
        assert!(tally.is_cut_by_kill(Some(before)));
        assert!(!tally.is_cut_by_kill(None), "refused is not cut");
        tally.router_is_dead();
        assert!(tally.is_cut_by_kill(Some(before)));
        assert!(!tally.is_cut_by_kill(Some(Instant::now())));
    }
}
