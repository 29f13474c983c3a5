//! Hints about commits: they wake, they carry no facts.

use std::sync::Arc;

use tokio::sync::broadcast;
use windlass_engine::id::{AppId, CommitNumber};

/// What a commit may have changed. Only a hint: the listener loads what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A commit touched these apps (none: something else).
    Touched {
        /// The newest commit number of the group.
        commit: CommitNumber,
        /// The apps, without repeats.
        apps: Arc<[AppId]>,
    },
    /// The listener was too slow and missed hints: anything may have changed.
    Missed,
}

/// A listener to commits.
#[derive(Debug)]
pub struct Hints {
    pub(crate) receiver: broadcast::Receiver<Hint>,
}

impl Hints {
    /// Waits for the next hint; `None` = the store is closed.
    pub async fn next(&mut self) -> Option<Hint> {
        match self.receiver.recv().await {
            Ok(hint) => Some(hint),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Hint::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
