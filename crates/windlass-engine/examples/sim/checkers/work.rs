//! Instances, tasks, builds, the plan's number and its clock.

use std::collections::BTreeSet;

use serde_json::Value;
use windlass_engine::app::AppState;
use windlass_engine::build::BuildState;
use windlass_engine::id::{ComponentName, RevisionId};
use windlass_engine::input::{Input, Observation};
use windlass_engine::instance::InstancePhase;
use windlass_engine::release::{Deadline, JobState, Release, ReleaseState};
use windlass_engine::task::{TASK_CANCELED, Task, TaskState};
use windlass_engine::transition::{Usage, transition, usage};

use super::{Commit, Held, must};
use crate::history::History;

/// Serving instances of a version have different indices.
pub(super) fn indices_are_unique(commit: &Commit<'_>) -> Held {
    let mut seen = BTreeSet::new();
    for instance in commit.after.instances.values().filter(|i| !i.is_ending()) {
        let place = (&instance.revision, &instance.component, instance.index);
        must("indices are unique", seen.insert(place), || {
            format!("{place:?} is there twice")
        })?;
    }
    Ok(())
}

/// Numbers of runs and of instances only grow.
pub(super) fn runs_only_grow(commit: &Commit<'_>) -> Held {
    for (id, instance) in &commit.after.instances {
        let sound = match commit.before.instances.get(id) {
            Some(before) => before.run <= instance.run,
            None => *id >= commit.before.next_instance && instance.run == 1,
        };
        must("a run is never started twice", sound, || {
            format!("instance {id}: {instance:?}")
        })?;
    }
    Ok(())
}

/// From canceling a task always fails; what is over stays as it is; nothing gets lost.
pub(super) fn tasks_end_as_they_must(commit: &Commit<'_>, history: &History) -> Held {
    const TASKS: &str = "tasks end as they must";
    for task in commit
        .before
        .tasks
        .iter()
        .filter(|task| !task.is_finished())
    {
        let is = commit.after.task(&task.id).map(|task| &task.state);
        must(TASKS, is.is_some(), || format!("{} is gone", task.id))?;
        let canceled = TaskState::Failed {
            reason: TASK_CANCELED.to_owned(),
        };
        let sound = task.state != TaskState::Canceling
            || is == Some(&TaskState::Canceling)
            || is == Some(&canceled);
        must(TASKS, sound, || {
            format!("the canceled {} is {is:?}", task.id)
        })?;
    }
    for task in &commit.after.tasks {
        let over = history
            .tasks
            .get(&task.id)
            .filter(|state| matches!(state, TaskState::Succeeded | TaskState::Failed { .. }));
        must(TASKS, over.is_none_or(|over| *over == task.state), || {
            format!("{} was {over:?} and is {:?}", task.id, task.state)
        })?;
    }
    Ok(())
}

/// A build that is being ended ends so; nothing gets lost.
pub(super) fn builds_end_as_they_must(commit: &Commit<'_>, history: &History) -> Held {
    const BUILDS: &str = "builds end as they must";
    for build in commit
        .before
        .builds
        .iter()
        .filter(|build| !build.is_finished())
    {
        let is = commit
            .after
            .builds
            .iter()
            .find(|other| other.id == build.id);
        must(BUILDS, is.is_some(), || format!("{} is gone", build.id))?;
    }
    for build in &commit.after.builds {
        let Some(outcome) = history.build_outcome(&build.id) else {
            continue;
        };
        let sound = match &build.state {
            BuildState::Canceling { outcome: is } | BuildState::Finished { outcome: is } => {
                is == outcome
            }
            BuildState::Queued | BuildState::Running => false,
        };
        must(BUILDS, sound, || {
            format!("{}: {outcome:?} became {:?}", build.id, build.state)
        })?;
    }
    Ok(())
}

/// Of an app that is not started no job runs on.
pub(super) fn jobs_stop_with_the_app(commit: &Commit<'_>) -> Held {
    let state = commit.after;
    let stopped = state.run != windlass_engine::app::RunState::Started;
    let mut jobs = state.releases.iter().flat_map(|release| &release.jobs);
    let running = jobs.find(|job| job.state == JobState::Running);
    must(
        "jobs stop with the app",
        !stopped || running.is_none(),
        || format!("{running:?} runs, the app is {:?}", state.run),
    )
}

/// The plan generation grows by one iff the work differs.
pub(super) fn generation_grows_with_the_work(commit: &Commit<'_>) -> Held {
    let grown = commit.after.plan_generation.0 - commit.before.plan_generation.0;
    let same = commit.old.is_same_work(commit.new);
    must(
        "the generation grows iff the work differs",
        grown == u64::from(!same),
        || format!("it grew by {grown}, the work is the same: {same}"),
    )
}

/// Whatever ends by time has its wake-up, and a release that moves has its deadline.
pub(super) fn wakes_in_time(commit: &Commit<'_>) -> Held {
    let state = commit.after;
    let instances = state
        .instances
        .values()
        .filter_map(|instance| match instance.phase {
            InstancePhase::Crashed { retry_at } => retry_at,
            InstancePhase::Draining { until, .. } => Some(until),
            InstancePhase::Starting
            | InstancePhase::Running { .. }
            | InstancePhase::Stopping
            | InstancePhase::Restarting => None,
        });
    let releases = state
        .releases
        .iter()
        .filter(|release| release.is_in_flight());
    let timers = releases.clone().filter_map(|release| release.timer_until);
    let deadlines = releases.filter_map(|release| match release.deadline {
        Deadline::Running { at } => Some(at),
        Deadline::Off | Deadline::Held { .. } => None,
    });
    let jobs = state.releases.iter().flat_map(|release| &release.jobs);
    let jobs = jobs
        .filter(|job| job.state == JobState::Running)
        .filter_map(|job| job.until);
    let earliest = instances.chain(timers).chain(deadlines).chain(jobs).min();
    let sound = earliest.is_none_or(|at| {
        commit
            .new
            .wake_at
            .is_some_and(|wake| wake <= at.max(commit.now.uptime))
    });
    must("it wakes in time", sound, || {
        format!(
            "{earliest:?} is waited for, the wake-up is {:?}",
            commit.new.wake_at
        )
    })?;
    let started = state.run == windlass_engine::app::RunState::Started;
    let held = state.releases.iter().find(|release| {
        matches!(release.state, ReleaseState::RollingOut { .. })
            && matches!(release.deadline, Deadline::Held { .. })
            && release.timer_until.is_none()
    });
    must("it wakes in time", !started || held.is_none(), || {
        format!(
            "the deadline of {} stands still while it moves",
            held.map_or("", |r| r.id.as_str())
        )
    })
}

/// Commands of users never take more than the quota; what a cancel restores may.
pub(super) fn quota_is_kept(commit: &Commit<'_>) -> Held {
    match commit.input {
        Input::CancelRelease(_) | Input::Observe(_) | Input::Tick => return Ok(()),
        _ => {}
    }
    let (old, new) = (usage(commit.before), usage(commit.after));
    let rows = [
        (
            "memory",
            old.memory_mb,
            new.memory_mb,
            commit.ledgers.memory_mb_left,
        ),
        (
            "instances",
            old.instances,
            new.instances,
            commit.ledgers.instances_left,
        ),
        ("tasks", old.tasks, new.tasks, commit.ledgers.tasks_left),
    ];
    for (what, was, is, left) in rows {
        let sound = left.is_none_or(|left| is <= was.saturating_add(left));
        must("commands keep the quota", sound, || {
            format!("{what}: {was} became {is}, {left:?} were left")
        })?;
    }
    counts_what_serves(commit.after, new)
}

/// What is reserved is never less than what should run, unless something is put back or an earlier
/// version still serves in place of a base that is not up.
fn counts_what_serves(state: &AppState, used: Usage) -> Held {
    let target = state.in_flight().map(|release| &release.target);
    let serving = state.instances.values().filter(|i| !i.is_ending());
    let is_known = |id: &RevisionId| state.base.as_ref() == Some(id) || target == Some(id);
    let in_flight = state
        .in_flight()
        .map_or(0, |release| release.strategy.max_in_flight() as usize);
    let starting = |component: &ComponentName| {
        let of_target = serving.clone().filter(|i| target == Some(&i.revision));
        of_target
            .filter(|i| i.component == *component && !i.is_routable())
            .count()
    };
    // What was up once and starts again, or is not ready any more, has a place of its own, with the
    // base beside it.
    let target_is_up = serving.clone().all(|i| {
        target != Some(&i.revision)
            || i.is_routable()
            || i.run == 1 && i.phase == InstancePhase::Starting
    });
    let base_is_up = serving
        .clone()
        .all(|i| state.base.as_ref() != Some(&i.revision) || !i.is_starting());
    let is_steady = base_is_up
        && target_is_up
        && state
            .components()
            .iter()
            .all(|name| starting(name) <= in_flight);
    let is_plain = is_steady
        && serving.clone().all(|i| is_known(&i.revision))
        && !state.releases.iter().any(Release::is_restoring);
    let count = serving.clone().count() as u64;
    must(
        "the usage counts what runs",
        !is_plain || count <= used.instances,
        || format!("{count} should run, {} are counted", used.instances),
    )
}

/// Whether an observation tells of an earlier run or of nothing that is known.
pub(crate) fn is_late(state: &AppState, observation: &Observation) -> bool {
    if state
        .builds
        .iter()
        .any(|build| build.state == BuildState::Queued)
    {
        // A build slot that became free since is given out with the next input, whatever it is.
        return false;
    }
    match observation {
        Observation::InstanceRunning { instance, run, .. }
        | Observation::InstanceExited { instance, run, .. } => state
            .instances
            .get(instance)
            .is_none_or(|found| found.run != *run),
        Observation::InstanceEmpty { instance, .. } | Observation::Idle { instance, .. } => {
            !state.instances.contains_key(instance)
        }
        Observation::TaskStarted { task } | Observation::TaskExited { task, .. } => {
            state.task(task).is_none_or(Task::is_finished)
        }
        Observation::BuildEnded { build, run, .. } => {
            let found = state.builds.iter().find(|found| found.id == *build);
            found.is_none_or(|found| found.run != *run || found.is_finished())
        }
        Observation::BuildProgress { build, .. } => {
            !state.builds.iter().any(|found| found.id == *build)
        }
        Observation::RouterAcknowledged { generation } => *generation > state.plan_generation,
        Observation::SafeMeasured { release, .. }
        | Observation::JobProgress { release, .. }
        | Observation::JobEnded { release, .. }
        | Observation::ChecksConcluded { release, .. } => state.release(release).is_none(),
        Observation::Demanded { revision, .. } => !state.published.contains_key(revision),
        Observation::Rebooted => false,
    }
}

/// The same fact once more changes nothing, nor does a wake-up: everything has settled.
pub(crate) fn changes_nothing_again(commit: &Commit<'_>) -> Held {
    if matches!(commit.input, Input::Observe(_))
        && !matches!(commit.input, Input::Observe(Observation::Rebooted))
    {
        let again = transition(commit.after, commit.input, commit.now, commit.ledgers);
        must(
            "a repeated fact changes nothing",
            again.is_ok_and(|made| !made.changed),
            || format!("{:?}", commit.input),
        )?;
    }
    // Deadlines of builds, and of releases whose job may have printed, are judged by the clock.
    let is_due = |deadline: Deadline| matches!(deadline, Deadline::Running { at } if at <= commit.now.uptime);
    let runs_a_job = |release: &Release| {
        let mut jobs = release.jobs.iter();
        jobs.any(|job| job.state == JobState::Running)
    };
    let state = commit.after;
    let expires = state.builds.iter().any(|build| is_due(build.deadline))
        || state
            .releases
            .iter()
            .any(|release| is_due(release.deadline) && runs_a_job(release));
    let woken = transition(commit.after, &Input::Tick, commit.now, commit.ledgers);
    let Some(woken) = woken.ok().filter(|woken| woken.changed && !expires) else {
        return Ok(());
    };
    must("each commit settles everything", false, || {
        format!(
            "a wake-up right after {:?} changes {}",
            commit.input,
            difference(commit.after, &woken.state)
        )
    })
}

/// The parts of two states that differ, as the second has them.
fn difference(before: &AppState, after: &AppState) -> String {
    let value = |state| serde_json::to_value(state).unwrap_or_default();
    let mut parts = Vec::new();
    list_differences("", &value(before), &value(after), &mut parts);
    parts.join(", ")
}

/// Names every place at which two documents differ, with both values.
fn list_differences(place: &str, old: &Value, new: &Value, parts: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let (old, new) = (old.get(name), new.get(name));
                list_differences(
                    &format!("{place}.{name}"),
                    old.unwrap_or(&Value::Null),
                    new.unwrap_or(&Value::Null),
                    parts,
                );
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                list_differences(&format!("{place}[{index}]"), old, new, parts);
            }
        }
        _ if old == new => {}
        _ => parts.push(format!("{place}: {old} to {new}")),
    }
}
