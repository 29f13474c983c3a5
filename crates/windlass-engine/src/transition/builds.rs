//! Builds: queued, running in a slot, over. A build may feed several releases.

use super::Work;
use crate::app::ConcurrencyPolicy;
use crate::build::{Build, BuildOutcome, BuildSource, BuildState};
use crate::event::Subject;
use crate::id::BuildId;
use crate::input::CreateBuildCommand;
use crate::limits;
use crate::rejection::Rejection;
use crate::release::Deadline;
use crate::time::Uptime;

/// Output moves a deadline that is not due only in steps of this size, milliseconds: each step is
/// a commit.
const PROGRESS_STEP_MS: u64 = 5_000;

/// A deadline of `span_ms` after progress that was made `idle_ms` ago. It never moves back.
pub(super) fn moved(deadline: Deadline, now: Uptime, idle_ms: u64, span_ms: u64) -> Deadline {
    let Deadline::Running { at } = deadline else {
        return deadline;
    };
    let later = now.plus_ms(span_ms.saturating_sub(idle_ms));
    if later.since(at) >= PROGRESS_STEP_MS || at <= now && later > now {
        Deadline::Running { at: later }
    } else {
        deadline
    }
}

impl Work {
    pub(super) fn create_build(&mut self, command: &CreateBuildCommand) -> Result<(), Rejection> {
        if self.state.builds.len() >= limits::BUILDS_MAX {
            return Err(Rejection::LimitExceeded {
                what: "unfinished builds",
                limit: limits::BUILDS_MAX as u64,
            });
        }
        let published = self.state.published.len() + self.state.builds.len();
        if command.on_built.is_some() && published >= limits::PUBLISHED_MAX {
            return Err(Rejection::LimitExceeded {
                what: "versions with a host of their own",
                limit: limits::PUBLISHED_MAX as u64,
            });
        }
        if self.state.builds.iter().any(|b| b.id == command.build) {
            // The same input once more.
            return Ok(());
        }
        if command.gives_way {
            self.supersede_queued(&command.build, &command.source);
        }
        let build = Build {
            id: command.build.clone(),
            source: command.source.clone(),
            artifact: command.artifact.clone(),
            memory_mb: command.memory_mb,
            disk_mb: command.disk_mb,
            state: BuildState::Queued,
            run: 0,
            restarted: false,
            deadline: Deadline::Off,
            for_releases: command.for_releases,
            gives_way: command.gives_way,
            canceled_by: None,
            created_at: self.now.wall,
            updated_at: self.now.wall,
            created_commit: self.now.commit,
            on_built: command.on_built.clone(),
        };
        self.tell_build(&build.id, "created", "the build was created");
        self.state.builds.push(build);
        Ok(())
    }

    pub(super) fn cancel_build(&mut self, id: &BuildId, by: &str) -> Result<(), Rejection> {
        let Some(build) = self.state.builds.iter().find(|build| build.id == *id) else {
            return Err(Rejection::UnknownBuild(id.clone()));
        };
        match &build.state {
            BuildState::Queued | BuildState::Running => {
                self.end_build(id, BuildOutcome::Canceled, by);
                Ok(())
            }
            // A repeat changes nothing.
            BuildState::Canceling {
                outcome: BuildOutcome::Canceled,
            } => Ok(()),
            // What it will be is fixed, and it is something else.
            BuildState::Canceling { .. } | BuildState::Finished { .. } => {
                Err(Rejection::BuildNotCancelable {
                    state: build.state.clone(),
                })
            }
        }
    }

    /// Ends a build; its slot is free when its tree is gone.
    pub(super) fn end_build(&mut self, id: &BuildId, outcome: BuildOutcome, by: &str) {
        let wall = self.now.wall;
        let Some(build) = self.state.builds.iter_mut().find(|build| build.id == *id) else {
            return;
        };
        let is_over = match build.state {
            BuildState::Queued => {
                build.state = BuildState::Finished {
                    outcome: outcome.clone(),
                };
                true
            }
            BuildState::Running => {
                build.state = BuildState::Canceling {
                    outcome: outcome.clone(),
                };
                false
            }
            BuildState::Canceling { .. } | BuildState::Finished { .. } => return,
        };
        build.canceled_by = Some(by.to_owned());
        build.deadline = Deadline::Off;
        build.updated_at = wall;
        self.tell_build(id, "ending", format!("the build was ended by {by}"));
        // What has not begun is over at once.
        if is_over {
            self.tell_build_end(id, &outcome);
        }
    }

    /// Ends builds that only releases asked for and that none waits for any more.
    pub(super) fn release_builds(&mut self, builds: &[BuildId], by: &str) {
        for id in builds {
            let wanted = self.state.releases.iter().any(|release| {
                !release.is_finalized()
                    && !release.is_restoring()
                    && release.awaited_builds.contains(id)
            });
            let own = self
                .state
                .builds
                .iter()
                .any(|build| build.id == *id && build.for_releases);
            if own && !wanted {
                self.end_build(id, BuildOutcome::Canceled, by);
            }
        }
    }

    pub(super) fn build_ended(&mut self, id: &BuildId, run: u32, outcome: Option<BuildOutcome>) {
        let now = self.now;
        let fresh = self.build_deadline();
        let Some(build) = self.state.builds.iter_mut().find(|build| build.id == *id) else {
            return;
        };
        if build.run != run {
            return;
        }
        let ended = match (&build.state, outcome) {
            (BuildState::Running, Some(outcome)) => outcome,
            (BuildState::Running, None) if !build.restarted => {
                // Lost without a word: once more from its source.
                build.restarted = true;
                build.run += 1;
                build.deadline = fresh;
                build.updated_at = now.wall;
                return;
            }
            (BuildState::Running, None) => BuildOutcome::Failed {
                id: "StagerError".to_owned(),
                text: "the build was lost twice".to_owned(),
            },
            (BuildState::Canceling { outcome }, _) => outcome.clone(),
            (BuildState::Queued | BuildState::Finished { .. }, _) => return,
        };
        build.state = BuildState::Finished {
            outcome: ended.clone(),
        };
        build.deadline = Deadline::Off;
        build.updated_at = now.wall;
        self.tell_build_end(id, &ended);
        if ended == BuildOutcome::Built {
            self.publish_built(id);
        }
    }

    /// Each build has one end, and it is told once.
    fn tell_build_end(&mut self, id: &BuildId, outcome: &BuildOutcome) {
        let (kind, text) = match outcome {
            BuildOutcome::Built => ("built", "the artifact is there"),
            BuildOutcome::Failed { text, .. } => ("failed", text.as_str()),
            BuildOutcome::Skipped { text } => ("skipped", text.as_str()),
            BuildOutcome::Canceled => ("canceled", "the build was canceled"),
            BuildOutcome::Superseded => ("superseded", "a newer build took its place"),
        };
        self.tell_build(id, kind, text);
    }

    pub(super) fn build_progress(&mut self, id: &BuildId, idle_ms: u64) {
        let now = self.now.uptime;
        let Some(span_ms) = self.state.settings.deadline_ms else {
            return;
        };
        let Some(build) = self.state.builds.iter_mut().find(|build| build.id == *id) else {
            return;
        };
        if build.state == BuildState::Running {
            build.deadline = moved(build.deadline, now, idle_ms, span_ms);
        }
    }

    /// Ends builds whose deadline has come.
    pub(super) fn expire_builds(&mut self) {
        let now = self.now.uptime;
        let late: Vec<BuildId> = self
            .state
            .builds
            .iter()
            .filter(|build| matches!(build.deadline, Deadline::Running { at } if at <= now))
            .map(|build| build.id.clone())
            .collect();
        for id in late {
            let outcome = BuildOutcome::Failed {
                id: "StagingTimeExpired".to_owned(),
                text: "no output for the deadline".to_owned(),
            };
            self.end_build(&id, outcome, "engine");
        }
    }

    /// Gives free slots to the oldest queued builds.
    pub(super) fn settle_builds(&mut self) -> bool {
        // A canceled build keeps its slot of the machine until its tree is gone, not that of its app.
        let builds = self.state.builds.iter();
        let running = builds
            .filter(|build| build.state == BuildState::Running)
            .count();
        let own = match self.state.policy {
            ConcurrencyPolicy::ParallelBuilds { slots } => slots as usize,
            ConcurrencyPolicy::SupersedeNow | ConcurrencyPolicy::OneRunningNewestPending => {
                usize::MAX
            }
        };
        let shared = self
            .ledgers
            .build_slots_left
            .map_or(usize::MAX, |left| left as usize);
        let mut free = own.saturating_sub(running).min(shared);
        let deadline = self.build_deadline();
        let wall = self.now.wall;
        let mut started = Vec::new();
        for build in &mut self.state.builds {
            if free == 0 {
                break;
            }
            if build.state == BuildState::Queued {
                build.state = BuildState::Running;
                build.run = 1;
                build.deadline = deadline;
                build.updated_at = wall;
                started.push(build.id.clone());
                free -= 1;
            }
        }
        for id in &started {
            self.tell_build(id, "running", "the build runs");
        }
        !started.is_empty()
    }

    fn build_deadline(&self) -> Deadline {
        match self.state.settings.deadline_ms {
            Some(span_ms) => Deadline::Running {
                at: self.now.uptime.plus_ms(span_ms),
            },
            None => Deadline::Off,
        }
    }

    /// Of queued builds of one git branch only the newest is worth its slot.
    fn supersede_queued(&mut self, newer: &BuildId, source: &BuildSource) {
        let BuildSource::Git { url, branch, .. } = source else {
            return;
        };
        let older: Vec<BuildId> = self
            .state
            .builds
            .iter()
            .filter(|build| {
                build.state == BuildState::Queued
                    && build.gives_way
                    && matches!(&build.source, BuildSource::Git { url: other, branch: b, .. }
                        if other == url && b == branch)
            })
            .map(|build| build.id.clone())
            .collect();
        for id in older {
            self.end_build(&id, BuildOutcome::Superseded, newer.as_str());
        }
    }

    pub(super) fn tell_build(&mut self, id: &BuildId, kind: &'static str, text: impl Into<String>) {
        self.tell(Subject::Build(id.clone()), kind, text);
    }
}
