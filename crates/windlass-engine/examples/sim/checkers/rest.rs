//! What must hold when a fair world has come to rest.

use std::collections::BTreeSet;

use windlass_engine::app::{AppState, RunState};
use windlass_engine::configuration::ComponentRole;
use windlass_engine::plan::Plan;

use super::{Held, must};
use crate::driver::{Phase, Process, Run};
use crate::history::History;

const REST: &str = "everything ends in a fair world";

/// Everything unfinished has ended and the base serves whole.
pub(crate) fn at_rest<'a>(
    state: &AppState,
    plan: &Plan,
    history: &History,
    processes: impl Iterator<Item = (&'a Run, &'a Process)>,
) -> Held {
    for release in &state.releases {
        must(REST, release.is_finalized(), || {
            format!("{} is still {}", release.id, release.state_word())
        })?;
    }
    for (release, fate) in &history.releases {
        must(REST, fate.is_finalized, || {
            format!("{release} never ended: {fate:?}")
        })?;
    }
    let builds = state.builds.iter().find(|build| !build.is_finished());
    must(REST, builds.is_none(), || {
        format!("a build never ended: {builds:?}")
    })?;
    let tasks = state.tasks.iter().find(|task| !task.is_finished());
    must(REST, tasks.is_none(), || {
        format!("a task never ended: {tasks:?}")
    })?;
    only_the_base_runs(state, history)?;
    processes_are_the_plan(plan, processes)
}

fn only_the_base_runs(state: &AppState, history: &History) -> Held {
    const BASE: &str = "in a fair world the base serves, whole and alone";
    let base = state
        .base
        .as_ref()
        .filter(|_| state.run == RunState::Started);
    for instance in state.instances.values() {
        let of_base = base == Some(&instance.revision);
        must(BASE, of_base && !instance.is_ending(), || {
            format!("left over: {instance:?}")
        })?;
    }
    let Some(base) = base else {
        return Ok(());
    };
    let Some(revision) = state.revisions.get(base) else {
        return must(BASE, false, || format!("nothing is known of {base}"));
    };
    for (component, config) in &revision.configuration.components {
        let wanted = match config.role {
            ComponentRole::Routed | ComponentRole::Worker => state.scale_of(component),
            ComponentRole::Job(_)
            | ComponentRole::Static
            | ComponentRole::OnDemand
            | ComponentRole::Template => 0,
        };
        let is = state.routable(base, component);
        must(BASE, is == wanted, || {
            format!("{is} of {wanted} of {component} are routable")
        })?;
        let indices: BTreeSet<u32> = state
            .serving(base, component)
            .map(|instance| instance.index)
            .collect();
        must(
            BASE,
            indices.iter().copied().eq(0..wanted) || history.gaps.contains(base),
            || format!("the indices of {component} are {indices:?}"),
        )?;
    }
    Ok(())
}

fn processes_are_the_plan<'a>(
    plan: &Plan,
    processes: impl Iterator<Item = (&'a Run, &'a Process)>,
) -> Held {
    const PLAN: &str = "what runs is the plan";
    let mut alive: BTreeSet<_> = BTreeSet::new();
    for (run, process) in processes.filter(|(_, process)| process.is_alive()) {
        let Run::Instance(id, number) = run else {
            return must(PLAN, false, || format!("{run:?} runs"));
        };
        must(
            PLAN,
            process.phase == Phase::Running { routable: true },
            || format!("{run:?} is {:?}", process.phase),
        )?;
        alive.insert((*id, *number));
    }
    let wanted: BTreeSet<_> = plan.instances.iter().map(|i| (i.id, i.run)).collect();
    must(PLAN, alive == wanted, || {
        format!("{alive:?} run, {wanted:?} should")
    })
}
