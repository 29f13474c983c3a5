//! When an ended role is started again.

use std::time::Duration;

/// First wait.
const FIRST: Duration = Duration::from_millis(10);
/// Longest wait.
const LAST: Duration = Duration::from_secs(5);
/// A role that lived this long starts at the first wait again.
const RESET_AFTER: Duration = Duration::from_mins(1);

/// Waits of one role: 10 ms, doubling to 5 s.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    /// Before the first end.
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// How long to wait after a life of `lived`.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= RESET_AFTER {
            self.next = FIRST;
        }
        let wait = self.next;
        self.next = (self.next * 2).min(LAST);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_their_limit_and_a_long_life_resets_them() {
        let mut backoff = Backoff::new();
        let short = Duration::from_millis(1);
        let waits: Vec<u128> = (0..11).map(|_| backoff.after(short).as_millis()).collect();
        assert_eq!(
            waits,
            [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000]
        );
        assert_eq!(backoff.after(RESET_AFTER).as_millis(), 10);
        assert_eq!(backoff.after(short).as_millis(), 20);
    }
}
