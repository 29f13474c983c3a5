//! `transition`: the only code that changes the state of an app.
//!
//! It folds one input into the state, settles everything that follows from it, and raises the
//! plan generation iff the plan differs. It is pure: the same input twice gives the same state,
//! and an input that changes nothing reports so, so that no commit is made for it.

mod builds;
mod cancel;
mod clocks;
mod deploy;
mod edit;
mod instances;
mod lifecycle;
mod observe;
mod on_demand;
mod published;
mod quota;
mod restoring;
mod resume;
mod settle;
mod tasks;
#[cfg(test)]
mod tests;
mod waiting;

use crate::app::{AppState, RunState};
use crate::build::{BuildOutcome, BuildState};
use crate::event::{Event, Subject};
use crate::id::{BuildId, PlanGeneration, ReleaseId};
use crate::input::{Input, Observation};
use crate::instance::InstancePhase;
use crate::plan::{Plan, plan};
use crate::rejection::Rejection;
use crate::release::Release;
use crate::time::Now;

pub use quota::{Usage, usage};

/// What several apps share, as read in the same transaction. `None` = unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledgers {
    /// Memory that the organization has left, MiB.
    pub memory_mb_left: Option<u64>,
    /// Instances that the organization has left.
    pub instances_left: Option<u64>,
    /// Tasks that the organization has left.
    pub tasks_left: Option<u64>,
    /// Build slots that are free beside those of this app.
    pub build_slots_left: Option<u32>,
}

/// Result of a transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The new state.
    pub state: AppState,
    /// What is to be told.
    pub events: Vec<Event>,
    /// Whether anything changed; if not, there is nothing to commit.
    pub changed: bool,
}

/// Folds one input into the state of an app.
///
/// # Errors
/// A [`Rejection`] when the input is not legal now; then nothing changes.
pub fn transition(
    state: &AppState,
    input: &Input,
    now: Now,
    ledgers: &Ledgers,
) -> Result<Transition, Rejection> {
    let mut work = Work {
        state: state.clone(),
        now,
        events: Vec::new(),
        ledgers: *ledgers,
        is_tick: matches!(input, Input::Tick),
    };
    judge_finished(state, input)?;
    work.forget_finished();
    let before = work.state.clone();
    let plan_before = plan(state, now);
    if matches!(input, Input::Observe(Observation::Rebooted)) {
        work.shift_clocks();
    }
    work.fold(input)?;
    work.settle();
    if is_counted(input) {
        work.check_quota(&before)?;
    }
    work.number_plan(&plan_before);
    work.state.last_uptime = before.last_uptime;
    let changed = work.state != before;
    if changed {
        work.state.row_revision.0 += 1;
        work.state.last_uptime = now.uptime;
    }
    Ok(Transition {
        state: work.state,
        events: work.events,
        changed,
    })
}

/// Refuses to cancel or continue what the last commit has ended, with the outcome that won.
fn judge_finished(state: &AppState, input: &Input) -> Result<(), Rejection> {
    let ended = |id: &ReleaseId| {
        let release = state.release(id).filter(|release| release.is_finalized());
        release.map(|release| release.state.clone())
    };
    match input {
        Input::CancelRelease(command) => match ended(&command.release) {
            Some(state) => Err(Rejection::NotCancelable { state }),
            None => Ok(()),
        },
        Input::CancelBuild { build, .. } => {
            let mut builds = state.builds.iter();
            match builds.find(|it| it.id == *build && it.is_finished()) {
                Some(build) => Err(Rejection::BuildNotCancelable {
                    state: build.state.clone(),
                }),
                None => Ok(()),
            }
        }
        Input::ContinueRelease(release) | Input::CompleteRelease(release) => match ended(release) {
            Some(state) => Err(Rejection::NotContinuable { state }),
            None => Ok(()),
        },
        Input::CancelTask(command) => match state.task(&command.task) {
            Some(task) if task.is_finished() => Err(Rejection::TaskNotCancelable {
                state: task.state.clone(),
            }),
            Some(_) | None => Ok(()),
        },
        Input::Deploy(command) if state.release(&command.release).is_none() => {
            judge_awaited(state, &command.awaited_builds)
        }
        Input::Edit(_)
        | Input::Scale(_)
        | Input::Start(_)
        | Input::Stop
        | Input::Restart(_)
        | Input::RestartInstance(_)
        | Input::Deploy(_)
        | Input::Publish { .. }
        | Input::Withdraw { .. }
        | Input::AwaitChecks { .. }
        | Input::CreateBuild(_)
        | Input::RunTask(_)
        | Input::Delete { .. }
        | Input::Configure(_)
        | Input::Observe(_)
        | Input::Tick => Ok(()),
    }
}

/// A release may wait for builds that are there, or that the last commit has built. Of others
/// nobody here knows whether their artifact will ever be there.
fn judge_awaited(state: &AppState, awaited: &[BuildId]) -> Result<(), Rejection> {
    let is_awaitable = |id: &BuildId| {
        let build = state.builds.iter().find(|build| build.id == *id);
        build.is_some_and(|build| match &build.state {
            BuildState::Queued | BuildState::Running => true,
            BuildState::Finished { outcome } => *outcome == BuildOutcome::Built,
            BuildState::Canceling { .. } => false,
        })
    };
    match awaited.iter().find(|id| !is_awaitable(id)) {
        Some(id) => Err(Rejection::NotAwaitable(id.clone())),
        None => Ok(()),
    }
}

/// Whether an input may only succeed within the quota.
fn is_counted(input: &Input) -> bool {
    match input {
        Input::Scale(_)
        | Input::Start(_)
        | Input::Restart(_)
        | Input::Deploy(_)
        | Input::RunTask(_)
        | Input::Configure(_) => true,
        Input::Edit(_)
        | Input::Stop
        | Input::RestartInstance(_)
        | Input::CancelRelease(_)
        | Input::ContinueRelease(_)
        | Input::CompleteRelease(_)
        | Input::Publish { .. }
        | Input::Withdraw { .. }
        | Input::AwaitChecks { .. }
        | Input::CreateBuild(_)
        | Input::CancelBuild { .. }
        | Input::CancelTask(_)
        | Input::Delete { .. }
        | Input::Observe(_)
        | Input::Tick => false,
    }
}

/// A state in change.
struct Work {
    state: AppState,
    now: Now,
    events: Vec<Event>,
    ledgers: Ledgers,
    /// Whether the input is the clock.
    is_tick: bool,
}

impl Work {
    fn fold(&mut self, input: &Input) -> Result<(), Rejection> {
        if self.state.run == RunState::Deleted && !matches!(input, Input::Observe(_) | Input::Tick)
        {
            return Err(Rejection::AppDeleted);
        }
        match input {
            Input::Edit(command) => self.edit(command),
            Input::Scale(command) => self.scale(command),
            Input::Start(command) => self.start(command),
            Input::Stop => {
                self.stop();
                Ok(())
            }
            Input::Restart(command) => self.restart(command),
            Input::RestartInstance(instance) => self.restart_instance(*instance),
            Input::Deploy(command) => self.deploy(command),
            Input::CancelRelease(command) => self.cancel_release(command),
            Input::ContinueRelease(release) => self.continue_release(release),
            Input::CompleteRelease(release) => self.complete_release(release),
            Input::Publish { revision } => self.publish(revision),
            Input::Withdraw {
                revision,
                by,
                client,
            } => self.withdraw(revision, by, client.as_deref()),
            Input::AwaitChecks { build } => self.await_checks(build),
            Input::CreateBuild(command) => self.create_build(command),
            Input::CancelBuild { build, by } => self.cancel_build(build, by),
            Input::RunTask(command) => self.run_task(command),
            Input::CancelTask(command) => self.cancel_task(command),
            Input::Delete { by, client } => {
                self.delete(by, client.as_deref());
                Ok(())
            }
            Input::Configure(settings) => {
                self.state.settings = *settings;
                Ok(())
            }
            Input::Observe(observation) => {
                self.observe(observation);
                Ok(())
            }
            Input::Tick => {
                self.wake();
                Ok(())
            }
        }
    }

    /// Drops what was over and told in an earlier commit.
    fn forget_finished(&mut self) {
        let instances = &self.state.instances;
        self.state.releases.retain(|release| {
            !release.is_finalized()
                || release.cleanup_left > 0
                || release.awaits_safe_table()
                || instances
                    .values()
                    .any(|instance| instance.revision == release.target && instance.is_ending())
        });
        self.state.builds.retain(|build| !build.is_finished());
        self.state.tasks.retain(|task| !task.is_finished());
        let keep: Vec<_> = self
            .state
            .revisions
            .keys()
            .filter(|revision| {
                self.state.base.as_ref() == Some(*revision)
                    || self.state.published.contains_key(*revision)
                    || self.state.has_instances_of(revision)
                    || self.state.releases.iter().any(|release| {
                        !release.is_finalized()
                            && (release.target == **revision
                                || release.base.as_ref() == Some(*revision))
                    })
            })
            .cloned()
            .collect();
        self.state.revisions.retain(|id, _| keep.contains(id));
    }

    /// Raises the plan generation iff the work differs, and notes it where something waits for
    /// the router to use it.
    fn number_plan(&mut self, before: &Plan) {
        let after = plan(&self.state, self.now);
        if !after.is_same_work(before) {
            self.state.plan_generation.0 += 1;
        }
        let generation = self.state.plan_generation;
        for instance in self.state.instances.values_mut() {
            if let InstancePhase::Draining {
                generation: since, ..
            } = &mut instance.phase
                && *since == UNNUMBERED
            {
                *since = generation;
            }
        }
        for release in &mut self.state.releases {
            note_shares(release, &after, generation);
        }
    }

    fn tell(&mut self, subject: Subject, kind: &'static str, text: impl Into<String>) {
        self.events.push(Event {
            subject,
            kind,
            text: text.into(),
        });
    }

    fn tell_app(&mut self, kind: &'static str, text: impl Into<String>) {
        let subject = Subject::App(self.state.app.clone());
        self.tell(subject, kind, text);
    }

    fn tell_release(&mut self, id: &ReleaseId, kind: &'static str, text: impl Into<String>) {
        self.tell(Subject::Release(id.clone()), kind, text);
    }

    fn release_mut(&mut self, id: &ReleaseId) -> Option<&mut Release> {
        self.state
            .releases
            .iter_mut()
            .find(|release| release.id == *id)
    }
}

/// Marks a drain whose generation is known only when the new plan is.
const UNNUMBERED: PlanGeneration = PlanGeneration(u64::MAX);

/// Notes what a plan means for a release: whether its target has traffic, the lowest share since
/// its cancel, and the first table in which it has none.
fn note_shares(release: &mut Release, plan: &Plan, generation: PlanGeneration) {
    let share = plan.largest_share(&release.target);
    if share > 0 {
        release.had_share = true;
    }
    let target = release.target.clone();
    for component in plan.routes.keys() {
        if plan.share_of(component, &target) > 0 && !release.served.contains(component) {
            release.served.insert(component.clone());
        }
    }
    let had_share = release.had_share;
    let Some(restore) = &mut release.restore else {
        return;
    };
    for (component, cap) in &mut restore.share_cap {
        // "Everything, because nothing else serves" is no raise of the share that counts.
        *cap = (*cap).min(plan.share_of(component, &target));
    }
    if restore.safe {
        return;
    }
    if share > 0 {
        restore.zero_generation = None;
    } else if !had_share {
        restore.safe = true;
        restore.time_to_safe_us = Some(0);
    } else if restore.zero_generation.is_none() {
        restore.zero_generation = Some(generation);
    }
}
