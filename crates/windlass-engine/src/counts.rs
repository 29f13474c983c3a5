//! How many instances of which version a component should have now.

mod workers;

use crate::app::{AppState, RunState};
use crate::configuration::ComponentRole;
use crate::id::{ComponentName, RevisionId};
use crate::instance::InstancePhase;
use crate::release::{Release, Urgency};
use crate::strategy::{Step, StepCounts, StepScope};

/// Instances that a component should have, by version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Of the target of the governing release.
    pub target: u32,
    /// Of the base.
    pub base: u32,
    /// Routable instances of other versions that stay until they are replaced.
    pub leaving: u32,
    /// Whether instances of the target that are not routable go at once.
    pub only_routable_target: bool,
}

/// What a component should have now. `target` may still grow step by step (see `wanted` of the
/// release).
pub fn counts(state: &AppState, component: &ComponentName) -> Counts {
    if state.run != RunState::Started {
        return Counts::default();
    }
    let Some(release) = state.governing() else {
        let has_base = state
            .base
            .as_ref()
            .and_then(|base| state.role_in(base, component))
            .is_some_and(ComponentRole::runs_instances);
        let base = if has_base {
            state.scale_of(component)
        } else {
            0
        };
        return Counts {
            base,
            ..Counts::default()
        };
    };
    match state.role_of(component) {
        Some(ComponentRole::Routed) => routed(state, release, component),
        Some(ComponentRole::Worker) => workers::counts(state, release, component),
        Some(
            ComponentRole::Job(_)
            | ComponentRole::Static
            | ComponentRole::OnDemand
            | ComponentRole::Template,
        )
        | None => Counts::default(),
    }
}

fn routed(state: &AppState, release: &Release, component: &ComponentName) -> Counts {
    let needed = state.needed(release, component);
    let base_routable = release
        .base
        .as_ref()
        .map_or(0, |base| state.routable(base, component));
    if release.is_restoring() {
        let restored = is_restored(state, release, component);
        let serves = !restored && keeps_target(state, release, base_routable);
        return Counts {
            target: if serves {
                state.routable(&release.target, component)
            } else {
                0
            },
            base: needed,
            leaving: if restored { 0 } else { u32::MAX },
            only_routable_target: true,
        };
    }
    let old = old_wanted(state, release, component);
    let leaving_routable = routable_leaving(state, release, component);
    let kept = routed_counts(release, component).map_or(0, |counts| counts.base_instances);
    // What base instances carry already, leaving ones need not: of the old the base goes last.
    let leaving = old.saturating_sub(base_routable).min(leaving_routable);
    let base = old.saturating_sub(leaving).max(kept).min(needed);
    Counts {
        target: wanted_target(state, release, component),
        base,
        leaving,
        only_routable_target: false,
    }
}

/// Whether a step is reached: its instances are routable, and at the last step those of every
/// step before, so that nothing is deployed whose traffic nobody takes.
pub fn is_reached(state: &AppState, release: &Release, index: usize) -> bool {
    let ready = |step: &Step| {
        step.counts.iter().all(|(component, counts)| {
            state.routable(&release.target, component) >= counts.new_instances
        })
    };
    let Some(step) = release.steps.get(index) else {
        return false;
    };
    if !ready(step) {
        return false;
    }
    let is_last = index + 1 == release.steps.len();
    let last_routed = release
        .steps
        .iter()
        .rfind(|step| step.scope == StepScope::Routed);
    !is_last || last_routed.is_none_or(ready)
}

/// Whether a canceled target may still have traffic.
fn keeps_target(state: &AppState, release: &Release, base_routable: u32) -> bool {
    let Some(restore) = &release.restore else {
        return false;
    };
    if restore.safe || state.run != RunState::Started {
        return false;
    }
    match restore.urgency {
        Urgency::CapacitySafe => true,
        Urgency::Now => base_routable == 0,
        Urgency::AcceptOutage => false,
    }
}

/// Old instances of a routed component (base and leaving together) that stay now: none goes
/// before its replacement is routable.
pub fn old_wanted(state: &AppState, release: &Release, component: &ComponentName) -> u32 {
    let needed = state.needed(release, component);
    if release.is_restoring() {
        return needed;
    }
    let Some(index) = release.step_index() else {
        return needed;
    };
    let Some(counts) = routed_counts(release, component) else {
        // The target does not have it: it goes when the routed steps are done.
        let done = release
            .step()
            .is_some_and(|step| step.scope == StepScope::Others);
        return if done { 0 } else { needed };
    };
    // Also when a later step moves the others: old and new never serve side by side.
    if release
        .steps
        .iter()
        .take(index + 1)
        .any(|step| step.old_first)
    {
        return 0;
    }
    let ready = replaced(state, release, component);
    let last_routed = !release
        .steps
        .iter()
        .skip(index + 1)
        .any(|step| step.scope == StepScope::Routed);
    let old = if ready >= counts.new_instances {
        let unreplaced = if last_routed {
            0
        } else {
            needed.saturating_sub(ready)
        };
        counts.base_instances.max(unreplaced)
    } else {
        counts
            .base_instances
            .max(counts.total.max(needed).saturating_sub(ready))
    };
    if needed > 0 {
        return old.min(needed);
    }
    // Where the base has none, versions of earlier releases serve in its place until each of
    // their instances is replaced.
    if ready >= counts.new_instances && last_routed {
        old.min(counts.total)
    } else {
        let unreplaced = state.goal(release, component).saturating_sub(ready);
        old.min(counts.total).max(unreplaced)
    }
}

/// Instances of the target that take the place of old ones.
#[cfg(not(windlass_mutant = "release_base_early"))]
fn replaced(state: &AppState, release: &Release, component: &ComponentName) -> u32 {
    state.routable(&release.target, component)
}

/// Wrong on purpose: an instance that was only started replaces nothing yet.
#[cfg(windlass_mutant = "release_base_early")]
fn replaced(state: &AppState, release: &Release, component: &ComponentName) -> u32 {
    serving_count(state, &release.target, component)
}

/// Counts of the routed step that a release moves towards or has done last.
fn routed_counts(release: &Release, component: &ComponentName) -> Option<StepCounts> {
    let index = release.step_index()?;
    release
        .steps
        .iter()
        .take(index + 1)
        .rev()
        .find(|step| step.scope == StepScope::Routed)
        .and_then(|step| step.counts.get(component).copied())
}

/// Instances that the target should have now: `max_in_flight` beyond the routable ones, none
/// more while one of them is crashed, never fewer than before. What was counted at admission holds
/// as long as a step begins with the instances of those before it, so that these come up (again)
/// before any of its own.
fn wanted_target(state: &AppState, release: &Release, component: &ComponentName) -> u32 {
    let before = release.wanted.get(component).copied().unwrap_or(0);
    let Some(counts) = routed_counts(release, component) else {
        return 0;
    };
    let old_first = release.step().is_some_and(|step| step.old_first);
    if old_first && has_old(state, release, component) {
        return before;
    }
    let in_flight = release.strategy.max_in_flight();
    let (mut routable, mut starting, mut crashed) = (0u32, 0u32, 0u32);
    for instance in state.serving(&release.target, component) {
        if instance.is_routable() {
            routable += 1;
        } else if instance.is_crashed() {
            crashed += 1;
        } else {
            starting += 1;
        }
    }
    if crashed > 0 || starting >= in_flight {
        return before.min(counts.new_instances);
    }
    let passed = passed_instances(release, component).min(counts.new_instances);
    let most = if routable < passed {
        passed
    } else {
        counts.new_instances
    };
    routable
        .saturating_add(in_flight)
        .min(most)
        .max(before.min(counts.new_instances))
}

/// Most instances of the target that a step asked for that is passed.
fn passed_instances(release: &Release, component: &ComponentName) -> u32 {
    let passed = release.steps.iter().take(release.step_index().unwrap_or(0));
    passed
        .filter_map(|step| step.counts.get(component))
        .map(|counts| counts.new_instances)
        .max()
        .unwrap_or(0)
}

fn has_old(state: &AppState, release: &Release, component: &ComponentName) -> bool {
    state
        .instances
        .values()
        .any(|i| i.component == *component && i.revision != release.target)
}

fn routable_leaving(state: &AppState, release: &Release, component: &ComponentName) -> u32 {
    let count = state
        .instances
        .values()
        .filter(|i| {
            i.component == *component
                && i.is_routable()
                && i.revision != release.target
                && release.base.as_ref() != Some(&i.revision)
                && !is_withdrawn(state, &i.revision)
        })
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Whether a version is the target of a canceled release whose share has reached 0.
pub fn is_withdrawn(state: &AppState, revision: &RevisionId) -> bool {
    state.releases.iter().any(|release| {
        release.target == *revision
            && release
                .restore
                .as_ref()
                .is_some_and(|restore| restore.safe || restore.urgency == Urgency::AcceptOutage)
    })
}

fn serving_count(state: &AppState, revision: &RevisionId, component: &ComponentName) -> u32 {
    u32::try_from(state.serving(revision, component).count()).unwrap_or(u32::MAX)
}

/// Whether the base carries what it needs of a component.
///
/// A base that was not healthy when the release was created counts as restored when its
/// instances have been started: a cancel does not wait for what never worked. So does one of its
/// components without traffic that did not run then.
pub fn is_restored(state: &AppState, release: &Release, component: &ComponentName) -> bool {
    let Some(base) = &release.base else {
        return true;
    };
    let needed = match state.role_in(base, component) {
        Some(ComponentRole::Routed | ComponentRole::Worker) => state.needed(release, component),
        Some(
            ComponentRole::Job(_)
            | ComponentRole::Static
            | ComponentRole::OnDemand
            | ComponentRole::Template,
        )
        | None => 0,
    };
    if needed == 0 {
        return true;
    }
    if state.routable(base, component) >= needed {
        return true;
    }
    if release.base_was_routable && !release.base_down.contains(component) {
        return false;
    }
    let started = state
        .serving(base, component)
        .filter(|instance| match instance.phase {
            // What has not answered yet may be on its way up, unless it crashed before.
            InstancePhase::Starting => instance.crashes > 0,
            InstancePhase::Running { .. }
            | InstancePhase::Crashed { .. }
            | InstancePhase::Restarting
            | InstancePhase::Draining { .. } => true,
            InstancePhase::Stopping => false,
        })
        .count();
    u32::try_from(started).unwrap_or(u32::MAX) >= needed
}
