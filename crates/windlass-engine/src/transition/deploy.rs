//! Creating a release, and beginning it.

use std::collections::{BTreeMap, BTreeSet};

use super::Work;
use crate::app::{ConcurrencyPolicy, RunState};
use crate::configuration::{ComponentRole, Configuration, JobKind};
use crate::id::{ComponentName, ReleaseId, RevisionId};
use crate::input::{DeployCommand, IfStopped};
use crate::limits;
use crate::rejection::Rejection;
use crate::release::{Deadline, Outcome, Release, ReleaseState};
use crate::revision::Revision;
use crate::strategy::{Gate, Parts, Sizes, Strategy, compile, steps_of_stages};

/// What a release restores if it is canceled.
pub(super) struct Base {
    pub(super) revision: Option<RevisionId>,
    pub(super) scale: BTreeMap<ComponentName, u32>,
    pub(super) was_routable: bool,
    pub(super) down: BTreeSet<ComponentName>,
    pub(super) was_started: bool,
    configuration_before: Option<Configuration>,
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
        if self.state.published.contains_key(&command.revision) {
            return self.deploy_published(command, before);
        }
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
        self.open(command, base);
        Ok(())
    }

    /// A version that is there already: the app's configuration becomes what it runs.
    fn deploy_published(
        &mut self,
        command: &DeployCommand,
        before: Configuration,
    ) -> Result<(), Rejection> {
        let Some(revision) = self.state.revisions.get(&command.revision) else {
            return Err(Rejection::UnknownRevision(command.revision.clone()));
        };
        self.state.configuration = revision.configuration.clone();
        let base = self.base_for_release(before);
        self.open(command, base);
        Ok(())
    }

    fn open(&mut self, command: &DeployCommand, base: Base) {
        for component in self.state.configuration.components.keys() {
            self.state.scale.entry(component.clone()).or_insert(0);
        }
        let release = self.new_release(command, base);
        let id = release.id.clone();
        let at_once =
            self.state.run != RunState::Started && command.if_stopped == IfStopped::DeployAtOnce;
        let waits = !at_once && self.must_wait(&release.strategy);
        self.supersede_at_creation(&release, at_once, waits);
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
    }

    /// The base of a new release: of a train the first one's, beside a canceled one the same. One
    /// that only waits has moved nothing: beside it the base is what the app runs now.
    fn base_for_release(&self, before: Configuration) -> Base {
        let mut newest_first = self.state.releases.iter().rev();
        let active = newest_first
            .find(|release| release.is_in_flight() || release.is_restoring() && !release.relieved);
        if let Some(previous) = active {
            return self.base_of_train(previous);
        }
        let waiting = self.state.releases.iter().find(|release| {
            matches!(
                release.state,
                ReleaseState::Pending | ReleaseState::Building
            )
        });
        let before = match waiting.and_then(|release| release.configuration_before.clone()) {
            Some(earlier) => earlier,
            None => before,
        };
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
            down: previous.base_down.clone(),
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
            down: self
                .state
                .base
                .as_ref()
                .map(|base| self.workers_down(base))
                .unwrap_or_default(),
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
        let needs_none = |revision: &Revision| {
            let mut components = revision.configuration.components.values();
            components.any(|config| config.role == ComponentRole::OnDemand)
        };
        if !has_routed && self.state.revisions.get(revision).is_some_and(needs_none) {
            return self.state.run == RunState::Started;
        }
        self.state.instances.values().any(|instance| {
            instance.revision == *revision
                && instance.is_routable()
                && (!has_routed || is_routed(&instance.component))
        })
    }

    /// Components without traffic that should run and of which no instance does.
    fn workers_down(&self, revision: &RevisionId) -> BTreeSet<ComponentName> {
        let components = self.state.components();
        components
            .into_iter()
            .filter(|component| {
                self.state.role_in(revision, component) == Some(ComponentRole::Worker)
                    && self.state.scale_of(component) > 0
                    && self.state.routable(revision, component) == 0
            })
            .collect()
    }

    /// What a release that has waited restores is what there is when it begins: what was deployed
    /// meanwhile, or the base of what still moves or is being put back.
    pub(super) fn rebase(&mut self, id: &ReleaseId) {
        let previous = self.state.releases.iter().rev().find(|release| {
            release.id != *id
                && (release.is_in_flight() || release.is_restoring() && !release.relieved)
        });
        let base = match previous {
            Some(previous) => self.base_of_train(previous),
            None => self.base_of_app(),
        };
        if let Some(release) = self.release_mut(id) {
            if base.revision.is_some() {
                release.configuration_before = None;
            }
            release.base = base.revision;
            release.base_scale = base.scale;
            release.base_was_routable = base.was_routable;
            release.base_down = base.down;
            release.was_started = base.was_started;
        }
    }

    fn new_release(&self, command: &DeployCommand, base: Base) -> Release {
        let train = base.revision.is_some();
        let mut target_scale: BTreeMap<ComponentName, u32> = self
            .state
            .configuration
            .components
            .iter()
            .filter(|(_, config)| config.role.runs_instances())
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
            base_down: base.down,
            was_started: base.was_started,
            target_scale,
            steps: Vec::new(),
            last_step: 0,
            awaited_builds: command.awaited_builds.clone(),
            state: ReleaseState::Pending,
            wanted: BTreeMap::new(),
            best_routable: BTreeMap::new(),
            jobs: Vec::new(),
            deadline: Deadline::Off,
            checks: None,
            awaits_checks: false,
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
            served: BTreeSet::new(),
            relieved: false,
            configuration_before: base.configuration_before,
            target_edits: command.target_edits.clone(),
        }
    }

    /// Whether the policy makes a new release wait.
    fn must_wait(&self, strategy: &Strategy) -> bool {
        match self.state.policy {
            ConcurrencyPolicy::OneRunningNewestPending => {
                self.state.releases.iter().any(|release| {
                    release.is_in_flight() || release.state == ReleaseState::Building
                })
            }
            // One after the other goes through its stages; what is instant takes over.
            ConcurrencyPolicy::ParallelBuilds { .. } => {
                matches!(strategy, Strategy::Stages(_))
                    && self
                        .state
                        .in_flight()
                        .is_some_and(|moving| matches!(moving.strategy, Strategy::Stages(_)))
            }
            ConcurrencyPolicy::SupersedeNow => false,
        }
    }

    /// What a new release takes over at once. One that waits for its builds lets go on what
    /// moves: until it begins nothing else carries that part of the load.
    fn supersede_at_creation(&mut self, release: &Release, at_once: bool, waits: bool) {
        let by = &release.id;
        if at_once {
            self.supersede_where(by, |_| true);
        } else if waits {
            self.supersede_where(by, |other| other.state == ReleaseState::Pending);
        } else {
            let keeps_builds = match self.state.policy {
                ConcurrencyPolicy::SupersedeNow | ConcurrencyPolicy::OneRunningNewestPending => {
                    false
                }
                // An older one may finish its build: it is judged when it has.
                ConcurrencyPolicy::ParallelBuilds { .. } => true,
            };
            let builds = self.awaits_builds(release);
            self.supersede_where(by, |other| match other.state {
                ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. } => !builds,
                ReleaseState::Building => !keeps_builds,
                ReleaseState::Pending => true,
                ReleaseState::Restoring { .. } | ReleaseState::Finalized { .. } => false,
            });
        }
    }

    /// A release begins: it takes over from those that move.
    fn supersede_in_flight(&mut self, by: &ReleaseId) {
        self.supersede_where(by, Release::is_in_flight);
    }

    fn supersede_where(&mut self, by: &ReleaseId, choose: impl Fn(&Release) -> bool) {
        let chosen: Vec<_> = self
            .state
            .releases
            .iter()
            .filter(|other| !other.is_finalized() && !other.is_restoring() && other.id != *by)
            .filter(|other| choose(other))
            .map(|other| other.id.clone())
            .collect();
        for id in chosen {
            self.supersede(&id, by);
        }
    }

    /// Whether a release has builds to wait for.
    fn awaits_builds(&self, release: &Release) -> bool {
        release.awaited_builds.iter().any(|wanted| {
            let mut builds = self.state.builds.iter();
            builds.any(|build| build.id == *wanted && !build.is_finished())
        })
    }

    /// A newer release that moves, or was deployed, while this one waited.
    fn overtaken_by(&self, id: &ReleaseId) -> Option<ReleaseId> {
        let created = self.state.release(id)?.created_commit;
        let moving = self
            .state
            .in_flight()
            .filter(|newer| newer.id != *id && newer.created_commit > created)
            .map(|newer| newer.id.clone());
        let deployed = || {
            let base = self.state.revisions.get(self.state.base.as_ref()?)?;
            let lineage = base.lineage.clone()?;
            (base.created_commit > created && lineage != *id).then_some(lineage)
        };
        moving.or_else(deployed)
    }

    /// Lets a release begin that has waited for its turn or its builds. What a newer one has
    /// taken meanwhile an older one never takes back.
    pub(super) fn begin_late(&mut self, id: &ReleaseId) {
        if let Some(newer) = self.overtaken_by(id) {
            self.supersede(id, &newer);
            return;
        }
        self.rebase(id);
        let builds = self
            .state
            .release(id)
            .is_some_and(|release| self.awaits_builds(release));
        if !builds {
            self.supersede_in_flight(id);
        }
        self.begin(id);
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
        let builds = self
            .state
            .release(id)
            .is_some_and(|release| self.awaits_builds(release));
        let wall = self.now.wall;
        if builds {
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
        let goals: BTreeMap<_, _> = release
            .target_scale
            .keys()
            .map(|name| (name.clone(), self.state.goal(release, name)))
            .collect();
        let steps = compile(&release.strategy, &self.parts(release));
        let deadline = self.fresh_deadline(id);
        self.relieve_restoring(id);
        if let Some(release) = self.release_mut(id) {
            release.steps = steps;
            release.target_scale = goals;
            release.state = ReleaseState::RollingOut { step: 0 };
            release.deadline = deadline;
            release.updated_at = wall;
            release.status_changed_at = wall;
        }
    }

    /// What the compiler of steps has to know.
    pub(super) fn parts(&self, release: &Release) -> Parts {
        let mut parts = Parts {
            keep_base_warm: self.state.settings.keep_base_warm,
            checks: release.awaits_checks,
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
            let goal = self.state.goal(release, name);
            let sizes = Sizes {
                // Where nothing ran before, steps are portions of the goal.
                base: match self.state.needed(release, name) {
                    0 => goal,
                    needed => needed,
                },
                goal,
            };
            match config.role {
                ComponentRole::Routed => parts.routed.insert(name.clone(), sizes),
                ComponentRole::Worker => parts.others.insert(name.clone(), sizes),
                ComponentRole::Job(_)
                | ComponentRole::Static
                | ComponentRole::OnDemand
                | ComponentRole::Template => None,
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
            .filter(|config| config.role.runs_instances())
            .map(|config| {
                let timeout = config.health.start_timeout_secs;
                let delay = config.health.initial_delay_secs.unwrap_or(0);
                let timeout = timeout.unwrap_or(limits::START_TIMEOUT_SECS);
                timeout.saturating_add(delay)
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
    let steps = match &command.strategy {
        Strategy::Canary { weights, .. } => weights.len(),
        // Each rises to its share by whole percents at most.
        Strategy::Stages(stages) if stages.len() > limits::STEPS_MAX => stages.len(),
        Strategy::Stages(stages) => steps_of_stages(stages).len(),
        Strategy::Rolling { .. } | Strategy::Recreate | Strategy::BlueGreen | Strategy::Instant => {
            1
        }
    };
    if steps > limits::STEPS_MAX {
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
