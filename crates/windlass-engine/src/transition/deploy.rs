//! Creating a release, and beginning it.

use std::collections::BTreeMap;

use super::Work;
use crate::app::{ConcurrencyPolicy, RunState};
use crate::configuration::{ComponentRole, JobKind};
use crate::id::{ComponentName, ReleaseId, RevisionId};
use crate::input::{DeployCommand, IfStopped};
use crate::limits;
use crate::rejection::Rejection;
use crate::release::{Deadline, Outcome, Release, ReleaseState};
use crate::revision::Revision;
use crate::strategy::{Gate, Parts, Sizes, Strategy, compile};

/// What a release restores if it is canceled.
pub(super) struct Base {
    pub(super) revision: Option<RevisionId>,
    pub(super) scale: BTreeMap<ComponentName, u32>,
    pub(super) was_routable: bool,
    pub(super) was_started: bool,
    configuration_before: Option<crate::configuration::Configuration>,
}

impl Work {
    pub(super) fn deploy(&mut self, command: &DeployCommand) -> Result<(), Rejection> {
        if self.state.releases.len() >= limits::RELEASES_MAX {
            return Err(Rejection::LimitExceeded {
                what: "unfinished releases",
                limit: limits::RELEASES_MAX as u64,
            });
        }
        if self.state.release(&command.release).is_some() {
            // The same input once more.
            return Ok(());
        }
        check_sizes(command)?;
        let before = self.state.configuration.clone();
        for edit in &command.edits {
            self.state.configuration.apply(edit);
        }
        let mut configuration = self.state.configuration.clone();
        for edit in &command.target_edits {
            configuration.apply(edit);
        }
        let has_artifact = configuration.artifact.is_some()
            || configuration
                .components
                .values()
                .any(|config| config.artifact.is_some());
        if !has_artifact && command.awaited_builds.is_empty() {
            return Err(Rejection::NoArtifact);
        }
        let base = self.base_for_release(before);
        let revision = Revision {
            id: command.revision.clone(),
            configuration,
            lineage: Some(command.release.clone()),
            created_commit: self.now.commit,
        };
        self.state.revisions.insert(revision.id.clone(), revision);
        for component in self.state.configuration.components.keys() {
            self.state.scale.entry(component.clone()).or_insert(0);
        }
        let release = self.new_release(command, base);
        let id = release.id.clone();
        let at_once =
            self.state.run != RunState::Started && command.if_stopped == IfStopped::DeployAtOnce;
        let waits = !at_once && self.must_wait();
        if waits {
            self.supersede_pending(&id);
        } else {
            self.supersede_in_flight(&id);
        }
        self.tell_release(
            &id,
            "created",
            format!("a {} release began", release.strategy.as_str()),
        );
        self.state.releases.push(release);
        if at_once {
            self.state.run = RunState::Started;
            self.relieve_restoring(&id);
            self.finish_deployed(&id);
        } else if !waits {
            self.begin(&id);
        }
        Ok(())
    }

    /// The base of a new release: of a train the first one's, beside a canceled one the same.
    fn base_for_release(&self, before: crate::configuration::Configuration) -> Base {
        let active = self.state.releases.iter().rev().find(|release| {
            (release.is_in_flight() || release.is_restoring() && !release.relieved)
                || release.state == ReleaseState::Building
        });
        if let Some(previous) = active {
            return self.base_of_train(previous);
        }
        Base {
            configuration_before: self.state.base.is_none().then_some(before),
            ..self.base_of_app()
        }
    }

    /// The base that a release hands on to the next one of its train.
    pub(super) fn base_of_train(&self, previous: &Release) -> Base {
        let scaled_since = |component: &ComponentName| {
            self.state
                .scale_changes
                .get(component)
                .is_some_and(|commit| *commit > previous.created_commit)
        };
        let count = |component: &ComponentName| {
            if scaled_since(component) {
                self.state.scale_of(component)
            } else {
                previous.base_count(component)
            }
        };
        let components = previous.base_scale.keys().chain(self.state.scale.keys());
        Base {
            revision: previous.base.clone(),
            scale: components
                .map(|component| (component.clone(), count(component)))
                .collect(),
            was_routable: previous.base_was_routable,
            was_started: previous.was_started,
            configuration_before: previous.configuration_before.clone(),
        }
    }

    /// The base of a release that finds the app at rest.
    pub(super) fn base_of_app(&self) -> Base {
        Base {
            revision: self.state.base.clone(),
            scale: self.state.scale.clone(),
            was_routable: self
                .state
                .base
                .as_ref()
                .is_some_and(|base| self.serves(base)),
            was_started: self.state.run == RunState::Started,
            configuration_before: None,
        }
    }

    /// Whether a revision serves: an instance with traffic is routable or, where it has no
    /// component with traffic, any instance is.
    fn serves(&self, revision: &RevisionId) -> bool {
        let is_routed = |component: &ComponentName| {
            self.state.role_in(revision, component) == Some(ComponentRole::Routed)
        };
        let has_routed = self.state.revisions.get(revision).is_some_and(|revision| {
            let mut names = revision.configuration.components.keys();
            names.any(|name| is_routed(name) && self.state.scale_of(name) > 0)
        });
        self.state.instances.values().any(|instance| {
            instance.revision == *revision
                && instance.is_routable()
                && (!has_routed || is_routed(&instance.component))
        })
    }

    fn new_release(&self, command: &DeployCommand, base: Base) -> Release {
        let train = base.revision.is_some();
        let mut target_scale: BTreeMap<ComponentName, u32> = self
            .state
            .configuration
            .components
            .iter()
            .filter(|(_, config)| runs(config.role))
            .map(|(name, config)| {
                // A train keeps the count of its first release.
                let count = match base.scale.get(name) {
                    Some(count) if train && config.role == ComponentRole::Routed => *count,
                    _ => self.state.scale_of(name),
                };
                (name.clone(), count)
            })
            .collect();
        target_scale.extend(command.target_scale.clone());
        Release {
            id: command.release.clone(),
            strategy: command.strategy.clone(),
            target: command.revision.clone(),
            base: base.revision,
            base_scale: base.scale,
            base_was_routable: base.was_routable,
            was_started: base.was_started,
            target_scale,
            steps: Vec::new(),
            awaited_builds: command.awaited_builds.clone(),
            state: ReleaseState::Pending,
            wanted: BTreeMap::new(),
            best_routable: BTreeMap::new(),
            jobs: Vec::new(),
            deadline: Deadline::Off,
            checks: None,
            timer_until: None,
            restore: None,
            error: None,
            created_at: self.now.wall,
            updated_at: self.now.wall,
            status_changed_at: self.now.wall,
            last_healthy_at: self.now.wall,
            created_commit: self.now.commit,
            cleanup_left: 0,
            had_share: false,
            relieved: false,
            configuration_before: base.configuration_before,
            target_edits: command.target_edits.clone(),
        }
    }

    /// Whether the policy makes a new release wait.
    fn must_wait(&self) -> bool {
        match self.state.policy {
            ConcurrencyPolicy::OneRunningNewestPending => {
                self.state.releases.iter().any(|release| {
                    release.is_in_flight() || release.state == ReleaseState::Building
                })
            }
            ConcurrencyPolicy::SupersedeNow | ConcurrencyPolicy::ParallelBuilds { .. } => false,
        }
    }

    fn supersede_pending(&mut self, by: &ReleaseId) {
        let pending: Vec<_> = self
            .state
            .releases
            .iter()
            .filter(|release| release.state == ReleaseState::Pending)
            .map(|release| release.id.clone())
            .collect();
        for id in pending {
            self.supersede(&id, by);
        }
    }

    /// The newest takes over: releases that wait or move are superseded.
    fn supersede_in_flight(&mut self, by: &ReleaseId) {
        let open: Vec<_> = self
            .state
            .releases
            .iter()
            .filter(|release| !release.is_finalized() && !release.is_restoring())
            .map(|release| release.id.clone())
            .collect();
        for id in open {
            self.supersede(&id, by);
        }
    }

    /// A release that moves carries what one that is being put back would have to restore: that
    /// one goes on winding down beside it and still ends as it was fixed.
    fn relieve_restoring(&mut self, by: &ReleaseId) {
        for release in &mut self.state.releases {
            if release.is_restoring() && !release.relieved {
                release.relieved = true;
                if let Some(restore) = &mut release.restore {
                    restore.note = Some(format!("superseded by {by}"));
                }
            }
        }
    }

    fn supersede(&mut self, id: &ReleaseId, by: &ReleaseId) {
        let now = self.now;
        let Some(release) = self.release_mut(id) else {
            return;
        };
        let while_paused = release.step().is_some_and(|step| step.gate == Gate::Manual);
        release.state = ReleaseState::Finalized {
            outcome: Outcome::Superseded { while_paused },
        };
        release.deadline = Deadline::Off;
        release.error = None;
        release.updated_at = now.wall;
        release.status_changed_at = now.wall;
        release.cancel_jobs();
        let builds = release.awaited_builds.clone();
        self.release_builds(&builds, "superseded");
        self.tell_release(id, "superseded", format!("a newer release {by} took over"));
    }

    /// Lets a release move: compiles its steps and starts its clock.
    pub(super) fn begin(&mut self, id: &ReleaseId) {
        let waits_for_build = self.state.release(id).is_some_and(|release| {
            release.awaited_builds.iter().any(|wanted| {
                self.state
                    .builds
                    .iter()
                    .any(|build| build.id == *wanted && !build.is_finished())
            })
        });
        let wall = self.now.wall;
        if waits_for_build {
            if let Some(release) = self.release_mut(id) {
                release.state = ReleaseState::Building;
                release.updated_at = wall;
                release.status_changed_at = wall;
            }
            return;
        }
        if self.state.run != RunState::Started && self.state.run != RunState::Deleted {
            self.state.run = RunState::Started;
        }
        let Some(release) = self.state.release(id) else {
            return;
        };
        let steps = compile(&release.strategy, &self.parts(release));
        let deadline = self.fresh_deadline(id);
        self.relieve_restoring(id);
        if let Some(release) = self.release_mut(id) {
            release.steps = steps;
            release.state = ReleaseState::RollingOut { step: 0 };
            release.deadline = deadline;
            release.updated_at = wall;
            release.status_changed_at = wall;
        }
    }

    /// What the compiler of steps has to know.
    fn parts(&self, release: &Release) -> Parts {
        let mut parts = Parts {
            keep_base_warm: self.state.settings.keep_base_warm,
            ..Parts::default()
        };
        let configuration = |id: &crate::id::RevisionId| {
            self.state
                .revisions
                .get(id)
                .map(|revision| &revision.configuration)
        };
        let base = release.base.as_ref().and_then(configuration);
        let Some(target) = configuration(&release.target) else {
            return parts;
        };
        parts.before = target.has_jobs(JobKind::PreDeploy);
        parts.after = target.has_jobs(JobKind::PostDeploy);
        for (name, config) in &target.components {
            let goal = release.target_scale.get(name).copied().unwrap_or(0);
            let sizes = Sizes {
                // Where nothing ran before, steps are portions of the goal.
                base: if release.base.is_some() && release.was_started {
                    self.state.needed(release, name)
                } else {
                    goal
                },
                goal,
            };
            match config.role {
                ComponentRole::Routed => parts.routed.insert(name.clone(), sizes),
                ComponentRole::Worker => parts.others.insert(name.clone(), sizes),
                ComponentRole::Job(_) | ComponentRole::Static | ComponentRole::Template => None,
            };
        }
        for (name, config) in base.into_iter().flat_map(|base| &base.components) {
            if config.role == ComponentRole::Worker && !target.components.contains_key(name) {
                let sizes = Sizes {
                    base: self.state.needed(release, name),
                    goal: 0,
                };
                parts.others.insert(name.clone(), sizes);
            }
        }
        parts
    }

    /// A deadline that begins now: the setting of the app, but never shorter than the longest
    /// start-up that a health check of the target allows.
    pub(super) fn fresh_deadline(&self, id: &ReleaseId) -> Deadline {
        let Some(setting) = self.state.settings.deadline_ms else {
            return Deadline::Off;
        };
        let longest_start_ms = self
            .state
            .release(id)
            .and_then(|release| self.state.revisions.get(&release.target))
            .into_iter()
            .flat_map(|revision| revision.configuration.components.values())
            .filter(|config| runs(config.role))
            .map(|config| {
                let timeout = config.health.start_timeout_secs;
                timeout.unwrap_or(limits::START_TIMEOUT_SECS)
            })
            .max()
            .unwrap_or(0)
            .saturating_mul(1_000);
        Deadline::Running {
            at: self.now.uptime.plus_ms(setting.max(longest_start_ms)),
        }
    }
}

/// Refuses what is larger than the engine's limits.
fn check_sizes(command: &DeployCommand) -> Result<(), Rejection> {
    if let Strategy::Canary { weights, .. } = &command.strategy
        && weights.len() > limits::STEPS_MAX
    {
        return Err(Rejection::LimitExceeded {
            what: "steps",
            limit: limits::STEPS_MAX as u64,
        });
    }
    let largest = command.target_scale.values().max().copied().unwrap_or(0);
    if largest > limits::INSTANCES_MAX {
        return Err(Rejection::LimitExceeded {
            what: "instances",
            limit: u64::from(limits::INSTANCES_MAX),
        });
    }
    Ok(())
}

fn runs(role: ComponentRole) -> bool {
    match role {
        ComponentRole::Routed | ComponentRole::Worker => true,
        ComponentRole::Job(_) | ComponentRole::Static | ComponentRole::Template => false,
    }
}
