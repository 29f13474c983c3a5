//! No outage: what serves goes only after its replacement serves.

use windlass_engine::app::{AppState, RunState};
use windlass_engine::id::ComponentName;
use windlass_engine::input::{Input, Observation};
use windlass_engine::plan::Plan;
use windlass_engine::release::Urgency;
use windlass_engine::strategy::{Strategy, Weight};

use super::{Commit, Held, must};

/// No commit takes routable capacity with a share below what is needed, or what there was if that
/// was less. What the world takes away does not count.
pub(super) fn is_kept(commit: &Commit<'_>) -> Held {
    if is_excused(commit) {
        return Ok(());
    }
    for component in commit.old.routes.keys() {
        let was = capacity(commit.old, component);
        let lost = u32::from(takes_away(commit, component));
        let needed = needed(commit.before, component).min(needed(commit.after, component));
        let least = needed.min(was - lost.min(was));
        let is = capacity(commit.new, component);
        must("no outage", is >= least, || {
            format!("capacity of {component} fell from {was} to {is}, {least} are needed")
        })?;
    }
    Ok(())
}

/// Users that ask for an outage get it.
fn is_excused(commit: &Commit<'_>) -> bool {
    let by_input = match commit.input {
        Input::Stop
        | Input::Delete { .. }
        | Input::Withdraw { .. }
        | Input::Restart(_)
        | Input::RestartInstance(_)
        | Input::Scale(_)
        | Input::Observe(Observation::Rebooted) => true,
        Input::Edit(_)
        | Input::Start(_)
        | Input::Deploy(_)
        | Input::CancelRelease(_)
        | Input::ContinueRelease(_)
        | Input::CompleteRelease(_)
        | Input::Publish { .. }
        | Input::AwaitChecks { .. }
        | Input::CreateBuild(_)
        | Input::CancelBuild { .. }
        | Input::RunTask(_)
        | Input::CancelTask(_)
        | Input::Configure(_)
        | Input::Observe(_)
        | Input::Tick => false,
    };
    let restarting = !commit.before.restarts.is_empty() || !commit.after.restarts.is_empty();
    let releases = commit.before.releases.iter().chain(&commit.after.releases);
    // A step that gives its target no traffic is back in force as soon as anything else serves.
    let without_share = commit.after.in_flight().is_some_and(|release| {
        let step = release.step();
        step.is_some_and(|step| step.weight == Weight::Share(0))
    });
    let accepted = releases.clone().any(|release| {
        let hard = release
            .restore
            .as_ref()
            .is_some_and(|r| r.urgency > Urgency::CapacitySafe);
        let without_base = release.is_restoring() && !release.base_was_routable;
        let old_first = release.is_in_flight() && release.strategy == Strategy::Recreate;
        hard || without_base || old_first
    });
    by_input || without_share || restarting || accepted || commit.after.run != RunState::Started
}

fn capacity(plan: &Plan, component: &ComponentName) -> u32 {
    let versions = plan.routes.get(component).into_iter().flatten();
    let count: usize = versions.map(|version| version.instances.len()).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Instances of a component that must go on serving.
fn needed(state: &AppState, component: &ComponentName) -> u32 {
    match state.governing() {
        Some(release) if release.is_in_flight() => {
            let goal = state.goal(release, component);
            match state.needed(release, component) {
                0 => goal,
                needed => needed.min(goal),
            }
        }
        Some(release) => state.needed(release, component),
        None => {
            let base = state.base.as_ref();
            let has_it = base.is_some_and(|base| state.role_in(base, component).is_some());
            if has_it { state.scale_of(component) } else { 0 }
        }
    }
}

/// Whether the input itself tells of a routable instance of the component that no longer is.
fn takes_away(commit: &Commit<'_>, component: &ComponentName) -> bool {
    let Input::Observe(
        Observation::InstanceExited { instance, run, .. }
        | Observation::InstanceRunning {
            instance,
            run,
            routable: false,
        },
    ) = commit.input
    else {
        return false;
    };
    commit.before.instances.get(instance).is_some_and(|found| {
        found.run == *run && found.component == *component && found.is_routable()
    })
}
