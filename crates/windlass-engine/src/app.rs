//! The state of one app: the unit of consistency of the engine.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::build::Build;
use crate::configuration::{ComponentConfig, ComponentRole, Configuration, Key};
use crate::id::{
    AppId, BuildId, CommitNumber, ComponentName, InstanceId, PlanGeneration, ReleaseId, RevisionId,
    RowRevision, TaskId,
};
use crate::instance::Instance;
use crate::limits;
use crate::release::Release;
use crate::revision::Revision;
use crate::task::Task;
use crate::time::Uptime;

/// All that one decision about an app can touch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppState {
    /// Version of this document.
    pub document_version: u32,
    /// Whose state.
    pub app: AppId,
    /// Compare-and-set number: grows with each commit.
    pub row_revision: RowRevision,
    /// Fencing number: grows only when the plan changes.
    pub plan_generation: PlanGeneration,
    /// Whether it should run.
    pub run: RunState,
    /// What a new release does to others.
    pub policy: ConcurrencyPolicy,
    /// Settings of this app.
    pub settings: AppSettings,
    /// What users see and write.
    pub configuration: Configuration,
    /// Desired instances per component.
    pub scale: BTreeMap<ComponentName, u32>,
    /// Commit of the last scaling of a component by a user.
    pub scale_changes: BTreeMap<ComponentName, CommitNumber>,
    /// Last write of each key by a user since the last Deployed.
    #[serde(with = "change_list")]
    pub changes: BTreeMap<Key, KeyChange>,
    /// Revisions that something refers to.
    pub revisions: BTreeMap<RevisionId, Revision>,
    /// Versions that have a host of their own, beside what the app itself runs.
    #[serde(default)]
    pub published: BTreeMap<RevisionId, Published>,
    /// What the app was last set to run outside a release.
    pub base: Option<RevisionId>,
    /// Releases that are not over, or whose instances still run; oldest first.
    pub releases: Vec<Release>,
    /// Instances, by number.
    pub instances: BTreeMap<InstanceId, Instance>,
    /// Next number of an instance.
    pub next_instance: InstanceId,
    /// Builds that are not over; oldest first.
    pub builds: Vec<Build>,
    /// Tasks that are not over; oldest first.
    pub tasks: Vec<Task>,
    /// Instances that are still to be restarted in place, one at a time per revision.
    pub restarts: BTreeSet<InstanceId>,
    /// Highest table generation that every router worker uses, as far as something waited for it.
    pub acknowledged: PlanGeneration,
    /// Uptime of the last input: after a reboot clocks are shifted by it.
    pub last_uptime: Uptime,
}

/// Whether an app should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Nothing of it runs.
    Stopped,
    /// It runs.
    Started,
    /// It is deleted; what runs is being ended.
    Deleted,
}

/// A version with a host of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Published {
    /// The build that made it.
    pub build: Option<BuildId>,
    /// Commit that asked for it, which orders versions: a build that takes long makes none newer.
    pub commit: CommitNumber,
    /// When it was last said that the quota has no room for an instance of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_at: Option<Uptime>,
}

/// What a new release or build does to others of its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcurrencyPolicy {
    /// The newest takes over at once.
    SupersedeNow,
    /// One runs; the newest waits; older waiting ones are superseded.
    OneRunningNewestPending,
    /// Builds run side by side.
    ParallelBuilds {
        /// How many at once.
        slots: u32,
    },
}

/// Settings of an app; times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AppSettings {
    /// Longest time without progress; `None` = no deadline.
    pub deadline_ms: Option<u64>,
    /// How long an instance may finish its requests.
    pub drain_limit_ms: u64,
    /// Between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// Whether all instances of the base stay until a release is deployed.
    pub keep_base_warm: bool,
    /// What a cancel puts back.
    pub cancel_restores: CancelRestores,
    /// Deployed releases whose artifacts are kept to return to.
    #[serde(default)]
    pub releases_to_return_to: u32,
    /// Whether a client with a session goes to any instance, not to the one that began it.
    #[serde(default)]
    pub sessions_roam: bool,
    /// An instance on demand without a request for so long is stopped, milliseconds.
    #[serde(default = "default_idle_limit_ms")]
    pub idle_limit_ms: u64,
    /// Whether a build that succeeds opens the release that it was created with.
    #[serde(default = "default_releases_built")]
    pub releases_built: bool,
    /// Whether answers say which version gave them while visitors are divided.
    #[serde(default)]
    pub names_versions: bool,
}

fn default_idle_limit_ms() -> u64 {
    limits::IDLE_LIMIT_MS
}

fn default_releases_built() -> bool {
    true
}

impl Default for AppSettings {
    fn default() -> Self {
        Self {
            deadline_ms: Some(limits::DEADLINE_MS),
            drain_limit_ms: limits::DRAIN_LIMIT_MS,
            grace_ms: limits::GRACE_MS,
            keep_base_warm: false,
            cancel_restores: CancelRestores::Everything,
            releases_to_return_to: 0,
            sessions_roam: false,
            idle_limit_ms: limits::IDLE_LIMIT_MS,
            releases_built: true,
            names_versions: false,
        }
    }
}

/// What a cancel puts back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelRestores {
    /// Every key.
    Everything,
    /// Only the artifact.
    Artifact,
}

/// The last write of a key by a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyChange {
    /// Commit of the write.
    pub commit: CommitNumber,
    /// Who wrote.
    pub actor: String,
}

impl AppState {
    /// An app that was just created: stopped, without configuration.
    pub fn new(app: AppId, policy: ConcurrencyPolicy, settings: AppSettings) -> Self {
        Self {
            document_version: limits::DOCUMENT_VERSION,
            app,
            row_revision: RowRevision(0),
            plan_generation: PlanGeneration(0),
            run: RunState::Stopped,
            policy,
            settings,
            configuration: Configuration::default(),
            scale: BTreeMap::new(),
            scale_changes: BTreeMap::new(),
            changes: BTreeMap::new(),
            revisions: BTreeMap::new(),
            published: BTreeMap::new(),
            base: None,
            releases: Vec::new(),
            instances: BTreeMap::new(),
            next_instance: InstanceId(1),
            builds: Vec::new(),
            tasks: Vec::new(),
            restarts: BTreeSet::new(),
            acknowledged: PlanGeneration(0),
            last_uptime: Uptime(0),
        }
    }

    /// An app that runs from the beginning, though it has nothing to run yet: what is published
    /// or released later needs no start.
    pub fn started(app: AppId, policy: ConcurrencyPolicy, settings: AppSettings) -> Self {
        Self {
            run: RunState::Started,
            ..Self::new(app, policy, settings)
        }
    }

    /// The release that decides now: the one that moves, else the newest that is being put back.
    /// One that a newer release relieved only winds down; it decides nothing any more.
    pub fn governing(&self) -> Option<&Release> {
        self.in_flight().or_else(|| {
            self.releases
                .iter()
                .rev()
                .find(|release| release.is_restoring() && !release.relieved)
        })
    }

    /// Whether a release waits, moves or is being put back: then start and restart do not change
    /// the base.
    pub fn has_open_release(&self) -> bool {
        self.releases
            .iter()
            .any(|release| !release.is_finalized() && !release.relieved)
    }

    /// The release in flight, if there is one.
    pub fn in_flight(&self) -> Option<&Release> {
        self.releases
            .iter()
            .rev()
            .find(|release| release.is_in_flight())
    }

    /// A release by id.
    pub fn release(&self, id: &ReleaseId) -> Option<&Release> {
        self.releases.iter().find(|release| release.id == *id)
    }

    /// A task by id.
    pub fn task(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id == *id)
    }

    /// Part that a component plays in a revision.
    pub fn role_in(
        &self,
        revision: &RevisionId,
        component: &ComponentName,
    ) -> Option<ComponentRole> {
        self.config_in(revision, component)
            .map(|config| config.role)
    }

    /// Instances that the base of a release needs now: its own scale, or what a user has set
    /// since; none while the app is not started, and none when it was not before the release.
    pub fn needed(&self, release: &Release, component: &ComponentName) -> u32 {
        if self.run == RunState::Started {
            self.needed_once_started(release, component)
        } else {
            0
        }
    }

    /// The same, also while the app is not started.
    pub(crate) fn needed_once_started(&self, release: &Release, component: &ComponentName) -> u32 {
        let has_it = release
            .base
            .as_ref()
            .and_then(|base| self.role_in(base, component))
            .is_some_and(ComponentRole::runs_instances);
        if !release.was_started || !has_it {
            return 0;
        }
        match self.scale_changes.get(component) {
            Some(commit) if *commit > release.created_commit => self.scale_of(component),
            _ => release.base_count(component),
        }
    }

    /// Instances that the target of a release shall have: what it was created with, or what a user
    /// has set since.
    pub fn goal(&self, release: &Release, component: &ComponentName) -> u32 {
        match self.scale_changes.get(component) {
            Some(commit) if *commit > release.created_commit => self.scale_of(component),
            _ => release.target_scale.get(component).copied().unwrap_or(0),
        }
    }

    /// Every component that has instances or that a revision in use has.
    pub fn components(&self) -> BTreeSet<ComponentName> {
        let mut names: BTreeSet<ComponentName> = self
            .instances
            .values()
            .map(|instance| instance.component.clone())
            .collect();
        for revision in self.revisions.values() {
            names.extend(revision.configuration.components.keys().cloned());
        }
        names
    }

    /// Part that a component plays: what the newest revision that has it says, where one that
    /// runs instances goes before one that does not.
    pub fn role_of(&self, component: &ComponentName) -> Option<ComponentRole> {
        let mut first = None;
        let target = self.governing().map(|release| &release.target);
        for revision in target
            .into_iter()
            .chain(self.base.as_ref())
            .chain(self.revisions.keys())
        {
            let role = self.role_in(revision, component);
            if role.is_some_and(ComponentRole::runs_instances) {
                return role;
            }
            first = first.or(role);
        }
        first
    }

    /// Whether any version of a component gets traffic.
    pub fn is_served(&self, component: &ComponentName) -> bool {
        self.revisions
            .keys()
            .any(|revision| match self.role_in(revision, component) {
                Some(ComponentRole::Routed | ComponentRole::Static | ComponentRole::OnDemand) => {
                    true
                }
                Some(ComponentRole::Worker | ComponentRole::Job(_) | ComponentRole::Template)
                | None => false,
            })
    }

    /// The revision whose ingress rules are in force: the target's from the moment at which all
    /// traffic is meant for it.
    pub fn ingress_revision(&self) -> Option<&RevisionId> {
        match self.governing() {
            None => self.base.as_ref(),
            Some(release) if release.is_restoring() => release.base.as_ref(),
            Some(release) if release.has_moved() => Some(&release.target),
            Some(release) => release.base.as_ref().or(Some(&release.target)),
        }
    }

    /// How long instances of a component of a revision may finish their requests, milliseconds.
    pub fn drain_limit_ms(&self, revision: &RevisionId, component: &ComponentName) -> u64 {
        self.config_in(revision, component)
            .and_then(|config| config.drain_limit_ms)
            .unwrap_or(self.settings.drain_limit_ms)
    }

    /// Time between SIGTERM and SIGKILL of a component of a revision, milliseconds.
    pub fn grace_ms(&self, revision: &RevisionId, component: &ComponentName) -> u64 {
        self.config_in(revision, component)
            .and_then(|config| config.grace_ms)
            .unwrap_or(self.settings.grace_ms)
    }

    fn config_in(
        &self,
        revision: &RevisionId,
        component: &ComponentName,
    ) -> Option<&ComponentConfig> {
        self.revisions
            .get(revision)
            .and_then(|revision| revision.configuration.components.get(component))
    }

    /// Desired instances of a component.
    pub fn scale_of(&self, component: &ComponentName) -> u32 {
        self.scale.get(component).copied().unwrap_or(0)
    }

    /// Instances of a component of a revision that are meant to serve (not on their way out).
    pub fn serving<'a>(
        &'a self,
        revision: &'a RevisionId,
        component: &'a ComponentName,
    ) -> impl Iterator<Item = &'a Instance> {
        self.instances.values().filter(move |instance| {
            instance.revision == *revision
                && instance.component == *component
                && !instance.is_ending()
        })
    }

    /// How many of them are routable.
    pub fn routable(&self, revision: &RevisionId, component: &ComponentName) -> u32 {
        let count = self
            .serving(revision, component)
            .filter(|i| i.is_routable())
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether anything of a revision still runs.
    pub fn has_instances_of(&self, revision: &RevisionId) -> bool {
        self.instances
            .values()
            .any(|instance| instance.revision == *revision)
    }

    /// Whether nothing is left to do for it but to run.
    pub fn is_settled(&self) -> bool {
        self.releases.iter().all(Release::is_finalized)
            && self.builds.iter().all(Build::is_finished)
            && self.tasks.iter().all(Task::is_finished)
            && self
                .instances
                .values()
                .all(|i| !i.is_ending() && !i.is_starting())
    }
}

/// The change list as a list of pairs: keys are no texts, so JSON has no map of them.
mod change_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::KeyChange;
    use crate::configuration::Key;

    pub(super) fn serialize<S: Serializer>(
        changes: &BTreeMap<Key, KeyChange>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(changes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Key, KeyChange>, D::Error> {
        let list = Vec::<(Key, KeyChange)>::deserialize(deserializer)?;
        Ok(list.into_iter().collect())
    }
}
