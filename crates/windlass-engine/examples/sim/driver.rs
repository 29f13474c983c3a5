//! The driver: processes that start slowly, never become healthy, crash, ignore signals, hang.

use std::collections::{BTreeMap, BTreeSet};

use windlass_engine::build::BuildOutcome;
use windlass_engine::id::{BuildId, ComponentName, InstanceId, ReleaseId, TaskId};
use windlass_engine::input::Observation;
use windlass_engine::instance::{ExitReason, RunExit};
use windlass_engine::plan::{Plan, Want};

use crate::random::Random;
use crate::tally::Tally;

/// Names one process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Run {
    Instance(InstanceId, u32),
    Task(TaskId),
    Build(BuildId, u32),
    Job(ReleaseId, ComponentName),
}

/// Where a process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Launching,
    Starting,
    Running {
        routable: bool,
    },
    /// Its record stays until control has taken the end in.
    Ended(ExitReason),
}

/// What a process does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Temper {
    Good,
    /// Needs long to become healthy.
    Slow,
    /// Ends during its start.
    CrashesEarly,
    /// Ends some time after it became healthy.
    CrashesLate,
    /// Is given up by its health check.
    NeverHealthy,
    /// Neither becomes healthy nor ends.
    Hangs,
    /// Its readiness comes and goes.
    Flaps,
    /// Disappears without a word.
    GetsLost,
}

#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) phase: Phase,
    temper: Temper,
    heeds_signals: bool,
    /// Whether a task, build or job ends well.
    succeeds: bool,
    /// When it does its next thing.
    due_ms: Option<u64>,
    stop_asked: bool,
}

impl Process {
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.phase, Phase::Ended(_))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Driver {
    pub(crate) processes: BTreeMap<Run, Process>,
    started: BTreeSet<Run>,
    generation: u64,
    /// Starts of 100 with trouble.
    trouble: u64,
    /// From now on everything goes well.
    is_fair: bool,
    crashes: u64,
    starts: u64,
}

/// What the driver asks the world for.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) seen: Vec<Observation>,
    pub(crate) due: Vec<(u64, Run)>,
    /// Instances that got their signal.
    pub(crate) signaled: Vec<(InstanceId, u32)>,
    /// A run that was started a second time.
    pub(crate) doubled: Option<Run>,
}

impl Driver {
    pub(crate) fn new(trouble: u64) -> Self {
        Self {
            trouble,
            ..Self::default()
        }
    }

    /// Makes a plan true. Starting what is known and stopping what stops already changes nothing.
    pub(crate) fn ensure(
        &mut self,
        generation: u64,
        plan: &Plan,
        grace_ms: u64,
        now: u64,
        random: &mut Random,
    ) -> Done {
        let mut done = Done::default();
        if generation < self.generation {
            return done;
        }
        self.generation = generation;
        let wanted = wanted(plan);
        for (run, want) in &wanted {
            match (want, self.processes.contains_key(run)) {
                (Want::Run, false) => self.start(run, now, random, &mut done),
                (Want::Run, true) => {}
                (Want::Stop, true) => self.stop(run, grace_ms, now, random, &mut done),
                (Want::Stop, false) => done.seen.push(ended(run, ExitReason::Stopped, false)),
            }
        }
        let unwanted: Vec<Run> = self
            .processes
            .iter()
            .filter(|(run, process)| process.is_alive() && !wanted.contains_key(run))
            .map(|(run, _)| run.clone())
            .collect();
        for run in unwanted {
            self.stop(&run, grace_ms, now, random, &mut done);
        }
        done
    }

    fn start(&mut self, run: &Run, now: u64, random: &mut Random, done: &mut Done) {
        if !self.started.insert(run.clone()) {
            done.doubled = Some(run.clone());
        }
        self.starts += 1;
        let in_trouble = !self.is_fair && random.chance(self.trouble);
        let temper = if in_trouble {
            random.pick(&[
                Temper::Slow,
                Temper::CrashesEarly,
                Temper::CrashesLate,
                Temper::NeverHealthy,
                Temper::Hangs,
                Temper::Flaps,
                Temper::GetsLost,
            ])
        } else {
            Temper::Good
        };
        let due = now
            + if in_trouble {
                random.span(0, 3_000)
            } else {
                random.span(0, 20)
            };
        let process = Process {
            phase: Phase::Launching,
            temper,
            heeds_signals: self.is_fair || random.chance(80),
            succeeds: self.is_fair || !in_trouble && random.chance(85),
            due_ms: Some(due),
            stop_asked: false,
        };
        self.processes.insert(run.clone(), process);
        done.due.push((due, run.clone()));
    }

    fn stop(&mut self, run: &Run, grace_ms: u64, now: u64, random: &mut Random, done: &mut Done) {
        let Some(process) = self.processes.get_mut(run) else {
            return;
        };
        if process.stop_asked || !process.is_alive() {
            return;
        }
        process.stop_asked = true;
        let wait = if process.heeds_signals {
            random.span(0, grace_ms)
        } else {
            grace_ms
        };
        let due = now + wait;
        process.due_ms = Some(due);
        done.due.push((due, run.clone()));
        if let Run::Instance(id, number) = run {
            done.signaled.push((*id, *number));
        }
    }

    /// A process does what is due.
    pub(crate) fn act(&mut self, run: &Run, now: u64, random: &mut Random) -> Done {
        let mut done = Done::default();
        let Some(process) = self.processes.get_mut(run) else {
            return done;
        };
        if process.due_ms.is_none_or(|due| due > now) {
            return done;
        }
        process.due_ms = None;
        if process.stop_asked {
            process.phase = Phase::Ended(ExitReason::Stopped);
            done.seen.push(ended(run, ExitReason::Stopped, false));
            return done;
        }
        match run {
            Run::Instance(..) => self.live(run, now, random, &mut done),
            Run::Task(_) | Run::Build(..) | Run::Job(..) => self.work(run, now, random, &mut done),
        }
        done
    }

    fn live(&mut self, run: &Run, now: u64, random: &mut Random, done: &mut Done) {
        let Some(process) = self.processes.get_mut(run) else {
            return;
        };
        let mut due = None;
        match (process.phase, process.temper) {
            (Phase::Launching, temper) => {
                process.phase = Phase::Starting;
                due = match temper {
                    Temper::Hangs => None,
                    Temper::NeverHealthy => Some(random.span(1_000, 60_000)),
                    Temper::Slow => Some(random.span(5_000, 50_000)),
                    Temper::Good
                    | Temper::CrashesEarly
                    | Temper::CrashesLate
                    | Temper::Flaps
                    | Temper::GetsLost => Some(random.span(1, 2_000)),
                };
            }
            (Phase::Starting, Temper::CrashesEarly) => self.end(run, ExitReason::Exited, done),
            (Phase::Starting, Temper::NeverHealthy) => {
                self.end(run, ExitReason::StartTimeout, done);
            }
            (Phase::Starting, temper) => {
                process.phase = Phase::Running { routable: true };
                due = match temper {
                    Temper::CrashesLate | Temper::GetsLost => Some(random.span(1, 400_000)),
                    Temper::Flaps => Some(random.span(1, 30_000)),
                    _ => None,
                };
                done.seen.extend(running(run, true));
            }
            (Phase::Running { routable }, Temper::Flaps) => {
                process.phase = Phase::Running {
                    routable: !routable,
                };
                due = Some(random.span(1, 30_000));
                done.seen.extend(running(run, !routable));
            }
            (Phase::Running { .. }, Temper::GetsLost) => self.end(run, ExitReason::Lost, done),
            (Phase::Running { .. }, _) => {
                let reason = random.pick(&[
                    ExitReason::Exited,
                    ExitReason::OutOfMemory,
                    ExitReason::Liveness,
                ]);
                self.end(run, reason, done);
            }
            (Phase::Ended(_), _) => {}
        }
        self.due(run, due.map(|wait| now + wait), done);
    }

    /// Tasks, builds and jobs run some time and end.
    fn work(&mut self, run: &Run, now: u64, random: &mut Random, done: &mut Done) {
        let Some(process) = self.processes.get_mut(run) else {
            return;
        };
        let mut due = None;
        match (process.phase, process.temper) {
            (Phase::Launching, Temper::CrashesEarly) => {
                self.end(run, ExitReason::LaunchFailed, done);
            }
            (Phase::Launching, temper) => {
                process.phase = Phase::Starting;
                if let Run::Task(task) = run {
                    done.seen
                        .push(Observation::TaskStarted { task: task.clone() });
                }
                due = (temper != Temper::Hangs).then(|| random.span(1, 60_000));
            }
            (Phase::Starting, Temper::GetsLost) => self.end(run, ExitReason::Lost, done),
            (Phase::Starting, _) => {
                if let Run::Build(build, _) = run
                    && random.chance(40)
                {
                    done.seen.push(Observation::BuildProgress {
                        build: build.clone(),
                        idle_ms: random.pick(&[0, 0, 100, 5_000]),
                    });
                    due = Some(random.span(1, 60_000));
                } else {
                    self.end(run, ExitReason::Exited, done);
                }
            }
            (Phase::Running { .. } | Phase::Ended(_), _) => {}
        }
        self.due(run, due.map(|wait| now + wait), done);
    }

    fn end(&mut self, run: &Run, reason: ExitReason, done: &mut Done) {
        if let Some(process) = self.processes.get_mut(run) {
            process.phase = Phase::Ended(reason);
            self.crashes += 1;
            done.seen.push(ended(run, reason, process.succeeds));
        }
    }

    fn due(&mut self, run: &Run, due_ms: Option<u64>, done: &mut Done) {
        if let (Some(process), Some(due)) = (self.processes.get_mut(run), due_ms) {
            process.due_ms = Some(due);
            done.due.push((due, run.clone()));
        }
    }

    /// Everything that can be seen now.
    pub(crate) fn observe(&self) -> Vec<Observation> {
        self.processes
            .iter()
            .filter_map(|(run, process)| match (process.phase, run) {
                (Phase::Ended(reason), _) => Some(ended(run, reason, process.succeeds)),
                (Phase::Running { routable }, _) => running(run, routable),
                (Phase::Starting, Run::Task(task)) => {
                    Some(Observation::TaskStarted { task: task.clone() })
                }
                (Phase::Launching | Phase::Starting, _) => None,
            })
            .collect()
    }

    /// The record of an ended run goes.
    pub(crate) fn forget(&mut self, run: &Run) {
        if self
            .processes
            .get(run)
            .is_some_and(|process| !process.is_alive())
        {
            self.processes.remove(run);
        }
    }

    /// Nothing runs any more. Says what records on disk tell of: ends that were there before, and
    /// tasks and jobs that were lost.
    pub(crate) fn reboot(&mut self) -> Vec<Observation> {
        let processes = std::mem::take(&mut self.processes);
        processes
            .into_iter()
            .filter_map(|(run, process)| match (process.phase, &run) {
                (Phase::Ended(ExitReason::Lost), Run::Instance(..)) => None,
                (Phase::Ended(reason), _) => Some(ended(&run, reason, process.succeeds)),
                (_, Run::Task(_) | Run::Job(..)) => Some(ended(&run, ExitReason::Lost, false)),
                (_, Run::Instance(..) | Run::Build(..)) => None,
            })
            .collect()
    }

    pub(crate) fn counts_into(&self, tally: &mut Tally) {
        tally.crashes += self.crashes;
        tally.starts += self.starts;
    }

    /// The world becomes fair: nothing hangs or crashes any more.
    pub(crate) fn heal(&mut self, now: u64) -> Done {
        self.is_fair = true;
        let mut done = Done::default();
        for (run, process) in &mut self.processes {
            if process.stop_asked || !process.is_alive() {
                continue;
            }
            process.temper = Temper::Good;
            process.succeeds = true;
            process.due_ms = None;
            match process.phase {
                Phase::Launching | Phase::Starting => {
                    process.due_ms = Some(now + 1);
                    done.due.push((now + 1, run.clone()));
                }
                Phase::Running { routable: false } => {
                    process.phase = Phase::Running { routable: true };
                }
                Phase::Running { routable: true } | Phase::Ended(_) => {}
            }
        }
        done
    }
}

fn wanted(plan: &Plan) -> BTreeMap<Run, Want> {
    let instances = plan
        .instances
        .iter()
        .map(|i| (Run::Instance(i.id, i.run), i.want));
    let tasks = plan
        .tasks
        .iter()
        .map(|(task, want)| (Run::Task(task.clone()), *want));
    let builds = plan
        .builds
        .iter()
        .map(|(id, run, want)| (Run::Build(id.clone(), *run), *want));
    let jobs = plan
        .jobs
        .iter()
        .map(|(release, name, want)| (Run::Job(release.clone(), name.clone()), *want));
    instances.chain(tasks).chain(builds).chain(jobs).collect()
}

fn running(run: &Run, routable: bool) -> Option<Observation> {
    match run {
        Run::Instance(instance, run) => Some(Observation::InstanceRunning {
            instance: *instance,
            run: *run,
            routable,
        }),
        Run::Task(_) | Run::Build(..) | Run::Job(..) => None,
    }
}

fn ended(run: &Run, reason: ExitReason, succeeded: bool) -> Observation {
    let mut exit = RunExit::new(reason);
    if reason == ExitReason::Exited {
        exit.code = Some(i32::from(!succeeded));
    }
    match run {
        Run::Instance(instance, run) => Observation::InstanceExited {
            instance: *instance,
            run: *run,
            exit,
        },
        Run::Task(task) => Observation::TaskExited {
            task: task.clone(),
            exit,
        },
        Run::Build(build, run) => Observation::BuildEnded {
            build: build.clone(),
            run: *run,
            outcome: match reason {
                ExitReason::Lost => None,
                _ if exit.is_success() => Some(BuildOutcome::Built),
                _ => Some(BuildOutcome::Failed {
                    id: String::new(),
                    text: exit.describe(),
                }),
            },
        },
        Run::Job(release, component) => Observation::JobEnded {
            release: release.clone(),
            component: component.clone(),
            succeeded: exit.is_success(),
        },
    }
}

/// The run whose end an observation tells.
pub(crate) fn run_ended_by(observation: &Observation) -> Option<Run> {
    match observation {
        Observation::InstanceExited { instance, run, .. } => Some(Run::Instance(*instance, *run)),
        Observation::TaskExited { task, .. } => Some(Run::Task(task.clone())),
        Observation::BuildEnded { build, run, .. } => Some(Run::Build(build.clone(), *run)),
        Observation::JobEnded {
            release, component, ..
        } => Some(Run::Job(release.clone(), component.clone())),
        Observation::InstanceRunning { .. }
        | Observation::InstanceEmpty { .. }
        | Observation::RouterAcknowledged { .. }
        | Observation::SafeMeasured { .. }
        | Observation::BuildProgress { .. }
        | Observation::JobProgress { .. }
        | Observation::TaskStarted { .. }
        | Observation::ChecksConcluded { .. }
        | Observation::Demanded { .. }
        | Observation::Idle { .. }
        | Observation::Rebooted => None,
    }
}
