//! What is known of everything that ever was, to judge later commits by. It goes back with the
//! store when commits are lost; what clients were told does not.

use std::collections::{BTreeMap, BTreeSet};

use windlass_engine::app::AppState;
use windlass_engine::build::{BuildOutcome, BuildState};
use windlass_engine::id::{BuildId, ComponentName, ReleaseId, RevisionId, TaskId};
use windlass_engine::plan::Plan;
use windlass_engine::release::{Outcome, Release};
use windlass_engine::task::TaskState;

use crate::store::Answer;
use crate::tally::Tally;

/// What is known of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) target: RevisionId,
    /// Fixed on entry of the restoring state or reached, for ever.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) is_finalized: bool,
    /// Whether a table without its target was acknowledged.
    pub(crate) is_safe: bool,
    /// Lowest share since its cancel, per component.
    pub(crate) lowest: BTreeMap<ComponentName, u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Past {
    Release(ReleaseId, Option<Fate>),
    Task(TaskId, Option<TaskState>),
    Build(BuildId, Option<BuildState>),
}

#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) releases: BTreeMap<ReleaseId, Fate>,
    pub(crate) tasks: BTreeMap<TaskId, TaskState>,
    pub(crate) builds: BTreeMap<BuildId, BuildState>,
    undo: Vec<Past>,
    /// Told to clients; never taken back.
    pub(crate) created: BTreeSet<ReleaseId>,
    pub(crate) canceled: BTreeMap<ReleaseId, Outcome>,
    pub(crate) canceled_tasks: BTreeSet<TaskId>,
    pub(crate) canceled_builds: BTreeSet<BuildId>,
    pub(crate) is_deleted: bool,
    /// Versions that lost an instance in their middle while a release moved: what has no traffic
    /// goes first then, whatever its index.
    pub(crate) gaps: BTreeSet<RevisionId>,
}

impl History {
    /// Notes a commit.
    pub(crate) fn note(&mut self, state: &AppState, plan: &Plan) {
        if state.governing().is_some() {
            self.note_gaps(state);
        }
        for release in &state.releases {
            let known = self.releases.get(&release.id);
            let fate = fate_of(release, known, plan);
            if known != Some(&fate) {
                let before = self.releases.insert(release.id.clone(), fate);
                self.undo.push(Past::Release(release.id.clone(), before));
            }
        }
        for task in &state.tasks {
            if self.tasks.get(&task.id) != Some(&task.state) {
                let before = self.tasks.insert(task.id.clone(), task.state.clone());
                self.undo.push(Past::Task(task.id.clone(), before));
            }
        }
        for build in &state.builds {
            if self.builds.get(&build.id) != Some(&build.state) {
                let before = self.builds.insert(build.id.clone(), build.state.clone());
                self.undo.push(Past::Build(build.id.clone(), before));
            }
        }
    }

    fn note_gaps(&mut self, state: &AppState) {
        let mut next: BTreeMap<(&RevisionId, &ComponentName), (u32, u32)> = BTreeMap::new();
        for instance in state.instances.values().filter(|i| !i.is_ending()) {
            let place = (&instance.revision, &instance.component);
            let (count, highest) = next.entry(place).or_default();
            *count += 1;
            *highest = (*highest).max(instance.index + 1);
        }
        let gapped = next
            .into_iter()
            .filter(|(_, (count, highest))| count < highest);
        self.gaps
            .extend(gapped.map(|((revision, _), _)| revision.clone()));
    }

    pub(crate) fn sync(&mut self) {
        self.undo.clear();
    }

    /// Goes back to the last sync.
    pub(crate) fn crash(&mut self) {
        while let Some(past) = self.undo.pop() {
            match past {
                Past::Release(id, before) => put_back(&mut self.releases, id, before),
                Past::Task(id, before) => put_back(&mut self.tasks, id, before),
                Past::Build(id, before) => put_back(&mut self.builds, id, before),
            }
        }
    }

    pub(crate) fn tell(&mut self, answer: Answer) {
        match answer {
            Answer::Created(release) => {
                self.created.insert(release);
            }
            Answer::Canceled(release, outcome) => {
                self.canceled.entry(release).or_insert(outcome);
            }
            Answer::TaskCanceled(task) => {
                self.canceled_tasks.insert(task);
            }
            Answer::BuildCanceled(build) => {
                self.canceled_builds.insert(build);
            }
            Answer::Deleted => self.is_deleted = true,
        }
    }

    /// What is known of the release that moved to a revision: in these worlds the revision of `r1`
    /// is `vr1`.
    pub(crate) fn of_target(&self, revision: &RevisionId) -> Option<&Fate> {
        let fate = self.releases.get(revision.as_str().strip_prefix('v')?)?;
        (fate.target == *revision).then_some(fate)
    }

    /// Whether a revision is the target of a canceled release that must have no share any more.
    pub(crate) fn is_safe(&self, revision: &RevisionId) -> bool {
        self.of_target(revision).is_some_and(|fate| fate.is_safe)
    }

    /// How everything ended.
    pub(crate) fn counts_into(&self, tally: &mut Tally) {
        for fate in self.releases.values() {
            if let Some(outcome) = &fate.outcome {
                tally.outcome(format!("release {}", outcome.as_str()));
            }
        }
        for task in self.tasks.values() {
            tally.outcome(format!("task {}", task.as_str()));
        }
        for build in self.builds.values() {
            tally.outcome(match build {
                BuildState::Finished {
                    outcome: BuildOutcome::Built,
                } => "build built",
                BuildState::Finished {
                    outcome: BuildOutcome::Canceled,
                } => "build canceled",
                BuildState::Finished {
                    outcome: BuildOutcome::Superseded,
                } => "build superseded",
                BuildState::Finished {
                    outcome: BuildOutcome::Failed { .. },
                } => "build failed",
                _ => "build without an end",
            });
        }
    }

    /// How a build ended, if it did.
    pub(crate) fn build_outcome(&self, build: &BuildId) -> Option<&BuildOutcome> {
        match self.builds.get(build)? {
            BuildState::Finished { outcome } | BuildState::Canceling { outcome } => Some(outcome),
            BuildState::Queued | BuildState::Running => None,
        }
    }
}

fn fate_of(release: &Release, known: Option<&Fate>, plan: &Plan) -> Fate {
    let mut lowest = known.map(|fate| fate.lowest.clone()).unwrap_or_default();
    if let Some(restore) = &release.restore {
        for component in restore.share_at_commit.keys().chain(plan.routes.keys()) {
            let share = plan.share_of(component, &release.target);
            let entry = lowest.entry(component.clone()).or_insert(share);
            *entry = (*entry).min(share);
        }
    }
    Fate {
        target: release.target.clone(),
        outcome: release.outcome().cloned(),
        is_finalized: release.is_finalized(),
        is_safe: release.restore.as_ref().is_some_and(|restore| restore.safe),
        lowest,
    }
}

fn put_back<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, before: Option<V>) {
    match before {
        Some(value) => {
            map.insert(key, value);
        }
        None => {
            map.remove(&key);
        }
    }
}
