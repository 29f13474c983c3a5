//! Releases that are being put back: they end when nothing of them runs.

use super::Work;
use crate::app::RunState;
use crate::build::BuildState;
use crate::counts::is_restored;
use crate::id::ReleaseId;
use crate::release::{JobState, Outcome, Release, ReleaseState, Urgency};

impl Work {
    pub(super) fn settle_restoring(&mut self, id: &ReleaseId, outcome: Outcome) -> bool {
        let Some(release) = self.state.release(id) else {
            return false;
        };
        if self.still_runs(release) > 0 {
            return false;
        }
        let accepts_outage = release
            .restore
            .as_ref()
            .is_some_and(|restore| restore.urgency == Urgency::AcceptOutage);
        let restored = release.relieved
            || accepts_outage
            || self.state.run != RunState::Started
            || self
                .state
                .components()
                .iter()
                .all(|component| is_restored(&self.state, release, component));
        if !restored {
            return false;
        }
        let wall = self.now.wall;
        let word = outcome.as_str();
        let was_stopped = !release.was_started && !release.relieved;
        if let Some(release) = self.release_mut(id) {
            release.state = ReleaseState::Finalized { outcome };
            release.updated_at = wall;
            release.status_changed_at = wall;
        }
        if was_stopped && self.state.run == RunState::Started {
            // Nothing ran before it, so nothing runs after it, no job of an older release either.
            self.state.run = RunState::Stopped;
            self.stop_jobs();
        }
        self.tell_release(id, word, "nothing of it runs any more");
        true
    }

    /// Ends the jobs for failures whose bound is over. That takes nothing from what serves: the base
    /// is waited for all the same.
    pub(super) fn expire_jobs(&mut self, id: &ReleaseId) -> bool {
        let now = self.now.uptime;
        let Some(release) = self.release_mut(id) else {
            return false;
        };
        let mut texts = Vec::new();
        for job in &mut release.jobs {
            if job.state == JobState::Running && job.until.is_some_and(|until| until <= now) {
                job.state = JobState::Canceling;
                texts.push(format!("job {} took too long and is ended", job.component));
            }
        }
        let any = !texts.is_empty();
        for text in texts {
            self.tell_release(id, "job_expired", text);
        }
        any
    }

    /// Instances of its target, jobs and builds of its own that are not gone yet.
    fn still_runs(&self, release: &Release) -> u32 {
        let instances = self
            .state
            .instances
            .values()
            .filter(|i| i.revision == release.target && !self.is_on_demand(i))
            .count();
        let jobs = release
            .jobs
            .iter()
            .filter(|job| matches!(job.state, JobState::Running | JobState::Canceling))
            .count();
        let builds = self
            .state
            .builds
            .iter()
            .filter(|build| {
                release.awaited_builds.contains(&build.id)
                    && matches!(build.state, BuildState::Canceling { .. })
            })
            .count();
        u32::try_from(instances + jobs + builds).unwrap_or(u32::MAX)
    }

    pub(super) fn count_cleanup(&mut self) {
        let left: Vec<u32> = self
            .state
            .releases
            .iter()
            .map(|release| {
                let carries = match release.outcome() {
                    Some(Outcome::Deployed) | None => true,
                    Some(
                        Outcome::Canceled(_) | Outcome::Superseded { .. } | Outcome::Failed(_),
                    ) => false,
                };
                if carries { 0 } else { self.still_runs(release) }
            })
            .collect();
        for (release, left) in self.state.releases.iter_mut().zip(left) {
            release.cleanup_left = left;
        }
    }
}
