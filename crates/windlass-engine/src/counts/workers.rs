//! Components without traffic: after the last routed step, instance by instance, old before new
//! unless they may overlap.

use std::collections::BTreeSet;

use super::{Counts, serving_count};
use crate::app::AppState;
use crate::id::{ComponentName, RevisionId};
use crate::release::Release;
use crate::strategy::StepScope;

pub(super) fn counts(state: &AppState, release: &Release, component: &ComponentName) -> Counts {
    if release.is_restoring() {
        return restoring(state, release, component);
    }
    let needed = state.needed(release, component);
    let serving = |revision: &RevisionId| serving_count(state, revision, component);
    let leaving_serving = leaving_count(state, release, component);
    let overlap = may_overlap(state, &release.target, component);
    let step = release
        .step()
        .filter(|step| step.scope == StepScope::Others);
    let Some(step) = step else {
        let base = needed.saturating_sub(leaving_serving);
        return Counts {
            base: of_base(state, release, component, base, needed, overlap),
            leaving: u32::MAX,
            ..Counts::default()
        };
    };
    let goal = step.counts.get(component).map_or(0, |c| c.new_instances);
    let ready = state.routable(&release.target, component);
    let places = needed.max(goal);
    let in_flight = release.strategy.max_in_flight();
    let reached = if ready >= goal {
        places
    } else {
        ready.saturating_add(in_flight).min(places)
    };
    let before = release
        .wanted
        .get(component)
        .copied()
        .unwrap_or(0)
        .min(goal);
    let target = if overlap {
        goal.min(reached)
    } else {
        goal.min(reached)
            .min(places.saturating_sub(beside(state, &release.target, component)))
    }
    .max(before);
    let mut old = needed.saturating_sub(reached);
    if !overlap {
        // A crashed target keeps its place: an old one beside it would be an overlap.
        old = old.min(places.saturating_sub(target));
    }
    let base_serving = release.base.as_ref().map_or(0, serving);
    let leaving = old.saturating_sub(base_serving).min(leaving_serving);
    Counts {
        target,
        base: of_base(state, release, component, old - leaving, places, overlap),
        leaving,
        only_routable_target: false,
    }
}

fn restoring(state: &AppState, release: &Release, component: &ComponentName) -> Counts {
    let needed = state.needed(release, component);
    let base = release.base.as_ref();
    let overlap = base.is_some_and(|base| may_overlap(state, base, component));
    Counts {
        base: of_base(state, release, component, needed, needed, overlap),
        ..Counts::default()
    }
}

/// As many of the base as wanted, but new ones only where a place is free.
fn of_base(
    state: &AppState,
    release: &Release,
    component: &ComponentName,
    wanted: u32,
    places: u32,
    overlap: bool,
) -> u32 {
    let Some(base) = &release.base else {
        return 0;
    };
    if overlap {
        return wanted;
    }
    let free = places.saturating_sub(beside(state, base, component));
    wanted.min(free.max(serving_count(state, base, component)))
}

/// Everything that is there beside the serving instances of a version, until it is gone.
fn beside(state: &AppState, revision: &RevisionId, component: &ComponentName) -> u32 {
    let instances = state.instances.values();
    let present = instances.filter(|i| i.component == *component).count();
    u32::try_from(present)
        .unwrap_or(u32::MAX)
        .saturating_sub(serving_count(state, revision, component))
}

fn may_overlap(state: &AppState, revision: &RevisionId, component: &ComponentName) -> bool {
    state
        .revisions
        .get(revision)
        .and_then(|revision| revision.configuration.components.get(component))
        .is_some_and(|config| config.overlap)
}

fn leaving_count(state: &AppState, release: &Release, component: &ComponentName) -> u32 {
    let known: BTreeSet<&RevisionId> = release
        .base
        .iter()
        .chain(std::iter::once(&release.target))
        .collect();
    let count = state
        .instances
        .values()
        .filter(|i| i.component == *component && !i.is_ending() && !known.contains(&i.revision))
        .count();
    u32::try_from(count).unwrap_or(u32::MAX)
}
