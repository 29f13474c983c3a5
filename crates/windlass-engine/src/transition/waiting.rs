//! Releases that wait: for their builds, or for their turn.

use super::Work;
use crate::app::{ConcurrencyPolicy, RunState};
use crate::build::{BuildOutcome, BuildState};
use crate::id::ReleaseId;
use crate::release::{FailureReason, ReleaseState};

impl Work {
    /// Fails when a build that it waits for did, also while it waits for its turn: afterwards
    /// nobody knows the build any more.
    pub(super) fn fails_with_build(&mut self, id: &ReleaseId) -> bool {
        let failed = self.awaited(id).any(|state| match state {
            BuildState::Finished { outcome } => *outcome != BuildOutcome::Built,
            BuildState::Queued | BuildState::Running | BuildState::Canceling { .. } => false,
        });
        if failed {
            self.fail(id, FailureReason::Build, "its build failed");
        }
        failed
    }

    /// Goes on when the builds are there.
    pub(super) fn settle_building(&mut self, id: &ReleaseId) -> bool {
        let waiting = self
            .awaited(id)
            .any(|state| !matches!(state, BuildState::Finished { .. }));
        if waiting {
            return false;
        }
        self.begin_late(id);
        true
    }

    /// States of the builds that a release waits for, as far as they are not long over.
    fn awaited(&self, id: &ReleaseId) -> impl Iterator<Item = &BuildState> {
        let release = self.state.release(id);
        self.state
            .builds
            .iter()
            .filter(move |build| release.is_some_and(|r| r.awaited_builds.contains(&build.id)))
            .map(|build| &build.state)
    }

    /// The newest waiting release begins when none is in flight any more.
    pub(super) fn start_pending(&mut self) -> bool {
        let waits = match self.state.policy {
            ConcurrencyPolicy::OneRunningNewestPending
            | ConcurrencyPolicy::ParallelBuilds { .. } => true,
            ConcurrencyPolicy::SupersedeNow => false,
        };
        if !waits || self.state.run == RunState::Deleted {
            return false;
        }
        let busy = self
            .state
            .releases
            .iter()
            .any(|release| release.is_in_flight() || release.state == ReleaseState::Building);
        let pending = self
            .state
            .releases
            .iter()
            .position(|release| release.state == ReleaseState::Pending);
        let Some(position) = pending.filter(|_| !busy) else {
            return false;
        };
        let id = self.state.releases[position].id.clone();
        self.begin_late(&id);
        true
    }
}
