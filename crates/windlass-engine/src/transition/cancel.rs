//! Cancel: what was before is put back. The outcome is fixed here, in this commit.

use std::collections::BTreeMap;

use super::Work;
use crate::app::{CancelRestores, RunState};
use crate::configuration::{Configuration, Key};
use crate::id::{CommitNumber, ReleaseId};
use crate::input::CancelCommand;
use crate::rejection::Rejection;
use crate::release::{
    CancelCause, Deadline, FailureReason, JobState, Outcome, ReleaseState, Restore, Urgency,
};
use crate::shares::shares;

impl Work {
    pub(super) fn cancel_release(&mut self, command: &CancelCommand) -> Result<(), Rejection> {
        let Some(release) = self.state.release(&command.release) else {
            return Err(Rejection::UnknownRelease(command.release.clone()));
        };
        match &release.state {
            ReleaseState::Pending
            | ReleaseState::Building
            | ReleaseState::RollingOut { .. }
            | ReleaseState::Paused { .. } => {
                self.begin_restore(
                    &command.release,
                    Outcome::Canceled(CancelCause::User),
                    &command.by,
                    command.client.as_deref(),
                    command.reason.as_deref(),
                    command.urgency,
                );
                Ok(())
            }
            ReleaseState::Restoring { .. } => {
                // A repeat changes nothing; a harder one only makes it harder.
                if let Some(release) = self.release_mut(&command.release)
                    && let Some(restore) = &mut release.restore
                {
                    restore.urgency = restore.urgency.max(command.urgency);
                }
                Ok(())
            }
            ReleaseState::Finalized { .. } => Err(Rejection::NotCancelable {
                state: release.state.clone(),
            }),
        }
    }

    /// Fixes the outcome, restores the configuration key by key, and lets instances and traffic
    /// follow.
    pub(super) fn begin_restore(
        &mut self,
        id: &ReleaseId,
        outcome: Outcome,
        by: &str,
        client: Option<&str>,
        reason: Option<&str>,
        urgency: Urgency,
    ) {
        let Some(position) = self
            .state
            .releases
            .iter()
            .position(|release| release.id == *id)
        else {
            return;
        };
        let share_at_commit: BTreeMap<_, _> = self
            .state
            .components()
            .into_iter()
            .filter_map(|component| {
                let versions = shares(&self.state, &component);
                let target = &self.state.releases[position].target;
                let share = versions
                    .iter()
                    .find(|version| version.revision == *target)?
                    .share;
                Some((component, share))
            })
            .collect();
        let governs = self.governs(id);
        let (restored, not_restored) = if governs {
            self.restore_keys(position)
        } else {
            (Vec::new(), Vec::new())
        };
        let now = self.now;
        let not_undone = self.not_undone(position);
        let release = &mut self.state.releases[position];
        let was_restoring = release.is_restoring();
        if was_restoring && !matches!(outcome, Outcome::Canceled(CancelCause::Deleted)) {
            return;
        }
        if was_restoring {
            // The outcome was fixed on entry and stays; deletion only makes it harder.
            if let Some(restore) = &mut release.restore {
                restore.urgency = Urgency::AcceptOutage;
            }
            release.relieved = true;
            return;
        }
        release.state = ReleaseState::Restoring {
            outcome: outcome.clone(),
        };
        release.restore = Some(Restore {
            by: by.to_owned(),
            client: client.map(str::to_owned),
            reason: reason.map(str::to_owned),
            at: now.wall,
            since: now.uptime,
            urgency,
            share_cap: share_at_commit.clone(),
            share_at_commit,
            zero_generation: None,
            safe: false,
            time_to_safe_us: None,
            restored,
            not_restored,
            not_undone,
            note: (release.base.is_some() && !release.base_was_routable)
                .then(|| "base: was not healthy".to_owned()),
        });
        release.deadline = Deadline::Off;
        release.timer_until = None;
        release.error = None;
        release.updated_at = now.wall;
        release.status_changed_at = now.wall;
        for job in &mut release.jobs {
            if job.state == JobState::Running {
                job.state = JobState::Canceling;
            }
        }
        let builds = release.awaited_builds.clone();
        self.release_builds(&builds, by);
        if !governs && let Some(release) = self.release_mut(id) {
            // It never moved anything, so there is nothing that it would have to put back.
            release.relieved = true;
        }
        let text = match &outcome {
            Outcome::Failed(FailureReason::Deadline) => {
                "no progress for the deadline; what was before is put back".to_owned()
            }
            Outcome::Failed(_) => "failed; what was before is put back".to_owned(),
            Outcome::Canceled(_) | Outcome::Deployed | Outcome::Superseded { .. } => match reason {
                Some(reason) => format!("canceled by {by}: {reason}"),
                None => format!("canceled by {by}"),
            },
        };
        let kind = if matches!(outcome, Outcome::Failed(_)) {
            "failing"
        } else {
            "canceling"
        };
        self.tell_release(id, kind, text);
    }

    /// Whether a release is the one that moves the app (not one that waits behind another).
    fn governs(&self, id: &ReleaseId) -> bool {
        let first = self.state.governing().map(|release| release.id.clone());
        match first {
            Some(governing) => governing == *id,
            None => true,
        }
    }

    /// Puts back every key that nobody wrote after the release was created.
    fn restore_keys(&mut self, position: usize) -> (Vec<Key>, Vec<Key>) {
        let release = &self.state.releases[position];
        if self.state.run == RunState::Deleted {
            return (Vec::new(), Vec::new());
        }
        let source = match &release.base {
            Some(base) => self
                .state
                .revisions
                .get(base)
                .map(|r| r.configuration.clone()),
            None => release.configuration_before.clone(),
        };
        let Some(source) = source else {
            return (Vec::new(), Vec::new());
        };
        let created = self.train_created(position);
        let mut keys = source.keys();
        keys.extend(self.state.configuration.keys());
        if self.state.settings.cancel_restores == CancelRestores::Artifact {
            keys.retain(|key| *key == Key::Artifact);
        }
        let mut restored = Vec::new();
        let mut not_restored = Vec::new();
        let mut configuration: Configuration = self.state.configuration.clone();
        for key in keys {
            let later = self
                .state
                .changes
                .get(&key)
                .is_some_and(|change| change.commit > created);
            if later {
                not_restored.push(key);
            } else if configuration.copy_key(&source, &key) {
                restored.push(key);
            }
        }
        self.state.configuration = configuration;
        (restored, not_restored)
    }

    /// Commit of the release's own creation: writes after it are a user's own.
    fn train_created(&self, position: usize) -> CommitNumber {
        self.state.releases[position].created_commit
    }

    fn not_undone(&self, position: usize) -> Vec<String> {
        let release = &self.state.releases[position];
        let jobs = release.jobs.iter().filter_map(|job| match job.state {
            JobState::Succeeded => Some(format!("job {} had finished", job.component)),
            JobState::Failed => Some(format!("job {} had failed", job.component)),
            JobState::Running | JobState::Canceling | JobState::Interrupted => {
                Some(format!("job {} was interrupted", job.component))
            }
        });
        let target = self.state.revisions.get(&release.target);
        let artifact = target.and_then(|revision| revision.configuration.artifact.clone());
        let tasks = self
            .state
            .tasks
            .iter()
            .filter(|task| {
                task.created_commit > release.created_commit
                    && Some(&task.artifact) == artifact.as_ref()
            })
            .map(|task| format!("task {} ({}) was started", task.sequence, task.name));
        jobs.chain(tasks).collect()
    }
}
