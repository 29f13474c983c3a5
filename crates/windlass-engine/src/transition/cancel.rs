//! Cancel: what was before is put back. The outcome is fixed here, in this commit.

use std::collections::BTreeMap;

use super::Work;
use crate::app::{CancelRestores, RunState};
use crate::configuration::{ComponentRole, Configuration, JobKind, Key};
use crate::id::{ComponentName, ReleaseId};
use crate::input::CancelCommand;
use crate::limits::{DEADLINE_MS, REASON_BYTES_MAX};
use crate::rejection::Rejection;
use crate::release::{
    CancelCause, Deadline, FailureReason, JobRun, JobState, Outcome, Release, ReleaseState,
    Restore, Urgency,
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
                // A repeat changes nothing; a harder one only makes it harder. Of a release that
                // fails it ends the job for failures: nobody is to wait for that.
                if let Some(release) = self.release_mut(&command.release) {
                    release.cancel_jobs();
                    if let Some(restore) = &mut release.restore {
                        restore.urgency = restore.urgency.max(command.urgency);
                    }
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
        let now = self.now;
        let release = &mut self.state.releases[position];
        if release.is_restoring() {
            // The outcome was fixed on entry and stays; deletion only makes it harder.
            if matches!(outcome, Outcome::Canceled(CancelCause::Deleted)) {
                if let Some(restore) = &mut release.restore {
                    restore.urgency = Urgency::AcceptOutage;
                }
                release.relieved = true;
                release.cancel_jobs();
            }
            return;
        }
        let governs = self.governs(id);
        let (restored, not_restored) = self.restore_keys(position);
        let not_undone = self.not_undone(position);
        let on_failure = match &outcome {
            // Without its artifact no job of it can run.
            Outcome::Failed(reason) if *reason != FailureReason::Build => {
                self.failure_jobs(position)
            }
            Outcome::Failed(_)
            | Outcome::Canceled(_)
            | Outcome::Deployed
            | Outcome::Superseded { .. } => Vec::new(),
        };
        let release = &mut self.state.releases[position];
        release.state = ReleaseState::Restoring {
            outcome: outcome.clone(),
        };
        release.restore = Some(Restore {
            by: by.to_owned(),
            client: client.map(str::to_owned),
            reason: reason.map(shortened),
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
            note: note_of_base(release),
        });
        release.deadline = Deadline::Off;
        release.timer_until = None;
        release.error = None;
        release.updated_at = now.wall;
        release.status_changed_at = now.wall;
        release.cancel_jobs();
        release.jobs.extend(on_failure);
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

    /// What users see after a release is canceled: what the newest other release that waits or
    /// moves will run, else the base's. `None` = a newer release has said already what it shall
    /// be.
    fn source_of_restore(&self, position: usize) -> Option<Configuration> {
        let release = &self.state.releases[position];
        let newest_open = self
            .state
            .releases
            .iter()
            .enumerate()
            .rfind(|(other, release)| {
                *other != position && !release.is_finalized() && !release.is_restoring()
            });
        let revision = match newest_open {
            Some((other, _)) if other > position => return None,
            Some((_, earlier)) => Some(&earlier.target),
            None => release.base.as_ref(),
        };
        match revision {
            Some(revision) => self
                .state
                .revisions
                .get(revision)
                .map(|revision| revision.configuration.clone()),
            None => release.configuration_before.clone(),
        }
    }

    /// Puts back every key that nobody wrote after the release was created.
    fn restore_keys(&mut self, position: usize) -> (Vec<Key>, Vec<Key>) {
        if self.state.run == RunState::Deleted {
            return (Vec::new(), Vec::new());
        }
        let Some(source) = self.source_of_restore(position) else {
            return (Vec::new(), Vec::new());
        };
        let created = self.state.releases[position].created_commit;
        let mut keys = source.keys();
        keys.extend(self.state.configuration.keys());
        keys.extend(self.state.changes.keys().cloned());
        if self.state.settings.cancel_restores == CancelRestores::Artifact {
            keys.retain(|key| matches!(key, Key::Artifact | Key::ComponentArtifact(_)));
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

    /// Jobs of the target that run when it fails; of a stopped app nothing runs. Each has a bound,
    /// also where releases have none: a restore waits for it, and has no deadline itself.
    fn failure_jobs(&self, position: usize) -> Vec<JobRun> {
        if self.state.run != RunState::Started {
            return Vec::new();
        }
        let span_ms = self.state.settings.deadline_ms.unwrap_or(DEADLINE_MS);
        let until = self.now.uptime.plus_ms(span_ms);
        let target = &self.state.releases[position].target;
        let kind = JobKind::FailedDeploy;
        self.state
            .revisions
            .get(target)
            .into_iter()
            .flat_map(|revision| &revision.configuration.components)
            .filter(|(_, config)| config.role == ComponentRole::Job(kind))
            .map(|(component, _)| JobRun {
                component: component.clone(),
                kind,
                state: JobState::Running,
                until: Some(until),
            })
            .collect()
    }

    fn not_undone(&self, position: usize) -> Vec<String> {
        let release = &self.state.releases[position];
        let jobs = release.jobs.iter().map(|job| match job.state {
            JobState::Succeeded => format!("job {} had finished", job.component),
            JobState::Failed => format!("job {} had failed", job.component),
            JobState::Running | JobState::Canceling | JobState::Interrupted => {
                format!("job {} was interrupted", job.component)
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

/// What is to be known of a base that is not waited for, or not as a whole.
fn note_of_base(release: &Release) -> Option<String> {
    release.base.as_ref()?;
    if !release.base_was_routable {
        return Some("base: was not healthy".to_owned());
    }
    if release.base_down.is_empty() {
        return None;
    }
    let names: Vec<&str> = release
        .base_down
        .iter()
        .map(ComponentName::as_str)
        .collect();
    Some(format!("base: {} did not run", names.join(", ")))
}

/// The reason as it is kept: a cancel is never refused for its comment.
fn shortened(reason: &str) -> String {
    reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned()
}
