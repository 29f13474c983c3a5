//! Quota: what an app uses or has reserved, compared before and after a command.

use super::Work;
use crate::app::{AppState, RunState};
use crate::configuration::ComponentRole;
use crate::rejection::{QuotaKind, Rejection};

/// What an app counts for in the ledger of its organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Memory of instances and tasks, MiB.
    pub memory_mb: u64,
    /// Instances.
    pub instances: u64,
    /// Pending and running tasks.
    pub tasks: u64,
}

/// Computes the usage. A release in flight counts with the most that its steps let run at once.
pub fn usage(state: &AppState) -> Usage {
    let mut used = Usage::default();
    for task in &state.tasks {
        if !task.is_finished() {
            used.memory_mb += task.memory_mb;
        }
        used.tasks += u64::from(task.counts_for_quota());
    }
    if state.run != RunState::Started {
        return used;
    }
    let release = state.in_flight();
    let configuration = |id| {
        state
            .revisions
            .get(id)
            .map(|revision| &revision.configuration)
    };
    let base = release
        .map_or(state.base.as_ref(), |release| release.base.as_ref())
        .and_then(configuration);
    let target = release.and_then(|release| configuration(&release.target));
    for component in state.components() {
        let old = base.and_then(|base| base.components.get(&component));
        let new = target.and_then(|target| target.components.get(&component));
        let runs = old.or(new).is_some_and(|config| {
            matches!(config.role, ComponentRole::Routed | ComponentRole::Worker)
        });
        if !runs {
            continue;
        }
        let memory_mb = old
            .map_or(0, |config| config.memory_mb)
            .max(new.map_or(0, |config| config.memory_mb));
        let count = match release {
            None => u64::from(state.scale_of(&component)),
            Some(release) => {
                let needed = u64::from(if old.is_some() {
                    state.needed(release, &component)
                } else {
                    0
                });
                let goal = release.target_scale.get(&component).copied().unwrap_or(0);
                let routed = old.or(new).is_some_and(|c| c.role == ComponentRole::Routed);
                let surge = if routed {
                    goal.min(release.strategy.max_in_flight())
                } else {
                    0
                };
                let surge = if release.steps.iter().any(|step| step.old_first) {
                    0
                } else {
                    surge
                };
                if state.settings.keep_base_warm && routed {
                    needed + u64::from(goal)
                } else {
                    needed.max(u64::from(goal)) + u64::from(surge)
                }
            }
        };
        used.instances += count;
        used.memory_mb += count * memory_mb;
    }
    used
}

impl Work {
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
