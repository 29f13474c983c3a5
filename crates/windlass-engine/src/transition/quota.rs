//! Quota: what an app uses or has reserved, compared before and after a command.

use super::Work;
use crate::app::{AppState, RunState};
use crate::configuration::{ComponentConfig, ComponentRole, JobKind};
use crate::id::{ComponentName, RevisionId};
use crate::rejection::{QuotaKind, Rejection};
use crate::release::{JobState, Release};
use crate::strategy::{Sizes, StepCounts, StepScope, Strategy, canary_counts};

/// What an app counts for in the ledger of its organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory of instances, tasks and jobs, MiB.
    pub memory_mb: u64,
    /// Instances.
    pub instances: u64,
    /// Pending and running tasks.
    pub tasks: u64,
}

/// Computes the usage. A release that waits or moves counts with the most that its steps let run
/// at once, from its creation on: it was admitted with that.
pub fn usage(state: &AppState) -> Usage {
    let mut used = Usage::default();
    for task in &state.tasks {
        if !task.is_finished() {
            used.memory_mb += task.memory_mb;
        }
        used.tasks += u64::from(task.counts_for_quota());
    }
    let open: Vec<&Release> = state
        .releases
        .iter()
        .filter(|release| !release.is_finalized() && !release.is_restoring())
        .collect();
    let will_run = open.iter().any(|release| !release.is_in_flight());
    match state.run {
        RunState::Started => {}
        RunState::Stopped if will_run => {}
        RunState::Stopped | RunState::Deleted => return used,
    }
    for instance in state.instances.values() {
        let config = config_of(state, Some(&instance.revision), &instance.component);
        if let Some(config) = config.filter(|config| config.role == ComponentRole::OnDemand) {
            used.instances += 1;
            used.memory_mb += config.memory_mb;
        }
    }
    let (mut rest_mb, mut peak_mb) = (0, 0);
    for component in state.components() {
        let at_rest = config_of(state, state.base.as_ref(), &component)
            .filter(|config| config.role.runs_instances())
            .filter(|_| state.run == RunState::Started)
            .map_or((0, 0), |config| {
                let count = u64::from(state.scale_of(&component));
                (count, count * config.memory_mb)
            });
        let (instances, memory_mb) = open
            .iter()
            .map(|release| most_of(state, release, &component))
            .reduce(|a, b| (a.0.max(b.0), a.1.max(b.1)))
            .unwrap_or(at_rest);
        used.instances += instances;
        rest_mb += at_rest.1;
        peak_mb += memory_mb;
    }
    let jobs_mb = open
        .iter()
        .map(|release| jobs_beside(state, release, rest_mb, peak_mb))
        .max()
        .unwrap_or(0);
    used.memory_mb += peak_mb + jobs_mb + jobs_after(state);
    used
}

/// Memory, MiB, that a release's jobs need beyond the most that its instances do. Those before the
/// deployment and those for its failure run beside the base alone, where there is room already.
fn jobs_beside(state: &AppState, release: &Release, rest_mb: u64, peak_mb: u64) -> u64 {
    let of = |kind: JobKind| -> u64 {
        let target = state.revisions.get(&release.target).into_iter();
        target
            .flat_map(|revision| revision.configuration.components.values())
            .filter(|config| config.role == ComponentRole::Job(kind))
            .map(|config| config.memory_mb)
            .sum()
    };
    let beside_base = of(JobKind::PreDeploy).max(of(JobKind::FailedDeploy));
    let room_mb = peak_mb.saturating_sub(rest_mb);
    of(JobKind::PostDeploy).max(beside_base.saturating_sub(room_mb))
}

/// Memory of jobs that are not gone yet although their release is being put back, MiB.
fn jobs_after(state: &AppState) -> u64 {
    let restoring = state
        .releases
        .iter()
        .filter(|release| release.is_restoring());
    let mut used_mb = 0;
    for release in restoring {
        for job in &release.jobs {
            if matches!(job.state, JobState::Running | JobState::Canceling) {
                let config = config_of(state, Some(&release.target), &job.component);
                used_mb += config.map_or(0, |config| config.memory_mb);
            }
        }
    }
    used_mb
}

/// Most instances of a component, and their memory, MiB, that a release lets run at once.
fn most_of(state: &AppState, release: &Release, component: &ComponentName) -> (u64, u64) {
    let old = config_of(state, release.base.as_ref(), component);
    let new = config_of(state, Some(&release.target), component);
    let Some(config) = old.or(new).filter(|config| config.role.runs_instances()) else {
        return (0, 0);
    };
    let memory_mb = old
        .map_or(0, |config| config.memory_mb)
        .max(new.map_or(0, |config| config.memory_mb));
    // What waits will find the base running, also if the app is stopped now.
    let needed = state.needed_once_started(release, component);
    let mut goal = state.goal(release, component);
    if release.is_in_flight() {
        // A worker that is scaled meanwhile runs as the release began it until that is deployed.
        let begun = release.target_scale.get(component).copied().unwrap_or(0);
        goal = goal.max(begun);
    }
    let count = if config.role == ComponentRole::Routed {
        let warm = keeps_base_warm(state, release, component);
        u64::from(peak(release, needed, goal, warm))
    } else {
        u64::from(needed.max(goal))
    };
    (count, count * memory_mb)
}

/// Most old and new instances of a routed component at once, over all steps of a release, while
/// nothing crashes.
fn peak(release: &Release, needed: u32, goal: u32, warm: bool) -> u32 {
    let sizes = Sizes {
        base: if needed > 0 { needed } else { goal },
        goal,
    };
    let mut steps = match &release.strategy {
        Strategy::Recreate => return needed.max(goal),
        Strategy::Rolling { .. }
        | Strategy::BlueGreen
        | Strategy::Instant
        | Strategy::Stages(_) => Vec::new(),
        Strategy::Canary { weights, .. } if weights.is_empty() => vec![canary_counts(sizes, None)],
        Strategy::Canary { weights, .. } => weights
            .iter()
            .map(|weight| canary_counts(sizes, Some(*weight)))
            .collect(),
    };
    steps.push(StepCounts {
        new_instances: goal,
        base_instances: 0,
        total: goal,
    });
    let in_flight = release.strategy.max_in_flight();
    let (mut ready, mut most) = (0, needed.max(goal));
    for step in steps {
        let new = step.new_instances;
        // New ones come as old ones go, until all new ones are there: then it is fullest.
        let fullest = new.saturating_sub(in_flight).max(ready).min(new);
        let stay = if warm {
            needed
        } else {
            let left = step.total.max(needed).saturating_sub(fullest);
            let old = step.base_instances.max(left);
            old.min(if needed > 0 { needed } else { step.total })
        };
        most = most.max(
            fullest
                .saturating_add(in_flight)
                .min(new)
                .saturating_add(stay),
        );
        ready = ready.max(new);
    }
    most
}

/// Whether the base stays whole to the end: what the steps say once they are compiled, the
/// setting before. A later change of the setting takes nothing that was not admitted.
fn keeps_base_warm(state: &AppState, release: &Release, component: &ComponentName) -> bool {
    let last = release
        .steps
        .iter()
        .rfind(|step| step.scope == StepScope::Routed);
    if let Some(step) = last {
        let counts = step.counts.get(component);
        return counts.is_some_and(|counts| counts.base_instances > 0);
    }
    let target = state.revisions.get(&release.target);
    matches!(
        release.strategy,
        Strategy::BlueGreen | Strategy::Instant | Strategy::Stages(_)
    ) || state.settings.keep_base_warm
        || target.is_some_and(|it| it.configuration.has_jobs(JobKind::PostDeploy))
}

fn config_of<'a>(
    state: &'a AppState,
    revision: Option<&RevisionId>,
    component: &ComponentName,
) -> Option<&'a ComponentConfig> {
    revision
        .and_then(|id| state.revisions.get(id))
        .and_then(|revision| revision.configuration.components.get(component))
}

impl Work {
    /// Whether one more instance fits into what the organization has left.
    pub(super) fn has_room_for(&self, revision: &RevisionId, component: &ComponentName) -> bool {
        let memory_mb =
            config_of(&self.state, Some(revision), component).map_or(0, |config| config.memory_mb);
        self.ledgers.instances_left.is_none_or(|left| left >= 1)
            && self
                .ledgers
                .memory_mb_left
                .is_none_or(|left| left >= memory_mb)
    }

    /// Refuses what would take more than the organization has left.
    pub(super) fn check_quota(&self, before: &AppState) -> Result<(), Rejection> {
        let (old, new) = (usage(before), usage(&self.state));
        let checks = [
            (
                old.memory_mb,
                new.memory_mb,
                self.ledgers.memory_mb_left,
                QuotaKind::Memory,
            ),
            (
                old.instances,
                new.instances,
                self.ledgers.instances_left,
                QuotaKind::Instances,
            ),
            (
                old.tasks,
                new.tasks,
                self.ledgers.tasks_left,
                QuotaKind::Tasks,
            ),
        ];
        for (old, new, left, what) in checks {
            if left.is_some_and(|left| new.saturating_sub(old) > left) {
                return Err(Rejection::QuotaExceeded { what });
            }
        }
        Ok(())
    }
}
