//! Shares of traffic: who gets how much, computed from what is routable.

use std::collections::BTreeMap;

use crate::app::{AppState, RunState};
use crate::configuration::ComponentRole;
use crate::counts;
use crate::id::{ComponentName, InstanceId, RevisionId};
use crate::limits::SHARE_ALL;
use crate::plan::VersionShare;
use crate::release::{Release, Urgency};
use crate::strategy::{StepScope, Weight};

/// The shares of one routed component. They add up to all, unless nothing is routable.
pub fn shares(state: &AppState, component: &ComponentName) -> Vec<VersionShare> {
    let mut routable: BTreeMap<RevisionId, Vec<InstanceId>> = BTreeMap::new();
    for revision in static_versions(state, component) {
        routable.insert(revision.clone(), Vec::new());
    }
    for instance in state.instances.values() {
        let routed = || state.role_in(&instance.revision, component) == Some(ComponentRole::Routed);
        if instance.component == *component && instance.is_routable() && routed() {
            routable
                .entry(instance.revision.clone())
                .or_default()
                .push(instance.id);
        }
    }
    if routable.is_empty() {
        return Vec::new();
    }
    let weights = match state.governing() {
        Some(release) => with_release(state, release, component, &routable),
        None => without_release(state, &routable),
    };
    routable
        .into_iter()
        .map(|(revision, instances)| {
            let share = weights.get(&revision).copied().unwrap_or(0);
            VersionShare {
                revision,
                share,
                instances,
            }
        })
        .filter(|version| version.share > 0)
        .collect()
}

/// Routable instances by version; a static version has none and is routable all the same.
type Routable = BTreeMap<RevisionId, Vec<InstanceId>>;
type Weights = BTreeMap<RevisionId, u16>;

/// Whether a version answers without an instance that runs already: the router serves its files
/// itself, or has it started.
fn needs_no_instance(role: Option<ComponentRole>) -> bool {
    matches!(role, Some(ComponentRole::Static | ComponentRole::OnDemand))
}

/// Versions that need no instance: those of base and target.
fn static_versions<'a>(
    state: &'a AppState,
    component: &'a ComponentName,
) -> impl Iterator<Item = &'a RevisionId> {
    let release = state.governing();
    let base = match release {
        Some(release) => release.base.as_ref(),
        None => state.base.as_ref(),
    };
    let target = release.map(|release| &release.target);
    base.into_iter().chain(target).filter(move |revision| {
        state.run == RunState::Started && needs_no_instance(state.role_in(revision, component))
    })
}

/// Outside a release the base serves; others only while it can't.
fn without_release(state: &AppState, routable: &Routable) -> Weights {
    if let Some(base) = state
        .base
        .as_ref()
        .filter(|base| routable.contains_key(*base))
    {
        return Weights::from([(base.clone(), SHARE_ALL)]);
    }
    let mut weights = Weights::new();
    spread(SHARE_ALL, routable.keys(), routable, &mut weights);
    weights
}

fn with_release(
    state: &AppState,
    release: &Release,
    component: &ComponentName,
    routable: &Routable,
) -> Weights {
    let others: Vec<&RevisionId> = eligible_others(state, release, component, routable);
    let target_routable = routable.contains_key(&release.target);
    let mut target_share = if !target_routable {
        0
    } else if release.is_restoring() {
        restoring_share(state, release, component, routable, !others.is_empty())
    } else if others.is_empty() {
        SHARE_ALL
    } else {
        step_share(state, release, component, routable, &others)
    };
    let mut weights = Weights::new();
    let (canceled, sound): (Vec<&RevisionId>, Vec<&RevisionId>) = others
        .iter()
        .partition(|revision| canceled_cap(state, revision, component).is_some());
    let rest = SHARE_ALL - target_share;
    let target_serves = target_routable && !release.is_restoring();
    if canceled.is_empty() || sound.is_empty() && !target_serves {
        // Only canceled versions are left to serve: then they do, whatever they had.
        spread(rest, others, routable, &mut weights);
    } else {
        // A canceled version goes on falling: what it may not have others take.
        let total: u32 = others
            .iter()
            .map(|revision| count(routable, revision))
            .sum();
        let mut left = rest;
        for revision in canceled {
            let cap = canceled_cap(state, revision, component).unwrap_or(0);
            let share = portion(rest, count(routable, revision), total).min(cap);
            weights.insert(revision.clone(), share);
            left -= share;
        }
        if sound.is_empty() {
            target_share += left;
        } else {
            spread(left, sound, routable, &mut weights);
        }
    }
    if target_share > 0 {
        weights.insert(release.target.clone(), target_share);
    }
    weights
}

/// Most that a version may have because its release was canceled; `None` = it was not.
fn canceled_cap(state: &AppState, revision: &RevisionId, component: &ComponentName) -> Option<u16> {
    state
        .releases
        .iter()
        .find(|release| release.target == *revision)
        .and_then(|release| release.restore.as_ref())
        .map(|restore| restore.share_cap.get(component).copied().unwrap_or(0))
}

/// Versions that get what is not the target's: the base and, while it is below what is kept of
/// it, leaving versions; canceled ones whose share has reached 0 never again.
fn eligible_others<'a>(
    state: &'a AppState,
    release: &'a Release,
    component: &ComponentName,
    routable: &'a Routable,
) -> Vec<&'a RevisionId> {
    let base_routable = release
        .base
        .as_ref()
        .map_or(0, |base| count(routable, base));
    let kept = counts::old_wanted(state, release, component);
    let needs_leaving = base_routable < kept || base_routable == 0;
    routable
        .keys()
        .filter(|revision| **revision != release.target)
        .filter(|revision| {
            release.base.as_ref() == Some(*revision)
                || (needs_leaving && !counts::is_withdrawn(state, revision))
        })
        .collect()
}

/// Share of the target of a release that moves.
fn step_share(
    state: &AppState,
    release: &Release,
    component: &ComponentName,
    routable: &Routable,
    others: &[&RevisionId],
) -> u16 {
    if needs_no_instance(state.role_in(&release.target, component)) {
        return static_share(release);
    }
    let ready = count(routable, &release.target);
    let Some(index) = release.step_index() else {
        return 0;
    };
    let mut share = 0;
    for step in release.steps.iter().take(index + 1) {
        if step.scope != StepScope::Routed {
            continue;
        }
        let Some(step_counts) = step.counts.get(component) else {
            continue;
        };
        let wanted = step_counts.new_instances;
        let reached = match step.weight {
            // Earlier steps are a floor: a continue never lowers the share.
            Weight::Share(weight) => portion(weight, ready.min(wanted), wanted),
            Weight::ByStepTotal => portion(SHARE_ALL, ready.min(wanted), step_counts.total),
            Weight::ByInstances if step_counts.base_instances > 0 => {
                portion(SHARE_ALL, ready.min(wanted), wanted)
            }
            Weight::ByInstances => {
                let old: u32 = others
                    .iter()
                    .map(|revision| count(routable, revision))
                    .sum();
                portion(SHARE_ALL, ready, ready + old)
            }
        };
        share = share.max(reached);
    }
    let is_sound = |revision: &&RevisionId| canceled_cap(state, revision, component).is_none();
    if share == 0 && release.served.contains(component) && others.iter().any(is_sound) {
        // It served because nothing else did: it goes on for what the base can't carry yet. As
        // long as only canceled versions are beside it, it has all that those may not have.
        let needed = state.needed(release, component);
        let up = release
            .base
            .as_ref()
            .map_or(0, |base| count(routable, base))
            .min(needed);
        return portion(SHARE_ALL, needed - up, needed);
    }
    share
}

/// Share of a static target: it is ready at any time and goes with the steps.
fn static_share(release: &Release) -> u16 {
    if release.has_moved() {
        return SHARE_ALL;
    }
    let Some(index) = release.step_index() else {
        return 0;
    };
    let steps = release.steps.iter().take(index + 1);
    steps
        .map(|step| match step.weight {
            Weight::Share(share) => share,
            Weight::ByInstances | Weight::ByStepTotal => 0,
        })
        .max()
        .unwrap_or(0)
}

/// Share of the target of a release that is put back: falls as the base comes up.
fn restoring_share(
    state: &AppState,
    release: &Release,
    component: &ComponentName,
    routable: &Routable,
    others_routable: bool,
) -> u16 {
    let Some(restore) = &release.restore else {
        return 0;
    };
    if restore.safe || restore.urgency == Urgency::AcceptOutage || state.run != RunState::Started {
        return 0;
    }
    if counts::is_restored(state, release, component) {
        return 0;
    }
    if !others_routable {
        return SHARE_ALL;
    }
    if restore.urgency == Urgency::Now {
        return 0;
    }
    let needed = state.needed(release, component);
    let up = release
        .base
        .as_ref()
        .map_or(0, |base| count(routable, base))
        .min(needed);
    let at_commit = restore.share_at_commit.get(component).copied().unwrap_or(0);
    let cap = restore
        .share_cap
        .get(component)
        .copied()
        .unwrap_or(at_commit);
    portion(at_commit, needed - up, needed).min(cap)
}

fn count(routable: &Routable, revision: &RevisionId) -> u32 {
    // A static version counts like one instance.
    routable
        .get(revision)
        .map_or(0, |ids| u32::try_from(ids.len().max(1)).unwrap_or(u32::MAX))
}

/// `whole × part / of`, rounded down; 0 when `of` is 0.
fn portion(whole: u16, part: u32, of: u32) -> u16 {
    if of == 0 {
        return 0;
    }
    let value = u64::from(whole) * u64::from(part) / u64::from(of);
    u16::try_from(value).unwrap_or(SHARE_ALL).min(SHARE_ALL)
}

/// Spreads `share` over versions by their routable instances; what rounding leaves goes to the
/// first ones, so that nothing is lost.
fn spread<'a>(
    share: u16,
    revisions: impl IntoIterator<Item = &'a RevisionId>,
    routable: &Routable,
    weights: &mut Weights,
) {
    let list: Vec<(&RevisionId, u32)> = revisions
        .into_iter()
        .map(|revision| (revision, count(routable, revision)))
        .filter(|(_, instances)| *instances > 0)
        .collect();
    let total: u32 = list.iter().map(|(_, instances)| instances).sum();
    let mut left = share;
    for (revision, instances) in &list {
        let part = portion(share, *instances, total);
        left -= part;
        *weights.entry((*revision).clone()).or_default() += part;
    }
    if let Some((revision, _)) = list.iter().max_by_key(|(_, instances)| *instances) {
        *weights.entry((*revision).clone()).or_default() += left;
    }
}
