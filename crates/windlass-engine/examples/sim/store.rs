//! The store: commits that are lost unless they were synced, and answers that wait for the sync.

use std::rc::Rc;

use windlass_engine::app::AppState;
use windlass_engine::id::{BuildId, ReleaseId, TaskId};
use windlass_engine::plan::Plan;
use windlass_engine::release::Outcome;

use crate::driver::Run;

/// What a client was told, once it was told.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Created(ReleaseId),
    /// A cancel was accepted: how the release will end.
    Canceled(ReleaseId, Outcome),
    TaskCanceled(TaskId),
    BuildCanceled(BuildId),
    Deleted,
}

/// A state with the plan that follows from it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) state: Rc<AppState>,
    pub(crate) plan: Rc<Plan>,
    pub(crate) commit: u64,
}

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) synced: Row,
    pub(crate) current: Row,
    /// Answers that go out with the next sync.
    pub(crate) answers: Vec<Answer>,
    /// Ended runs that were taken in and may be forgotten with the next sync.
    pub(crate) taken_in: Vec<Run>,
    /// Whether a sync is under way.
    pub(crate) sync_is_due: bool,
}

impl Store {
    pub(crate) fn new(row: Row) -> Self {
        Self {
            synced: row.clone(),
            current: row,
            answers: Vec::new(),
            taken_in: Vec::new(),
            sync_is_due: false,
        }
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.synced.commit == self.current.commit
    }

    pub(crate) fn sync(&mut self) {
        self.synced = self.current.clone();
        self.sync_is_due = false;
    }

    /// What was not synced is gone. Says how many commits that were.
    pub(crate) fn crash(&mut self) -> u64 {
        let lost = self.current.commit - self.synced.commit;
        self.current = self.synced.clone();
        self.answers.clear();
        self.taken_in.clear();
        self.sync_is_due = false;
        lost
    }
}
