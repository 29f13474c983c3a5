//! Requests per hour and token: what the rate headers say, and when it is too much.
//!
//! Kept in memory: a restart forgives, nothing else depends on it. A token is known by its
//! digest only, also a wrong one, so that guessing is limited too.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

const HOUR_SECS: u64 = 3_600;
/// Tokens that are counted at once. Beyond it those whose hour is over go, then all do: the count
/// is a courtesy, memory is not.
const MAX_TOKENS: usize = 50_000;

/// The counts of all tokens.
#[derive(Debug)]
pub struct RateLimits {
    limit: u32,
    hasher: RandomState,
    windows: Mutex<HashMap<u64, Window>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    ends_at_secs: u64,
    used: u32,
}

/// Where a token stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Requests of an hour.
    pub limit: u32,
    /// What is left of them.
    pub remaining: u32,
    /// When all are there again, seconds since 1970.
    pub reset_at_secs: u64,
    /// Seconds to wait, when there are none left.
    pub retry_after_secs: Option<u64>,
}

impl RateLimits {
    /// Nobody has sent anything yet.
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            hasher: RandomState::new(),
            windows: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a request of this token, now in seconds since 1970.
    pub fn count(&self, token: Option<&str>, now_secs: u64) -> Standing {
        let key = self.hasher.hash_one(token);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_TOKENS && !windows.contains_key(&key) {
            windows.retain(|_, window| window.ends_at_secs > now_secs);
            if windows.len() >= MAX_TOKENS {
                windows.clear();
            }
        }
        let fresh = Window {
            ends_at_secs: now_secs + HOUR_SECS,
            used: 0,
        };
        let window = windows.entry(key).or_insert(fresh);
        if window.ends_at_secs <= now_secs {
            *window = fresh;
        }
        let is_over = window.used >= self.limit;
        if !is_over {
            window.used += 1;
        }
        Standing {
            limit: self.limit,
            remaining: self.limit - window.used,
            reset_at_secs: window.ends_at_secs,
            retry_after_secs: is_over.then(|| window.ends_at_secs.saturating_sub(now_secs).max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_token_has_its_own_hour() {
        let limits = RateLimits::new(2);
        let at = |token, now| limits.count(Some(token), now);
        assert_eq!(
            at("a", 100),
            Standing {
                limit: 2,
                remaining: 1,
                reset_at_secs: 3_700,
                retry_after_secs: None
            }
        );
        assert_eq!(at("a", 200).remaining, 0);
        assert_eq!(at("a", 3_690).retry_after_secs, Some(10));
        assert_eq!(at("b", 200).remaining, 1);
        assert_eq!(at("a", 3_700).remaining, 1);
    }

    #[test]
    fn many_tokens_do_not_fill_the_memory() {
        let limits = RateLimits::new(1);
        for number in 0..MAX_TOKENS + 10 {
            limits.count(Some(&number.to_string()), 0);
        }
        assert!(limits.windows.lock().unwrap().len() <= MAX_TOKENS);
    }
}
