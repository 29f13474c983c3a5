//! What all workers of a router know about one instance: requests in flight,
//! and whether connections to it fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use tokio::sync::Notify;
use windlass_clock::task::Instant;

use crate::table::Upstream;

/// First rest of an instance whose connections fail, in milliseconds.
const FIRST_REST_MS: u64 = 100;
/// Longest rest, in milliseconds.
const LONGEST_REST_MS: u64 = 5_000;

/// One instance, shared by all workers and by all tables that name it.
#[derive(Debug)]
pub(crate) struct UpstreamState {
    pub(crate) id: Arc<str>,
    pub(crate) address: SocketAddr,
    pub(crate) public_id: Arc<str>,
    pub(crate) index: u32,
    in_flight: AtomicU32,
    /// Requests that it ever had.
    begun: AtomicU64,
    upgraded: AtomicU32,
    withdrawn: AtomicBool,
    /// End of the rest, in milliseconds of [`Uptime`]; 0 = reachable.
    rests_until_ms: AtomicU64,
    rest_ms: AtomicU64,
    /// Told when a withdrawn upstream has lost a request.
    drained: Arc<Notify>,
}

/// Milliseconds since the router began; the clock of rests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uptime(Instant);

impl Uptime {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_ms(self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl UpstreamState {
    pub(crate) fn new(upstream: &Upstream, drained: Arc<Notify>) -> Self {
        Self {
            id: upstream.id.as_str().into(),
            address: upstream.address,
            public_id: upstream.public_id.as_str().into(),
            index: upstream.index,
            in_flight: AtomicU32::new(0),
            begun: AtomicU64::new(0),
            upgraded: AtomicU32::new(0),
            withdrawn: AtomicBool::new(false),
            rests_until_ms: AtomicU64::new(0),
            rest_ms: AtomicU64::new(0),
            drained,
        }
    }

    /// Whether this is the same instance at the same place.
    pub(crate) fn is(&self, upstream: &Upstream) -> bool {
        *self.id == *upstream.id
            && self.address == upstream.address
            && *self.public_id == *upstream.public_id
            && self.index == upstream.index
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn upgraded(&self) -> u32 {
        self.upgraded.load(Ordering::SeqCst)
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::SeqCst)
    }

    /// Says whether requests may be picked for it. Sequentially consistent with
    /// the end of requests, so that the last one is never missed.
    pub(crate) fn set_withdrawn(&self, withdrawn: bool) {
        self.withdrawn.store(withdrawn, Ordering::SeqCst);
    }

    /// Whether it may be picked now. When its rest is over, one caller gets
    /// true, as a probe, and the rest is prolonged for the others.
    pub(crate) fn is_reachable(&self, now_ms: u64) -> bool {
        let until = self.rests_until_ms.load(Ordering::Relaxed);
        if until == 0 {
            return true;
        }
        if now_ms < until {
            return false;
        }
        let next = now_ms + self.rest_ms.load(Ordering::Relaxed).max(FIRST_REST_MS);
        self.rests_until_ms
            .compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// A connection failed. True when that is news.
    pub(crate) fn rest(&self, now_ms: u64) -> bool {
        let rest = self.rest_ms.load(Ordering::Relaxed);
        let rest = (rest * 2).clamp(FIRST_REST_MS, LONGEST_REST_MS);
        self.rest_ms.store(rest, Ordering::Relaxed);
        // 0 means reachable, so an end of rest is never 0.
        self.rests_until_ms
            .swap((now_ms + rest).max(1), Ordering::Relaxed)
            == 0
    }

    /// A connection succeeded, or a new table names it.
    pub(crate) fn recover(&self) {
        if self.rests_until_ms.load(Ordering::Relaxed) != 0 {
            self.rests_until_ms.store(0, Ordering::Relaxed);
            self.rest_ms.store(0, Ordering::Relaxed);
        }
    }

    fn after_end(&self) {
        if self.is_withdrawn() {
            self.drained.notify_one();
        }
    }
}

/// One request in flight at an upstream, or an upgraded connection; ends when
/// dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) upstream: Arc<UpstreamState>,
    is_upgraded: bool,
}

impl InFlight {
    /// Counts a request. Must happen in the same synchronous step as its pick.
    pub(crate) fn begin(upstream: &Arc<UpstreamState>) -> Self {
        upstream.in_flight.fetch_add(1, Ordering::SeqCst);
        upstream.begun.fetch_add(1, Ordering::SeqCst);
        Self {
            upstream: Arc::clone(upstream),
            is_upgraded: false,
        }
    }

    /// The request has become an upgraded connection.
    pub(crate) fn upgrade(&mut self) {
        if !self.is_upgraded {
            self.is_upgraded = true;
            self.upstream.upgraded.fetch_add(1, Ordering::SeqCst);
            self.upstream.in_flight.fetch_sub(1, Ordering::SeqCst);
            self.upstream.after_end();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let count = if self.is_upgraded {
            &self.upstream.upgraded
        } else {
            &self.upstream.in_flight
        };
        count.fetch_sub(1, Ordering::SeqCst);
        self.upstream.after_end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> Arc<UpstreamState> {
        let upstream = Upstream {
            id: "run".to_owned(),
            address: "127.0.0.1:9".parse().unwrap(),
            index: 0,
            public_id: "public".to_owned(),
        };
        Arc::new(UpstreamState::new(&upstream, Arc::new(Notify::new())))
    }

    #[test]
    fn a_request_counts_until_it_ends_and_an_upgrade_apart() {
        let state = state();
        let first = InFlight::begin(&state);
        let mut second = InFlight::begin(&state);
        assert_eq!((state.in_flight(), state.upgraded()), (2, 0));
        second.upgrade();
        assert_eq!((state.in_flight(), state.upgraded()), (1, 1));
        drop(first);
        drop(second);
        assert_eq!((state.in_flight(), state.upgraded()), (0, 0));
    }

    #[test]
    fn a_resting_upstream_is_probed_by_one_and_rests_longer_each_time() {
        let state = state();
        assert!(state.is_reachable(0));
        assert!(state.rest(0), "the first failure is news");
        assert!(!state.is_reachable(FIRST_REST_MS - 1));
        assert!(state.is_reachable(FIRST_REST_MS), "the probe");
        assert!(!state.is_reachable(FIRST_REST_MS), "one probe only");
        assert!(!state.rest(FIRST_REST_MS), "no news");
        assert!(!state.is_reachable(FIRST_REST_MS * 2));
        assert!(state.is_reachable(FIRST_REST_MS * 3));
        state.recover();
        assert!(state.is_reachable(0));
    }

    #[test]
    fn the_rest_has_a_longest_time() {
        let state = state();
        for _ in 0..20 {
            state.rest(0);
        }
        assert!(state.is_reachable(LONGEST_REST_MS));
    }
}
