//! Shares of traffic.

use std::collections::BTreeSet;

use windlass_engine::app::{AppState, RunState};
use windlass_engine::configuration::ComponentRole;
use windlass_engine::counts::is_withdrawn;
use windlass_engine::id::{ComponentName, RevisionId};
use windlass_engine::limits::SHARE_ALL;
use windlass_engine::release::Urgency;

use super::{Commit, Held, must};
use crate::history::History;

/// Components that get traffic by what one of their instances runs.
fn routed(state: &AppState) -> BTreeSet<&ComponentName> {
    let instances = state.instances.values();
    instances
        .filter(|i| state.role_in(&i.revision, &i.component) == Some(ComponentRole::Routed))
        .map(|i| &i.component)
        .collect()
}

/// Versions of a component with a routable instance.
fn serving<'a>(state: &'a AppState, component: &'a ComponentName) -> BTreeSet<&'a RevisionId> {
    let instances = state.instances.values();
    instances
        .filter(|i| i.component == *component && i.is_routable())
        .map(|i| &i.revision)
        .collect()
}

/// Shares of a component add up to all, or nothing that may serve is routable.
pub(super) fn are_whole(commit: &Commit<'_>, history: &History) -> Held {
    const WHOLE: &str = "shares add up to 10,000";
    for (component, versions) in &commit.new.routes {
        let sum: u32 = versions
            .iter()
            .map(|version| u32::from(version.share))
            .sum();
        must(WHOLE, sum == 0 || sum == u32::from(SHARE_ALL), || {
            format!("those of {component} add up to {sum}")
        })?;
    }
    for component in routed(commit.after) {
        let may_serve = serving(commit.after, component)
            .into_iter()
            .any(|revision| !is_withdrawn(commit.after, revision) && !history.is_safe(revision));
        let has = commit
            .new
            .routes
            .get(component)
            .is_some_and(|versions| !versions.is_empty());
        must(WHOLE, has || !may_serve, || {
            format!("{component} has routable instances and no share")
        })?;
    }
    for component in files_of_base(commit.after) {
        let sum: u32 = commit
            .new
            .routes
            .get(component)
            .into_iter()
            .flatten()
            .map(|version| u32::from(version.share))
            .sum();
        must(WHOLE, sum == u32::from(SHARE_ALL), || {
            format!("the files of {component} have {sum}")
        })?;
    }
    Ok(())
}

/// Static components of the base of an app that runs: something of each is always served.
fn files_of_base(state: &AppState) -> impl Iterator<Item = &ComponentName> {
    let base = match state.governing() {
        Some(release) => release.base.as_ref(),
        None => state.base.as_ref(),
    };
    base.filter(|_| state.run == RunState::Started)
        .and_then(|base| state.revisions.get(base))
        .into_iter()
        .flat_map(|revision| &revision.configuration.components)
        .filter(|(_, config)| config.role == ComponentRole::Static)
        .map(|(name, _)| name)
}

/// Who has a share has instances, and each of them is routable.
pub(super) fn are_of_routable_instances(commit: &Commit<'_>) -> Held {
    for (component, versions) in &commit.new.routes {
        let mut seen = BTreeSet::new();
        for version in versions {
            let sound = version.share > 0
                && version.instances.is_empty()
                    == (commit.after.role_in(&version.revision, component)
                        == Some(ComponentRole::Static))
                && seen.insert(&version.revision)
                && version.instances.iter().all(|id| {
                    commit.after.instances.get(id).is_some_and(|i| {
                        i.is_routable()
                            && i.component == *component
                            && i.revision == version.revision
                    })
                });
            must("only routable instances have a share", sound, || {
                format!("{component}: {version:?}")
            })?;
        }
    }
    Ok(())
}

/// After a table without it was acknowledged, a canceled target has no share for ever.
pub(super) fn stay_at_zero(commit: &Commit<'_>, history: &History) -> Held {
    const ZERO: &str = "safe is for ever";
    for version in commit.new.routes.values().flatten() {
        must(ZERO, !history.is_safe(&version.revision), || {
            format!("{} has {} again", version.revision, version.share)
        })?;
    }
    for release in &commit.after.releases {
        let is_safe = release.restore.as_ref().is_some_and(|restore| restore.safe);
        let was_safe = history
            .releases
            .get(&release.id)
            .is_some_and(|fate| fate.is_safe);
        must(ZERO, is_safe || !was_safe, || {
            format!("{} is not safe any more", release.id)
        })?;
        let share = commit.new.largest_share(&release.target);
        must(ZERO, !is_safe || share == 0, || {
            format!("{} is safe with {share}", release.id)
        })?;
    }
    Ok(())
}

/// A canceled target's share never rises, unless only canceled versions can serve.
pub(super) fn do_not_rise_again(commit: &Commit<'_>, history: &History) -> Held {
    let canceled: BTreeSet<&RevisionId> = commit
        .after
        .releases
        .iter()
        .filter(|release| release.restore.is_some())
        .map(|release| &release.target)
        .collect();
    for release in commit
        .after
        .releases
        .iter()
        .filter(|release| release.restore.is_some())
    {
        let Some(fate) = history.releases.get(&release.id) else {
            continue;
        };
        for (component, lowest) in &fate.lowest {
            let other_serves = serving(commit.after, component)
                .into_iter()
                .any(|revision| !canceled.contains(revision));
            let share = commit.new.share_of(component, &release.target);
            must(
                "a canceled share never rises",
                !other_serves || share <= *lowest,
                || {
                    format!(
                        "{} of {component} rose from {lowest} to {share}",
                        release.target
                    )
                },
            )?;
        }
    }
    Ok(())
}

/// A cancel is at once when the base carries the load, and as hard as it was asked to be.
pub(super) fn fall_as_promised(commit: &Commit<'_>) -> Held {
    let state = commit.after;
    let Some(release) = state.governing().filter(|release| release.is_restoring()) else {
        return Ok(());
    };
    let Some(restore) = &release.restore else {
        return Ok(());
    };
    for component in routed(state) {
        let share = commit.new.share_of(component, &release.target);
        let base_routable = release
            .base
            .as_ref()
            .map_or(0, |base| state.routable(base, component));
        let needed = state.needed(release, component);
        must(
            "at once when the base carries",
            base_routable < needed || share == 0,
            || format!("{base_routable} of {needed} of {component} and still {share}"),
        )?;
        let now = restore.urgency == Urgency::Now && base_routable > 0;
        must("now means now", !now || share == 0, || {
            format!("{component} has {share}")
        })?;
        let outage = restore.urgency == Urgency::AcceptOutage;
        must("accept-outage means now", !outage || share == 0, || {
            format!("{component} has {share}")
        })?;
    }
    must(
        "nothing of a stopped app serves",
        state.run == RunState::Started || commit.new.routes.values().all(Vec::is_empty),
        || "a stopped app has shares".to_owned(),
    )
}
