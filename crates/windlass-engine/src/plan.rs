//! `plan`: what should run, which shares are in force, when to wake. Level-triggered: computed
//! anew from the state at every wake-up, so that a crash loses nothing.

use std::collections::BTreeMap;

use crate::app::{AppState, RunState};
use crate::build::BuildState;
use crate::configuration::{ComponentRole, IngressRule};
use crate::id::{BuildId, ComponentName, InstanceId, ReleaseId, RevisionId, TaskId};
use crate::instance::InstancePhase;
use crate::limits::SHARE_ALL;
use crate::release::{Deadline, JobState};
use crate::shares::shares;
use crate::task::TaskState;
use crate::time::{Now, Uptime};

/// What should be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Instances that should run or be ended. What is not listed should not run.
    pub instances: Vec<PlannedInstance>,
    /// Tasks that should run or be ended.
    pub tasks: Vec<(TaskId, Want)>,
    /// Builds that should run or be ended, with the number of their run.
    pub builds: Vec<(BuildId, u32, Want)>,
    /// Jobs that should run or be ended.
    pub jobs: Vec<(ReleaseId, ComponentName, Want)>,
    /// Shares per component that gets traffic.
    pub routes: BTreeMap<ComponentName, Vec<VersionShare>>,
    /// Components on demand of every published version, with their routable instances.
    pub published: BTreeMap<(RevisionId, ComponentName), Vec<InstanceId>>,
    /// Rules of paths that are in force.
    pub ingress: Vec<IngressRule>,
    /// When to look again, if nothing else happens.
    pub wake_at: Option<Uptime>,
}

/// Whether something should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    /// It should run.
    Run,
    /// It should be ended.
    Stop,
}

/// One instance of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedInstance {
    /// Its number.
    pub id: InstanceId,
    /// Which start of it.
    pub run: u32,
    /// What it runs.
    pub component: ComponentName,
    /// In which revision.
    pub revision: RevisionId,
    /// Its index.
    pub index: u32,
    /// Whether it should run.
    pub want: Want,
}

/// Share of one version of a routed component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionShare {
    /// The version.
    pub revision: RevisionId,
    /// Its share, in 1/10,000. Shares of a component add up to 10,000, or there is none.
    pub share: u16,
    /// Its routable instances; a static version has none and needs none.
    pub instances: Vec<InstanceId>,
}

/// Computes the plan.
pub fn plan(state: &AppState, now: Now) -> Plan {
    Plan {
        instances: planned_instances(state),
        tasks: state
            .tasks
            .iter()
            .filter_map(|task| {
                let want = match task.state {
                    TaskState::Pending | TaskState::Running => Want::Run,
                    TaskState::Canceling => Want::Stop,
                    TaskState::Succeeded | TaskState::Failed { .. } => return None,
                };
                Some((task.id.clone(), want))
            })
            .collect(),
        builds: state
            .builds
            .iter()
            .filter_map(|build| {
                let want = match build.state {
                    BuildState::Running => Want::Run,
                    BuildState::Canceling { .. } => Want::Stop,
                    BuildState::Queued | BuildState::Finished { .. } => return None,
                };
                Some((build.id.clone(), build.run, want))
            })
            .collect(),
        jobs: state
            .releases
            .iter()
            .flat_map(|release| {
                release.jobs.iter().filter_map(|job| {
                    let want = match job.state {
                        JobState::Running => Want::Run,
                        JobState::Canceling => Want::Stop,
                        JobState::Succeeded | JobState::Failed | JobState::Interrupted => {
                            return None;
                        }
                    };
                    Some((release.id.clone(), job.component.clone(), want))
                })
            })
            .collect(),
        routes: state
            .components()
            .into_iter()
            .filter(|component| state.is_served(component))
            .map(|component| {
                let versions = shares(state, &component);
                (component, versions)
            })
            .collect(),
        published: published(state),
        ingress: ingress(state),
        wake_at: wake_at(state, now),
    }
}

impl Plan {
    /// Whether driver and router have to do the same for both plans. A component without shares
    /// is the same as none.
    pub fn is_same_work(&self, other: &Self) -> bool {
        self.instances == other.instances
            && self.tasks == other.tasks
            && self.builds == other.builds
            && self.jobs == other.jobs
            && self.published == other.published
            && self.ingress == other.ingress
            && self.served().eq(other.served())
    }

    fn served(&self) -> impl Iterator<Item = (&ComponentName, &Vec<VersionShare>)> {
        self.routes
            .iter()
            .filter(|(_, versions)| !versions.is_empty())
    }

    /// Share of a version of a component.
    pub fn share_of(&self, component: &ComponentName, revision: &RevisionId) -> u16 {
        self.routes
            .get(component)
            .into_iter()
            .flatten()
            .find(|version| version.revision == *revision)
            .map_or(0, |version| version.share)
    }

    /// Largest share that a version has in any component.
    pub fn largest_share(&self, revision: &RevisionId) -> u16 {
        self.routes
            .keys()
            .map(|name| self.share_of(name, revision))
            .max()
            .unwrap_or(0)
    }

    /// Whether the shares of each component add up to all or to nothing.
    pub fn is_balanced(&self) -> bool {
        self.routes.values().all(|versions| {
            let sum: u32 = versions
                .iter()
                .map(|version| u32::from(version.share))
                .sum();
            sum == 0 || sum == u32::from(SHARE_ALL)
        })
    }
}

/// Routable instances of what is on demand in each published version.
fn published(state: &AppState) -> BTreeMap<(RevisionId, ComponentName), Vec<InstanceId>> {
    if state.run != RunState::Started {
        return BTreeMap::new();
    }
    let mut published = BTreeMap::new();
    for id in state.published.keys() {
        let Some(revision) = state.revisions.get(id) else {
            continue;
        };
        for (component, config) in &revision.configuration.components {
            if config.role == ComponentRole::OnDemand {
                published.insert((id.clone(), component.clone()), Vec::new());
            }
        }
    }
    for instance in state.instances.values().filter(|it| it.is_routable()) {
        let key = (instance.revision.clone(), instance.component.clone());
        if let Some(instances) = published.get_mut(&key) {
            instances.push(instance.id);
        }
    }
    published
}

/// The rules in force; none while nothing runs.
fn ingress(state: &AppState) -> Vec<IngressRule> {
    if state.run != RunState::Started {
        return Vec::new();
    }
    state
        .ingress_revision()
        .and_then(|revision| state.revisions.get(revision))
        .map(|revision| revision.configuration.ingress.clone())
        .unwrap_or_default()
}

fn planned_instances(state: &AppState) -> Vec<PlannedInstance> {
    state
        .instances
        .values()
        .filter_map(|instance| {
            let want = match instance.phase {
                InstancePhase::Starting
                | InstancePhase::Running { .. }
                | InstancePhase::Draining { .. } => Want::Run,
                InstancePhase::Stopping | InstancePhase::Restarting => Want::Stop,
                InstancePhase::Crashed { .. } => return None,
            };
            Some(PlannedInstance {
                id: instance.id,
                run: instance.run,
                component: instance.component.clone(),
                revision: instance.revision.clone(),
                index: instance.index,
                want,
            })
        })
        .collect()
}

/// The earliest time at which something changes by itself.
fn wake_at(state: &AppState, now: Now) -> Option<Uptime> {
    let instances = state
        .instances
        .values()
        .filter_map(|instance| match instance.phase {
            #[cfg(not(windlass_mutant = "wake_forgotten"))]
            InstancePhase::Crashed { retry_at } => retry_at,
            // Wrong on purpose: nobody comes back when the back-off is over.
            #[cfg(windlass_mutant = "wake_forgotten")]
            InstancePhase::Crashed { .. } => None,
            InstancePhase::Draining { until, .. } => Some(until),
            InstancePhase::Starting
            | InstancePhase::Running { .. }
            | InstancePhase::Stopping
            | InstancePhase::Restarting => None,
        });
    let deadlines = state
        .releases
        .iter()
        .filter(|release| !release.is_finalized())
        .map(|release| release.deadline)
        .chain(state.builds.iter().map(|build| build.deadline))
        .filter_map(|deadline| match deadline {
            Deadline::Running { at } => Some(at),
            Deadline::Off | Deadline::Held { .. } => None,
        });
    let timers = state
        .releases
        .iter()
        .filter(|release| release.is_in_flight())
        .filter_map(|release| release.timer_until);
    let jobs = state
        .releases
        .iter()
        .flat_map(|release| &release.jobs)
        .filter(|job| job.state == JobState::Running)
        .filter_map(|job| job.until);
    instances
        .chain(deadlines)
        .chain(jobs)
        .chain(timers)
        .min()
        .map(|at| at.max(now.uptime))
}
