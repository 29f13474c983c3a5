//! How fast a run may write to its log.

use std::time::Duration;

use windlass_clock::thread::Instant;

/// Pause between two announcements of what was dropped.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);

/// A bucket that holds one second's worth of bytes, and counts what did not fit.
#[derive(Debug)]
pub(crate) struct RateLimit {
    bytes_per_second: u64,
    available: f64,
    filled_at: Instant,
    dropped: u64,
    announced_at: Option<Instant>,
}

impl RateLimit {
    pub(crate) fn new(bytes_per_second: u64, now: Instant) -> Self {
        let available = to_f64(bytes_per_second);
        Self {
            bytes_per_second,
            available,
            filled_at: now,
            dropped: 0,
            announced_at: None,
        }
    }

    /// True if a line of `bytes` may be written; else it is counted as dropped.
    pub(crate) fn admit(&mut self, bytes: usize, now: Instant) -> bool {
        let rate = to_f64(self.bytes_per_second);
        let gained = now.saturating_duration_since(self.filled_at).as_secs_f64() * rate;
        self.available = (self.available + gained).min(rate);
        self.filled_at = now;
        // A line that is larger than the bucket passes when the bucket is full: else it never would.
        let cost = to_f64(bytes as u64).min(rate);
        if self.bytes_per_second == 0 || self.available < cost {
            self.dropped += 1;
            return false;
        }
        self.available -= cost;
        true
    }

    /// When the next announcement is due, if there is anything to announce.
    pub(crate) fn announce_at(&self, now: Instant) -> Option<Instant> {
        let due = self.announced_at.map_or(now, |at| at + ANNOUNCE_EVERY);
        (self.dropped > 0).then_some(due)
    }

    /// The line that announces what was dropped, if one is due (or `is_last`).
    pub(crate) fn announcement(&mut self, now: Instant, is_last: bool) -> Option<String> {
        let due = self.announce_at(now)?;
        if due > now && !is_last {
            return None;
        }
        let dropped = std::mem::take(&mut self.dropped);
        self.announced_at = Some(now);
        let limit = self.bytes_per_second;
        Some(format!(
            "log rate limit of {limit} bytes per second exceeded: {dropped} lines dropped"
        ))
    }
}

fn to_f64(bytes: u64) -> f64 {
    // Rates and line lengths are far below 2^53, where every whole number has an exact form.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    let bytes = bytes as f64;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_passes_then_the_rate_holds_and_drops_are_counted() {
        let start = Instant::now();
        let mut limit = RateLimit::new(100, start);
        assert!((0..10).all(|_| limit.admit(10, start)));
        assert!(!limit.admit(10, start) && !limit.admit(10, start));
        let text = limit.announcement(start, false).unwrap();
        assert!(text.ends_with("2 lines dropped"), "{text}");
        assert!(!limit.admit(10, start));
        assert_eq!(
            limit.announcement(start, false),
            None,
            "at most one announcement a second"
        );
        assert!(
            limit.announcement(start, true).is_some(),
            "the last one does not wait"
        );
        let later = start + Duration::from_millis(100);
        assert!(limit.admit(10, later) && !limit.admit(10, later));
        assert!(
            limit.admit(1_000, start + Duration::from_secs(5)),
            "a large line may pass"
        );
    }
}
