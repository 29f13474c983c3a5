//! Everything that follows from a state by itself: steps that are reached, deadlines, outcomes.
//! Runs to a fixed point within one transition, so that no outcome waits for another input.

use super::Work;
use crate::app::RunState;
use crate::configuration::{ComponentRole, JobKind};
use crate::counts::is_reached;
use crate::id::ReleaseId;
use crate::plan::plan;
use crate::release::{
    Deadline, FailureReason, JobRun, JobState, Outcome, Release, ReleaseState, Urgency,
};
use crate::strategy::Gate;

/// Rounds after which settling is given up: far above what any state needs.
const ROUNDS_MAX: u32 = 10_000;
/// Who ends a release without being asked.
const ENGINE: &str = "engine";

impl Work {
    pub(super) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let changed = self.settle_releases()
                | self.start_pending()
                | self.settle_instances()
                | self.settle_builds();
            if !changed && !self.note_unshared() {
                self.count_cleanup();
                return;
            }
        }
        debug_assert!(false, "settling did not come to an end");
    }

    /// A canceled target that never had traffic is safe at once: no table has to be waited for.
    /// What is safe is withdrawn, so that this is part of settling.
    fn note_unshared(&mut self) -> bool {
        let waits = |release: &Release| {
            let restore = release.restore.as_ref();
            restore.is_some_and(|restore| !restore.safe) && !release.had_share
        };
        if !self.state.releases.iter().any(waits) {
            return false;
        }
        let plan = plan(&self.state, self.now);
        let waiting = self.state.releases.iter().filter(|release| waits(release));
        let unshared: Vec<ReleaseId> = waiting
            .filter(|release| plan.largest_share(&release.target) == 0)
            .map(|release| release.id.clone())
            .collect();
        for id in &unshared {
            if let Some(release) = self.release_mut(id)
                && let Some(restore) = &mut release.restore
            {
                restore.safe = true;
                restore.time_to_safe_us = Some(0);
            }
        }
        !unshared.is_empty()
    }

    fn settle_releases(&mut self) -> bool {
        let ids: Vec<ReleaseId> = self
            .state
            .releases
            .iter()
            .filter(|release| !release.is_finalized())
            .map(|release| release.id.clone())
            .collect();
        ids.iter()
            .fold(false, |changed, id| changed | self.settle_release(id))
    }

    fn settle_release(&mut self, id: &ReleaseId) -> bool {
        let Some(release) = self.state.release(id) else {
            return false;
        };
        match release.state.clone() {
            ReleaseState::Finalized { .. } => false,
            ReleaseState::Pending => self.fails_with_build(id),
            ReleaseState::Building => self.fails_with_build(id) || self.settle_building(id),
            ReleaseState::RollingOut { step } => {
                self.hold_timer(id, step) | self.hold_deadline(id) | self.note_progress(id)
                    || self.settle_step(id, step)
            }
            ReleaseState::Paused { .. } => self.hold_deadline(id),
            ReleaseState::Restoring { outcome } => {
                self.expire_jobs(id) | self.settle_restoring(id, outcome)
            }
        }
    }

    /// A timer gate counts time in which its step stands: if it no longer does, it begins anew.
    fn hold_timer(&mut self, id: &ReleaseId, step: usize) -> bool {
        let stands = self.state.run == RunState::Started
            && self
                .state
                .release(id)
                .is_some_and(|release| is_reached(&self.state, release, step));
        if stands {
            return false;
        }
        self.release_mut(id)
            .is_some_and(|release| release.timer_until.take().is_some())
    }

    /// Lets the deadline stand still while the release can't move by itself.
    fn hold_deadline(&mut self, id: &ReleaseId) -> bool {
        let now = self.now.uptime;
        let started = self.state.run == RunState::Started;
        let Some(release) = self.release_mut(id) else {
            return false;
        };
        let moves = started
            && matches!(release.state, ReleaseState::RollingOut { .. })
            && release.timer_until.is_none();
        match release.deadline {
            Deadline::Running { at } if !moves => {
                release.deadline = Deadline::Held {
                    left_ms: at.since(now),
                };
                true
            }
            Deadline::Held { left_ms } if moves => {
                release.deadline = Deadline::Running {
                    at: now.plus_ms(left_ms),
                };
                true
            }
            Deadline::Running { .. } | Deadline::Held { .. } | Deadline::Off => false,
        }
    }

    /// Progress is one more instance routable than ever in this step.
    fn note_progress(&mut self, id: &ReleaseId) -> bool {
        let Some(release) = self.state.release(id) else {
            return false;
        };
        let Some(step) = release.step() else {
            return false;
        };
        let better: Vec<_> = step
            .counts
            .keys()
            .filter_map(|component| {
                let routable = self.state.routable(&release.target, component);
                let best = release.best_routable.get(component).copied().unwrap_or(0);
                (routable > best).then(|| (component.clone(), routable))
            })
            .collect();
        if better.is_empty() {
            return false;
        }
        let deadline = self.fresh_deadline(id);
        let wall = self.now.wall;
        if let Some(release) = self.release_mut(id) {
            release.best_routable.extend(better);
            release.last_healthy_at = wall;
            release.error = None;
            if !matches!(release.deadline, Deadline::Held { .. }) {
                release.deadline = deadline;
            }
        }
        true
    }

    fn settle_step(&mut self, id: &ReleaseId, index: usize) -> bool {
        if self.state.run != RunState::Started {
            return false;
        }
        let Some(release) = self.state.release(id) else {
            return false;
        };
        // What a job printed last is looked up when its deadline has come: before that is told,
        // it is not judged.
        if let Deadline::Running { at } = release.deadline
            && at <= self.now.uptime
            && (self.is_tick || !release.runs_a_job())
        {
            self.fail(id, FailureReason::Deadline, "no progress for the deadline");
            return true;
        }
        let Some(step) = release.steps.get(index) else {
            return false;
        };
        if !self.stands(release, index) {
            return false;
        }
        match step.gate {
            Gate::Automatic => {
                self.pass_step(id, index);
                true
            }
            Gate::Manual => {
                self.pause(id, index);
                true
            }
            Gate::Timer(span_ms) => self.settle_timer(id, index, span_ms),
            Gate::Jobs(kind) => self.settle_jobs(id, index, kind),
            Gate::Checks => self.settle_checks(id, index),
        }
    }

    /// Whether the step is reached now, whatever was once the case.
    #[cfg(not(windlass_mutant = "finish_unchecked"))]
    fn stands(&self, release: &Release, step: usize) -> bool {
        is_reached(&self.state, release, step)
    }

    /// Wrong on purpose: what was once reached counts for ever.
    #[cfg(windlass_mutant = "finish_unchecked")]
    fn stands(&self, release: &Release, step: usize) -> bool {
        let counts = &release.steps[step].counts;
        is_reached(&self.state, release, step)
            || !counts.is_empty()
                && counts.iter().all(|(component, counts)| {
                    let best = release.best_routable.get(component).copied().unwrap_or(0);
                    best >= counts.new_instances
                })
    }

    fn pause(&mut self, id: &ReleaseId, step: usize) {
        let wall = self.now.wall;
        if let Some(release) = self.release_mut(id) {
            release.state = ReleaseState::Paused { step };
            release.last_healthy_at = wall;
            release.status_changed_at = wall;
            release.updated_at = wall;
        }
        self.tell_release(id, "paused", format!("step {} is reached", step + 1));
    }

    fn settle_timer(&mut self, id: &ReleaseId, step: usize, span_ms: u64) -> bool {
        let now = self.now.uptime;
        let Some(release) = self.release_mut(id) else {
            return false;
        };
        match release.timer_until {
            None => {
                release.timer_until = Some(now.plus_ms(span_ms));
                true
            }
            Some(until) if until <= now => {
                self.pass_step(id, step);
                true
            }
            Some(_) => false,
        }
    }

    /// Jobs run at most once per release.
    fn settle_jobs(&mut self, id: &ReleaseId, step: usize, kind: JobKind) -> bool {
        let Some(release) = self.state.release(id) else {
            return false;
        };
        let wanted: Vec<_> = self
            .state
            .revisions
            .get(&release.target)
            .into_iter()
            .flat_map(|revision| &revision.configuration.components)
            .filter(|(_, config)| config.role == ComponentRole::Job(kind))
            .map(|(name, _)| name.clone())
            .collect();
        let missing: Vec<_> = wanted
            .iter()
            .filter(|name| !release.jobs.iter().any(|job| job.component == **name))
            .cloned()
            .collect();
        if !missing.is_empty() {
            if let Some(release) = self.release_mut(id) {
                release
                    .jobs
                    .extend(missing.into_iter().map(|component| JobRun {
                        component,
                        kind,
                        state: JobState::Running,
                        until: None,
                    }));
            }
            return true;
        }
        let jobs = release.jobs.iter().filter(|job| job.kind == kind);
        if let Some(failed) = jobs.clone().find(|job| job.state == JobState::Failed) {
            let component = failed.component.clone();
            self.fail(id, FailureReason::Job { component }, "a job failed");
            return true;
        }
        if jobs.clone().all(|job| job.state == JobState::Succeeded) {
            self.pass_step(id, step);
            return true;
        }
        false
    }

    fn settle_checks(&mut self, id: &ReleaseId, step: usize) -> bool {
        match self.state.release(id).and_then(|release| release.checks) {
            Some(true) => {
                self.pass_step(id, step);
                true
            }
            Some(false) => {
                self.fail(id, FailureReason::Check, "a check failed");
                true
            }
            None => false,
        }
    }

    /// The gate of a step is passed: on to the next, or deployed.
    pub(super) fn pass_step(&mut self, id: &ReleaseId, step: usize) {
        let deadline = self.fresh_deadline(id);
        let wall = self.now.wall;
        let Some(release) = self.release_mut(id) else {
            return;
        };
        if step + 1 < release.steps.len() {
            if matches!(release.state, ReleaseState::Paused { .. }) {
                release.status_changed_at = wall;
            }
            release.state = ReleaseState::RollingOut { step: step + 1 };
            release.last_step = step + 1;
            release.best_routable.clear();
            release.timer_until = None;
            release.deadline = deadline;
            release.updated_at = wall;
        } else {
            self.finish_deployed(id);
        }
    }

    /// Deployed: the target is the base from this commit on. The old base drains afterwards.
    pub(super) fn finish_deployed(&mut self, id: &ReleaseId) {
        let wall = self.now.wall;
        let Some(release) = self.release_mut(id) else {
            return;
        };
        release.state = ReleaseState::Finalized {
            outcome: Outcome::Deployed,
        };
        release.deadline = Deadline::Off;
        release.timer_until = None;
        release.error = None;
        release.updated_at = wall;
        release.status_changed_at = wall;
        let target = release.target.clone();
        let scale = release.target_scale.clone();
        let created = release.created_commit;
        let edits = release.target_edits.clone();
        for edit in edits {
            let later = self
                .state
                .changes
                .get(&edit.key())
                .is_some_and(|change| change.commit > created);
            if !later {
                self.state.configuration.apply(&edit);
            }
        }
        for (component, count) in scale {
            let later = self
                .state
                .scale_changes
                .get(&component)
                .is_some_and(|commit| *commit > created);
            if !later {
                self.state.scale.insert(component, count);
            }
        }
        self.state.base = Some(target);
        self.state.changes.clear();
        self.state.scale_changes.clear();
        for release in &mut self.state.releases {
            if release.is_restoring() {
                release.relieved = true;
            }
        }
        self.rebase_waiting();
        self.tell_release(id, "deployed", "the target carries the load");
    }

    /// What waits restores what was deployed meanwhile, also when it is canceled before it begins.
    fn rebase_waiting(&mut self) {
        let waiting: Vec<ReleaseId> = self
            .state
            .releases
            .iter()
            .filter(|release| {
                matches!(
                    release.state,
                    ReleaseState::Pending | ReleaseState::Building
                )
            })
            .map(|release| release.id.clone())
            .collect();
        for id in &waiting {
            self.rebase(id);
        }
    }

    /// Ends a release that can't succeed; what was before is put back as by a cancel.
    pub(super) fn fail(&mut self, id: &ReleaseId, reason: FailureReason, text: &str) {
        self.begin_restore(
            id,
            Outcome::Failed(reason),
            ENGINE,
            None,
            Some(text),
            Urgency::CapacitySafe,
        );
    }
}
