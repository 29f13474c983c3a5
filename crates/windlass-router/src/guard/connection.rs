//! What is known about a client's connection on both sides of the parser.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::upstream::Uptime;

/// What the guard and the proxy of one connection tell each other.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    uptime: Uptime,
    active: AtomicU32,
    last_end_ms: AtomicU64,
    undecided: AtomicBool,
    decision: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

/// Whether the bytes after an upgrade request are HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decided {
    NotYet,
    StaysHttp,
    LeavesHttp,
}

const PENDING: u8 = 0;
const STAYS_HTTP: u8 = 1;
const LEAVES_HTTP: u8 = 2;

impl ClientConnection {
    pub(crate) fn new(uptime: Uptime) -> Self {
        Self {
            uptime,
            active: AtomicU32::new(0),
            last_end_ms: AtomicU64::new(uptime.now_ms()),
            undecided: AtomicBool::new(false),
            decision: AtomicU8::new(PENDING),
            waker: Mutex::new(None),
        }
    }

    /// A request begins.
    pub(crate) fn begin(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    /// A request has ended.
    pub(crate) fn end(&self) {
        self.last_end_ms
            .store(self.uptime.now_ms(), Ordering::Relaxed);
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    /// How long no request has been there; `None` while one is.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        if self.active.load(Ordering::Relaxed) > 0 {
            return None;
        }
        let since = self.last_end_ms.load(Ordering::Relaxed);
        Some(Duration::from_millis(
            self.uptime.now_ms().saturating_sub(since),
        ))
    }

    /// Whether the request that begins now asks to leave HTTP; its proxy then
    /// owes a decision.
    pub(crate) fn take_undecided(&self) -> bool {
        self.undecided.swap(false, Ordering::Relaxed)
    }

    /// Says whether the bytes after an upgrade request are HTTP.
    pub(crate) fn decide(&self, leaves_http: bool) {
        let decision = if leaves_http { LEAVES_HTTP } else { STAYS_HTTP };
        self.decision.store(decision, Ordering::Relaxed);
        let waker = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A request that asks to leave HTTP is about to be delivered.
    pub(super) fn leave_undecided(&self) {
        self.decision.store(PENDING, Ordering::Relaxed);
        self.undecided.store(true, Ordering::Relaxed);
    }

    /// What the proxy has decided.
    pub(super) fn decided(&self) -> Decided {
        match self.decision.load(Ordering::Relaxed) {
            STAYS_HTTP => Decided::StaysHttp,
            LEAVES_HTTP => Decided::LeavesHttp,
            _ => Decided::NotYet,
        }
    }

    /// Wakes the reader at the decision.
    pub(super) fn wake_when_decided(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}
