//! Numbers of runs in the log: the last three digits of their stamps.
//!
//! No two runs of an app that run at the same time have the same one, whatever their instance
//! number and version, so that no two lines of an app have the same stamp.

use std::collections::BTreeSet;

use windlass_runtime::{RunPhase, RunStatus};

/// The highest number: a stamp has three digits for it. 0 is the platform's own.
const HIGHEST: u32 = 999;

/// Numbers of the runs of one app that have not ended.
#[derive(Debug)]
pub(crate) struct LogNumbers {
    taken: BTreeSet<u32>,
    /// Given when all are taken, and then the next one.
    doubled: u32,
}

impl LogNumbers {
    pub(crate) fn of(runs: &[RunStatus]) -> Self {
        let live = runs
            .iter()
            .filter(|run| !matches!(run.phase, RunPhase::Ended | RunPhase::Lost));
        Self {
            taken: live.map(|run| run.log_number).collect(),
            doubled: 0,
        }
    }

    /// The lowest number that is free. Beyond 999 runs of one app numbers are given twice: then two
    /// lines have the same stamp if they come in the same microsecond.
    pub(crate) fn take(&mut self) -> u32 {
        let free = (1..=HIGHEST).find(|number| !self.taken.contains(number));
        let number = free.unwrap_or_else(|| {
            self.doubled = self.doubled % HIGHEST + 1;
            self.doubled
        });
        self.taken.insert(number);
        number
    }
}

#[cfg(test)]
mod tests {
    use windlass_runtime::{PortCheck, RunKind};

    use super::*;

    fn run(log_number: u32, phase: RunPhase) -> RunStatus {
        RunStatus {
            app: "a".to_owned(),
            run: format!("r{log_number}"),
            kind: RunKind::Instance,
            generation: 1,
            phase,
            routable: false,
            pid: None,
            started_at_ms: None,
            port: None,
            port_check: PortCheck::None,
            log_number,
            exit: None,
        }
    }

    #[test]
    fn live_runs_keep_their_numbers_and_ended_ones_give_them_back() {
        let runs = [
            run(1, RunPhase::Running),
            run(2, RunPhase::Ended),
            run(3, RunPhase::Stopping),
            run(4, RunPhase::Lost),
        ];
        let mut numbers = LogNumbers::of(&runs);
        assert_eq!([numbers.take(), numbers.take(), numbers.take()], [2, 4, 5]);
    }

    #[test]
    fn when_all_are_taken_every_run_still_gets_one() {
        let mut numbers = LogNumbers::of(&[]);
        let all: BTreeSet<u32> = (0..HIGHEST).map(|_| numbers.take()).collect();
        assert_eq!(all.len(), 999);
        assert_eq!([numbers.take(), numbers.take()], [1, 2]);
    }
}
