//! What must always hold: the promises, said on a model.

use windlass_engine::app::{AppState, RunState};
use windlass_engine::id::{ComponentName, RevisionId};
use windlass_engine::input::Input;
use windlass_engine::instance::Instance;
use windlass_engine::limits::SHARE_ALL;
use windlass_engine::plan::Plan;
use windlass_engine::release::{CancelCause, Outcome, Release, ReleaseState, Urgency};
use windlass_engine::task::{TASK_CANCELED, TaskState};
use windlass_engine::transition::{Ledgers, transition};

use super::node::{Action, Node, number_of};
use super::worlds::World;

type Held = Result<(), String>;

fn must(holds: bool, text: impl FnOnce() -> String) -> Held {
    if holds { Ok(()) } else { Err(text()) }
}

/// Properties of one step.
pub(crate) fn step(world: World, before: &Node, action: Action, after: &Node) -> Held {
    let (old, new) = (&before.plan, &after.plan);
    one_outcome(before, after)?;
    shares_are_whole(after, new)?;
    safe_stays(before, after, new)?;
    no_gain(before, old, after, new)?;
    enough_capacity(world, before, old, action, after, new)?;
    restored_whole(world, before, action, after)?;
    nothing_left(after)?;
    tasks(before, after)?;
    must(
        (before.state.plan_generation == after.state.plan_generation) == old.is_same_work(new),
        || "the generation is raised iff the plan differs".to_owned(),
    )
}

/// Promise 1: one outcome for ever, and an accepted cancel ends canceled.
fn one_outcome(before: &Node, after: &Node) -> Held {
    for release in before
        .state
        .releases
        .iter()
        .filter(|release| !release.is_finalized())
    {
        must(after.state.release(&release.id).is_some(), || {
            format!("{} got lost", release.id)
        })?;
    }
    for release in &after.state.releases {
        let fate = &after.fates[&number_of(release.id.as_str())];
        must(fate.outcome.as_ref() == release.outcome(), || {
            format!(
                "{}: {:?} became {:?}",
                release.id,
                fate.outcome,
                release.outcome()
            )
        })?;
        must(!fate.finalized || release.is_finalized(), || {
            format!("{} revived", release.id)
        })?;
    }
    for (number, fate) in &after.fates {
        let fixed_before = before
            .fates
            .get(number)
            .is_some_and(|fate| fate.outcome.is_some());
        let canceled = Outcome::Canceled(CancelCause::User);
        must(
            !fate.cancel_accepted || fixed_before || fate.outcome == Some(canceled),
            || format!("the accepted cancel of r{number} ends {:?}", fate.outcome),
        )?;
    }
    Ok(())
}

fn web() -> ComponentName {
    "web".into()
}

fn routable(state: &AppState) -> impl Iterator<Item = &RevisionId> {
    state
        .instances
        .values()
        .filter(|i| i.is_routable())
        .map(|i| &i.revision)
}

fn release_of<'a>(state: &'a AppState, revision: &RevisionId) -> Option<&'a Release> {
    state
        .releases
        .iter()
        .find(|release| release.target == *revision)
}

fn is_withdrawn(state: &AppState, revision: &RevisionId) -> bool {
    release_of(state, revision)
        .and_then(|release| release.restore.as_ref())
        .is_some_and(|restore| restore.safe || restore.urgency == Urgency::AcceptOutage)
}

/// Shares add up to all while something can serve, else to none.
fn shares_are_whole(after: &Node, plan: &Plan) -> Held {
    must(plan.is_balanced(), || {
        format!("shares of {:?}", plan.routes)
    })?;
    let serves = after.state.run == RunState::Started
        && routable(&after.state).any(|revision| !is_withdrawn(&after.state, revision));
    let sum: u32 = plan
        .routes
        .values()
        .flatten()
        .map(|v| u32::from(v.share))
        .sum();
    must(!serves || sum == u32::from(SHARE_ALL), || {
        "nobody has a share".to_owned()
    })
}

/// Once a table without it is acknowledged, a canceled target has no share for ever.
fn safe_stays(before: &Node, after: &Node, plan: &Plan) -> Held {
    let is_safe = |release: &Release| release.restore.as_ref().is_some_and(|r| r.safe);
    for release in before
        .state
        .releases
        .iter()
        .filter(|release| is_safe(release))
    {
        let still = after.state.release(&release.id).is_none_or(is_safe);
        must(still, || format!("{} is no longer safe", release.id))?;
    }
    for release in after
        .state
        .releases
        .iter()
        .filter(|release| is_safe(release))
    {
        must(plan.share_of(&web(), &release.target) == 0, || {
            format!("{} is safe and has a share", release.id)
        })?;
    }
    Ok(())
}

/// A canceled target never gains share, unless nothing else that can serve is left.
fn no_gain(before: &Node, old: &Plan, after: &Node, new: &Plan) -> Held {
    let sound = routable(&after.state)
        .any(|revision| release_of(&after.state, revision).is_none_or(|r| r.restore.is_none()));
    if !sound {
        return Ok(());
    }
    for release in after
        .state
        .releases
        .iter()
        .filter(|release| release.restore.is_some())
    {
        let (was, is) = (
            old.share_of(&web(), &release.target),
            new.share_of(&web(), &release.target),
        );
        let was_there = before.state.release(&release.id).is_some();
        must(!was_there || is <= was, || {
            format!("{} rose from {was} to {is}", release.id)
        })?;
    }
    Ok(())
}

/// Promise 4: no step of the engine takes routable capacity with a share below what the base
/// needs. What crashes is the world's doing.
fn enough_capacity(
    world: World,
    before: &Node,
    old: &Plan,
    action: Action,
    after: &Node,
    new: &Plan,
) -> Held {
    let excused = match action {
        Action::Stop | Action::Delete | Action::Reboot => true,
        _ => after.state.releases.iter().any(|release| {
            // A base that was not healthy is not waited for.
            release
                .restore
                .as_ref()
                .is_some_and(|r| r.urgency > Urgency::CapacitySafe)
                || release.is_restoring() && !release.base_was_routable
        }),
    };
    if excused || after.state.run != RunState::Started {
        return Ok(());
    }
    let capacity = |plan: &Plan| {
        let served = plan.routes.values().flatten();
        served.map(|version| version.instances.len()).sum::<usize>()
    };
    let lost = match action {
        Action::Crash(id) | Action::Ready(id, false) => usize::from(
            before
                .state
                .instances
                .get(&id)
                .is_some_and(Instance::is_routable),
        ),
        _ => 0,
    };
    let (was, is) = (capacity(old), capacity(new));
    let least = (world.instances() as usize).min(was.saturating_sub(lost));
    must(is >= least, || {
        format!("capacity fell from {was} to {is}, {least} are needed")
    })
}

/// Promise 3: what a cancel that nobody relieved leaves is the base, whole.
fn restored_whole(world: World, before: &Node, action: Action, after: &Node) -> Held {
    for release in &after.state.releases {
        let was_open = before
            .state
            .release(&release.id)
            .is_some_and(|release| !release.is_finalized());
        let put_back = matches!(
            release.state,
            ReleaseState::Finalized {
                outcome: Outcome::Canceled(_) | Outcome::Failed(_)
            }
        );
        let others = after.state.releases.iter().any(|other| {
            other.id > release.id
                || other.id != release.id && !other.is_finalized() && !other.is_restoring()
        });
        let deleted = after.state.run == RunState::Deleted;
        if !was_open || !put_back || release.relieved || others || deleted {
            continue;
        }
        let Some(base) = &release.base else { continue };
        let artifact = after
            .state
            .configuration
            .artifact
            .as_ref()
            .map(ToString::to_string);
        let wanted = format!("a{}", number_of(base.as_str()));
        must(artifact.as_ref() == Some(&wanted), || {
            format!("{} left the artifact {artifact:?}", release.id)
        })?;
        let outage = release
            .restore
            .as_ref()
            .is_some_and(|r| r.urgency == Urgency::AcceptOutage);
        if after.state.run == RunState::Started && !outage && release.base_was_routable {
            let up = after.state.routable(base, &web());
            must(up >= world.instances(), || {
                format!(
                    "{} ended with {up} of the base after {action:?}",
                    release.id
                )
            })?;
        }
    }
    Ok(())
}

/// Nothing of a canceled or failed release runs after its outcome is reached.
fn nothing_left(after: &Node) -> Held {
    for (number, fate) in after.fates.iter().filter(|(_, fate)| fate.finalized) {
        if matches!(
            fate.outcome,
            Some(Outcome::Canceled(_) | Outcome::Failed(_))
        ) {
            let target = RevisionId::new(format!("v{number}"));
            must(!after.state.has_instances_of(&target), || {
                format!("something of v{number} runs")
            })?;
        }
    }
    Ok(())
}

/// From canceling a task always fails.
fn tasks(before: &Node, after: &Node) -> Held {
    for task in before
        .state
        .tasks
        .iter()
        .filter(|task| task.state == TaskState::Canceling)
    {
        let now = after.state.task(&task.id).map(|task| &task.state);
        let failed = TaskState::Failed {
            reason: TASK_CANCELED.to_owned(),
        };
        must(
            now == Some(&TaskState::Canceling) || now == Some(&failed),
            || format!("the canceled task is {now:?}"),
        )?;
    }
    Ok(())
}

/// The same fact once more changes nothing.
pub(crate) fn idempotent(before: &Node, action: Action, after: &Node) -> Held {
    let (input, _) = before.input(action);
    if !matches!(input, Input::Observe(_)) || action == Action::Reboot {
        return Ok(());
    }
    match transition(&after.state, &input, after.now(), &Ledgers::default()) {
        Ok(again) => must(!again.changed, || {
            "the same fact once more changed something".to_owned()
        }),
        Err(rejection) => Err(format!("a fact was refused: {rejection}")),
    }
}

/// Properties of a state in which nothing more arrives.
pub(crate) fn at_rest(node: &Node) -> Held {
    let state = &node.state;
    for release in &state.releases {
        must(!release.is_restoring(), || {
            format!("{} is never put back", release.id)
        })?;
        let stuck = matches!(release.state, ReleaseState::RollingOut { .. });
        must(!stuck || state.run != RunState::Started, || {
            format!("{} is stuck", release.id)
        })?;
        let builds = release.state == ReleaseState::Building;
        must(!builds || !state.builds.is_empty(), || {
            format!("{} waits for nothing", release.id)
        })?;
    }
    let open = state.in_flight().is_some();
    for instance in state.instances.values() {
        must(!instance.is_ending(), || {
            "an instance never ends".to_owned()
        })?;
        let of_base = state.base.as_ref() == Some(&instance.revision);
        must(open || of_base, || {
            format!("{} is left over", instance.revision)
        })?;
    }
    if state.run == RunState::Started && !open {
        let wanted = state.scale_of(&web());
        let up = state
            .base
            .as_ref()
            .map_or(0, |base| state.routable(base, &web()));
        must(up == wanted, || format!("{up} of {wanted} run"))?;
    }
    must(
        state.run == RunState::Started || state.instances.is_empty(),
        || "something runs though nothing should".to_owned(),
    )
}
