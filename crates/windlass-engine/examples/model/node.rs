//! A state of a world: the engine's state and what is left of the world's budgets.

use std::collections::BTreeMap;

use windlass_engine::app::AppState;
use windlass_engine::id::{BuildId, CommitNumber, InstanceId, TaskId};
use windlass_engine::input::{
    CancelCommand, CancelTaskCommand, CreateBuildCommand, DeployCommand, IfStopped, Input,
    Observation, RunTaskCommand, StartCommand,
};
use windlass_engine::instance::{ExitReason, InstancePhase, RunExit};
use windlass_engine::plan::{Plan, Want, plan};
use windlass_engine::rejection::Rejection;
use windlass_engine::release::{Deadline, Outcome, ReleaseState, Urgency};
use windlass_engine::strategy::Strategy;
use windlass_engine::time::{Now, Timestamp, Uptime};
use windlass_engine::transition::{Ledgers, Transition, transition};

/// What may still happen in a world, beside what follows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Budget {
    pub(crate) deploys: u8,
    pub(crate) continues: u8,
    pub(crate) crashes: u8,
    pub(crate) flips: u8,
    pub(crate) stops: u8,
    pub(crate) reboots: u8,
    pub(crate) timeouts: u8,
    pub(crate) tasks: u8,
    pub(crate) builds: u8,
    pub(crate) losses: u8,
    pub(crate) deletes: u8,
}

/// What is known of a release for ever.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Fate {
    pub(crate) cancel_accepted: bool,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) finalized: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) state: AppState,
    pub(crate) budget: Budget,
    pub(crate) fates: BTreeMap<u8, Fate>,
    /// Number of the next release, build and task.
    pub(crate) next: u8,
    /// The plan of `state`.
    pub(crate) plan: Plan,
}

/// One step of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Deploy { canary: bool, builds: bool },
    Cancel(u8, Urgency),
    Continue(u8),
    Stop,
    Start,
    Delete,
    Up(InstanceId),
    Ready(InstanceId, bool),
    Crash(InstanceId),
    Empty(InstanceId),
    Exit(InstanceId),
    Acknowledge,
    DrainLimit,
    Deadline,
    Reboot,
    RunTask,
    TaskStarted(u8),
    TaskEnded(u8, bool),
    TaskLost(u8),
    CancelTask(u8),
    CreateBuild,
    BuildEnded(u8, Option<bool>),
    CancelBuild(u8),
}

pub(crate) fn number_of(id: &str) -> u8 {
    id[1..].parse().unwrap_or(0)
}

impl Node {
    pub(crate) fn now(&self) -> Now {
        at(0, self)
    }

    /// Everything that drivers and router can bring without any trouble, in the order in which a
    /// fair world is drained.
    pub(crate) fn arrivals(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut seen: Vec<(&str, &str, u8)> = Vec::new();
        for instance in self.state.instances.values() {
            let (kind, action) = match instance.phase {
                InstancePhase::Starting => (0, Action::Up(instance.id)),
                InstancePhase::Running {
                    routable: false, ..
                } => (1, Action::Ready(instance.id, true)),
                InstancePhase::Draining { .. } => (2, Action::Empty(instance.id)),
                InstancePhase::Stopping => (3, Action::Exit(instance.id)),
                InstancePhase::Restarting => (4, Action::Exit(instance.id)),
                InstancePhase::Running { .. } | InstancePhase::Crashed { .. } => continue,
            };
            let class = (
                instance.revision.as_str(),
                instance.component.as_str(),
                kind,
            );
            if !seen.contains(&class) {
                seen.push(class);
                actions.push(action);
            }
        }
        let waits = self.state.releases.iter().any(|release| {
            release
                .restore
                .as_ref()
                .is_some_and(|r| !r.safe && r.zero_generation.is_some())
        });
        if waits {
            actions.insert(0, Action::Acknowledge);
        }
        for (task, want) in &self.plan.tasks {
            let number = number_of(task.as_str());
            let pending = self
                .state
                .task(task)
                .is_some_and(|t| t.state.as_str() == "pending");
            if pending && *want == Want::Run {
                actions.push(Action::TaskStarted(number));
            }
            actions.push(Action::TaskEnded(number, true));
        }
        for (build, _, _) in &self.plan.builds {
            actions.push(Action::BuildEnded(number_of(build.as_str()), Some(true)));
        }
        actions
    }

    /// Troubles, one per kind of instance.
    pub(crate) fn troubles(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let mut seen: Vec<(&str, u8)> = Vec::new();
        for instance in self.state.instances.values() {
            let kind = match instance.phase {
                InstancePhase::Starting => 0,
                InstancePhase::Running { routable, .. } => 1 + u8::from(routable),
                InstancePhase::Draining { .. } => 3,
                InstancePhase::Crashed { .. }
                | InstancePhase::Stopping
                | InstancePhase::Restarting => continue,
            };
            if seen.contains(&(instance.revision.as_str(), kind)) {
                continue;
            }
            seen.push((instance.revision.as_str(), kind));
            if self.budget.crashes > 0 {
                actions.push(Action::Crash(instance.id));
            }
            if self.budget.flips > 0 && kind == 2 {
                actions.push(Action::Ready(instance.id, false));
            }
        }
        let draining = self
            .state
            .instances
            .values()
            .any(|i| matches!(i.phase, InstancePhase::Draining { .. }));
        if self.budget.timeouts > 0 && draining {
            actions.push(Action::DrainLimit);
        }
        if self.budget.timeouts > 0 && self.deadline().is_some() {
            actions.push(Action::Deadline);
        }
        if self.budget.reboots > 0 {
            actions.push(Action::Reboot);
        }
        actions
    }

    fn deadline(&self) -> Option<u64> {
        let releases = self.state.releases.iter().map(|release| release.deadline);
        let builds = self.state.builds.iter().map(|build| build.deadline);
        releases
            .chain(builds)
            .filter_map(|deadline| match deadline {
                Deadline::Running { at } => Some(at.0),
                Deadline::Off | Deadline::Held { .. } => None,
            })
            .min()
    }

    fn drain_limit(&self) -> u64 {
        let phases = self.state.instances.values().map(|instance| instance.phase);
        phases
            .filter_map(|phase| match phase {
                InstancePhase::Draining { until, .. } => Some(until.0),
                _ => None,
            })
            .min()
            .unwrap_or(0)
    }

    /// The engine's input of an action, and the time at which it comes.
    pub(crate) fn input(&self, action: Action) -> (Input, u64) {
        let run = |id: &InstanceId| self.state.instances.get(id).map_or(0, |i| i.run);
        let observe = |seen| (Input::Observe(seen), 0);
        match action {
            Action::Deploy { canary, builds } => {
                (Input::Deploy(self.deployment(canary, builds)), 0)
            }
            Action::Cancel(number, urgency) => {
                let command = CancelCommand {
                    release: format!("r{number}").into(),
                    by: String::new(),
                    client: None,
                    reason: None,
                    urgency,
                };
                (Input::CancelRelease(command), 0)
            }
            Action::Continue(number) => (Input::ContinueRelease(format!("r{number}").into()), 0),
            Action::Stop => (Input::Stop, 0),
            Action::Start => (
                Input::Start(StartCommand {
                    revision: "v99".into(),
                }),
                0,
            ),
            Action::Delete => (
                Input::Delete {
                    by: String::new(),
                    client: None,
                },
                0,
            ),
            Action::Up(id) | Action::Ready(id, true) => observe(Observation::InstanceRunning {
                instance: id,
                run: run(&id),
                routable: true,
            }),
            Action::Ready(id, false) => observe(Observation::InstanceRunning {
                instance: id,
                run: run(&id),
                routable: false,
            }),
            Action::Crash(id) | Action::Exit(id) => observe(Observation::InstanceExited {
                instance: id,
                run: run(&id),
                exit: RunExit::new(ExitReason::Exited),
            }),
            Action::Empty(id) => observe(Observation::InstanceEmpty {
                instance: id,
                generation: self.state.plan_generation,
            }),
            Action::Acknowledge => observe(Observation::RouterAcknowledged {
                generation: self.state.plan_generation,
            }),
            Action::DrainLimit => (Input::Tick, self.drain_limit()),
            Action::Deadline => (Input::Tick, self.deadline().unwrap_or(0)),
            Action::Reboot => observe(Observation::Rebooted),
            Action::RunTask => (Input::RunTask(task(self.next)), 0),
            Action::TaskStarted(number) => observe(Observation::TaskStarted {
                task: task_id(number),
            }),
            Action::TaskEnded(number, succeeded) => observe(Observation::TaskExited {
                task: task_id(number),
                exit: RunExit {
                    code: Some(i32::from(!succeeded)),
                    ..RunExit::new(ExitReason::Exited)
                },
            }),
            Action::TaskLost(number) => observe(Observation::TaskExited {
                task: task_id(number),
                exit: RunExit::new(ExitReason::Lost),
            }),
            Action::CancelTask(number) => {
                let command = CancelTaskCommand {
                    task: task_id(number),
                    by: String::new(),
                    client: None,
                    reason: None,
                };
                (Input::CancelTask(command), 0)
            }
            Action::CreateBuild => {
                let mut command =
                    CreateBuildCommand::of_package(build_id(1), "p".into(), "built".into());
                command.for_releases = true;
                (Input::CreateBuild(command), 0)
            }
            Action::BuildEnded(number, outcome) => {
                use windlass_engine::build::BuildOutcome;
                let build = build_id(number);
                let run = self
                    .state
                    .builds
                    .iter()
                    .find(|b| b.id == build)
                    .map_or(0, |b| b.run);
                let outcome = outcome.map(|built| {
                    if built {
                        BuildOutcome::Built
                    } else {
                        BuildOutcome::Failed {
                            id: String::new(),
                            text: String::new(),
                        }
                    }
                });
                observe(Observation::BuildEnded {
                    build,
                    run,
                    outcome,
                })
            }
            Action::CancelBuild(number) => (
                Input::CancelBuild {
                    build: build_id(number),
                    by: String::new(),
                },
                0,
            ),
        }
    }

    fn deployment(&self, canary: bool, builds: bool) -> DeployCommand {
        let number = self.next;
        DeployCommand {
            release: format!("r{number}").into(),
            revision: format!("v{number}").into(),
            edits: vec![windlass_engine::configuration::Edit::Artifact(Some(
                format!("a{number}").into(),
            ))],
            target_edits: Vec::new(),
            target_scale: BTreeMap::new(),
            strategy: if canary {
                Strategy::Canary {
                    weights: vec![50],
                    max_in_flight: 1,
                }
            } else {
                Strategy::Rolling { max_in_flight: 1 }
            },
            if_stopped: IfStopped::DeployAtOnce,
            awaited_builds: if builds {
                vec![build_id(1)]
            } else {
                Vec::new()
            },
        }
    }

    /// Makes a step. `None` = the engine refused, or nothing changed.
    pub(crate) fn step(&self, action: Action) -> Result<Option<Self>, Rejection> {
        let (input, uptime) = self.input(action);
        let made = transition(&self.state, &input, at(uptime, self), &Ledgers::default())?;
        if !made.changed {
            return Ok(None);
        }
        Ok(Some(self.after(action, made)))
    }

    fn after(&self, action: Action, made: Transition) -> Self {
        let mut node = Self {
            plan: plan(&made.state, self.now()),
            state: made.state,
            budget: self.budget,
            fates: self.fates.clone(),
            next: self.next,
        };
        node.budget.spend(action);
        match action {
            Action::Deploy { .. } | Action::RunTask => node.next += 1,
            Action::Cancel(number, _) => {
                node.fates.entry(number).or_default().cancel_accepted = true;
            }
            _ => {}
        }
        for release in &node.state.releases {
            let fate = node
                .fates
                .entry(number_of(release.id.as_str()))
                .or_default();
            if fate.outcome.is_none() {
                fate.outcome = release.outcome().cloned();
            }
            fate.finalized |= matches!(release.state, ReleaseState::Finalized { .. });
        }
        node
    }
}

impl Budget {
    fn spend(&mut self, action: Action) {
        let spent = match action {
            Action::Deploy { .. } => &mut self.deploys,
            Action::Continue(_) => &mut self.continues,
            Action::Crash(_) => &mut self.crashes,
            Action::Ready(_, false) => &mut self.flips,
            Action::Stop => &mut self.stops,
            Action::Reboot => &mut self.reboots,
            Action::DrainLimit | Action::Deadline => &mut self.timeouts,
            Action::RunTask => &mut self.tasks,
            Action::CreateBuild => &mut self.builds,
            Action::TaskLost(_) | Action::BuildEnded(_, None) => &mut self.losses,
            Action::Delete => &mut self.deletes,
            _ => return,
        };
        *spent = spent.saturating_sub(1);
    }
}

fn at(uptime: u64, node: &Node) -> Now {
    Now {
        wall: Timestamp(0),
        uptime: Uptime(uptime),
        commit: CommitNumber(node.state.row_revision.0 + 1),
    }
}

fn task_id(number: u8) -> TaskId {
    format!("t{number}").into()
}

fn build_id(number: u8) -> BuildId {
    format!("b{number}").into()
}

fn task(number: u8) -> RunTaskCommand {
    RunTaskCommand {
        task: task_id(number),
        sequence: 1,
        name: String::new(),
        command: String::new(),
        user: None,
        memory_mb: 1,
        disk_mb: 1,
        log_bytes_per_second: None,
        artifact: None,
    }
}
