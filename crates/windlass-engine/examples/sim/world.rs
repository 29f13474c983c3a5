//! A world: one app, its control, driver and router, users, and trouble, all from one seed.

use std::collections::BTreeMap;
use std::rc::Rc;

use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, CommitNumber, InstanceId};
use windlass_engine::input::{EditCommand, Input, Observation, ScaleCommand, StartCommand};
use windlass_engine::instance::InstancePhase;
use windlass_engine::plan::plan;
use windlass_engine::time::{Now, Timestamp, Uptime};

use crate::agenda::{Agenda, Happening};
use crate::checkers::{Held, Violation, must};
use crate::commands::Users;
use crate::driver::{Done, Driver};
use crate::history::History;
use crate::random::Random;
use crate::router::Router;
use crate::scenario::Scenario;
use crate::store::{Row, Store};
use crate::tally::Tally;

/// How long after a lost observation everything is told again, milliseconds.
const RESYNC_MS: u64 = 30_000;

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) random: Random,
    pub(crate) now_ms: u64,
    pub(crate) wall_ms: i64,
    pub(crate) agenda: Agenda,
    pub(crate) store: Store,
    pub(crate) driver: Driver,
    pub(crate) router: Router,
    pub(crate) history: History,
    pub(crate) users: Users,
    pub(crate) tally: Tally,
    /// Number of control's life: what is on its way to an earlier one is lost.
    pub(crate) control: u32,
    /// Generation of the newest published table.
    pub(crate) published: u64,
    /// How late a wake-up comes, milliseconds.
    pub(crate) lateness_ms: u64,
    /// When drains end at the latest.
    pub(crate) drains: BTreeMap<InstanceId, u64>,
    /// What the disk tells of runs from before the reboot that is not taken in yet.
    pub(crate) records: Vec<Observation>,
    pub(crate) is_fresh_boot: bool,
    /// A command whose commit is not synced yet.
    pub(crate) unanswered: Option<Input>,
    /// A command that was lost: its client asks again.
    pub(crate) lost_command: Option<Input>,
    pub(crate) resync_is_due: bool,
    pub(crate) is_fair: bool,
    pub(crate) traces: bool,
}

impl World {
    pub(crate) fn new(seed: u64, traces: bool) -> Self {
        let mut random = Random::new(seed);
        let scenario = Scenario::draw(&mut random);
        let state = AppState::new(AppId::from("app"), scenario.policy, scenario.settings);
        let row = Row {
            plan: Rc::new(plan(&state, Now::default())),
            state: Rc::new(state),
            commit: 0,
        };
        let driver = Driver::new(scenario.trouble);
        Self {
            scenario,
            random,
            now_ms: 1_000,
            wall_ms: 1_700_000_000_000,
            agenda: Agenda::default(),
            store: Store::new(row),
            driver,
            router: Router::default(),
            history: History::default(),
            users: Users::default(),
            tally: Tally {
                seeds: 1,
                ..Tally::default()
            },
            control: 0,
            published: 0,
            lateness_ms: 0,
            drains: BTreeMap::new(),
            records: Vec::new(),
            is_fresh_boot: false,
            unanswered: None,
            lost_command: None,
            resync_is_due: false,
            is_fair: false,
            traces,
        }
    }

    /// Makes the app and starts it.
    pub(crate) fn set_up(&mut self) -> Held {
        self.trace(|world| format!("{:#?}", world.scenario));
        let edits = self.scenario.edits();
        let setup = EditCommand {
            edits,
            actor: "user".to_owned(),
            refuse_during_release: false,
        };
        self.command(Input::Edit(setup))?;
        for (component, _, instances) in self.scenario.components.clone() {
            self.command(Input::Scale(ScaleCommand {
                component,
                instances,
            }))?;
        }
        if self.scenario.begins_started {
            let revision = self.users.revision();
            self.command(Input::Start(StartCommand { revision }))?;
        }
        Ok(())
    }

    pub(crate) fn step(&mut self) -> Held {
        self.tally.steps += 1;
        let draw = self.random.below(1_000);
        if draw < self.scenario.commands {
            let retried = self.lost_command.take();
            let state = Rc::clone(&self.store.current.state);
            let command =
                retried.or_else(|| self.users.command(&self.scenario, &state, &mut self.random));
            return match command {
                Some(input) => self.command(input),
                None => Ok(()),
            };
        }
        if draw < self.scenario.commands + self.scenario.faults {
            return self.fault();
        }
        self.advance().map(|_| ())
    }

    fn fault(&mut self) -> Held {
        match self.random.below(10) {
            0..=4 => self.restart_control(),
            5 | 6 => self.restart_router(),
            7 => self.reboot(false),
            8 => self.reboot(true),
            _ => {
                self.agenda.add(self.now_ms, Happening::Resync);
                self.wall_ms += i64::try_from(self.random.below(7_200_000)).unwrap_or(0);
                self.wall_ms -= 3_600_000;
                Ok(())
            }
        }
    }

    /// Lets the clock go on to the next thing that happens. Says whether there was one.
    pub(crate) fn advance(&mut self) -> Result<bool, Violation> {
        let wake_at = self
            .store
            .synced
            .plan
            .wake_at
            .filter(|_| !self.store.sync_is_due);
        let wake = wake_at.map(|at| at.0.max(self.now_ms) + self.lateness_ms);
        match (self.agenda.next_at(), wake) {
            (None, None) => Ok(false),
            (Some(next), Some(wake)) if wake < next => self.wake(wake).map(|()| true),
            (None, Some(wake)) => self.wake(wake).map(|()| true),
            (Some(_), _) => {
                if let Some((at, happening)) = self.agenda.take() {
                    self.go_to(at);
                    self.happen(happening)?;
                }
                Ok(true)
            }
        }
    }

    fn go_to(&mut self, at_ms: u64) {
        let at_ms = at_ms.max(self.now_ms);
        self.wall_ms += i64::try_from(at_ms - self.now_ms).unwrap_or(0);
        self.now_ms = at_ms;
    }

    fn wake(&mut self, at_ms: u64) -> Held {
        self.go_to(at_ms);
        let before = self.store.current.commit;
        self.fold(&Input::Tick)?;
        let due = self
            .store
            .current
            .plan
            .wake_at
            .is_some_and(|at| at.0 <= self.now_ms);
        must(
            "a wake-up makes progress",
            !due || before != self.store.current.commit,
            || format!("it is due at {:?} again", self.store.current.plan.wake_at),
        )
    }

    fn happen(&mut self, happening: Happening) -> Held {
        match happening {
            Happening::Process(run) => {
                let done = self.driver.act(&run, self.now_ms, &mut self.random);
                self.carry(done)
            }
            Happening::Deliver {
                control,
                observation,
            } => {
                if control == self.control {
                    self.take_in(observation)
                } else {
                    Ok(())
                }
            }
            Happening::Look { control } => {
                if control == self.control {
                    self.look()
                } else {
                    Ok(())
                }
            }
            Happening::Resync => {
                self.resync_is_due = false;
                for seen in self.driver.observe() {
                    self.emit(seen);
                }
                self.look()
            }
            Happening::Sync { control } => {
                if control == self.control && self.store.sync_is_due {
                    self.sync();
                }
                Ok(())
            }
            Happening::Apply {
                router,
                worker,
                generation,
            } => {
                if router == self.router.incarnation {
                    self.router.apply(worker, generation);
                    self.after_apply()
                } else {
                    Ok(())
                }
            }
            Happening::Quiet {
                router,
                instance,
                run,
            } => {
                let state = &self.store.synced.state;
                let same = state
                    .instances
                    .get(&instance)
                    .is_some_and(|found| found.run == run);
                if router == self.router.incarnation
                    && same
                    && let Some(generation) = self.router.in_force()
                {
                    let generation = windlass_engine::id::PlanGeneration(generation);
                    self.emit(Observation::InstanceEmpty {
                        instance,
                        generation,
                    });
                }
                Ok(())
            }
            Happening::Conclude { release, succeeded } => {
                self.take_in(Observation::ChecksConcluded { release, succeeded })
            }
        }
    }

    /// What the driver did becomes observations and further happenings.
    pub(crate) fn carry(&mut self, done: Done) -> Held {
        for (at, run) in done.due {
            self.agenda.add(at, Happening::Process(run));
        }
        for seen in done.seen {
            self.emit(seen);
        }
        must(
            "a run is never started twice",
            done.doubled.is_none(),
            || format!("{:?} was started again", done.doubled),
        )?;
        for (instance, run) in done.signaled {
            let named = self
                .router
                .used()
                .any(|table| table.runs.contains(&(instance, run)));
            let drained = self
                .drains
                .get(&instance)
                .is_some_and(|until| *until <= self.now_ms);
            must("drained before it is ended", !named || drained, || {
                format!("instance {instance} is ended while the router picks it")
            })?;
        }
        Ok(())
    }

    /// An observation is on its way to control: late, twice or not at all.
    pub(crate) fn emit(&mut self, observation: Observation) {
        let control = self.control;
        let lossy = if self.is_fair { 0 } else { self.scenario.lossy };
        if self.random.chance(lossy) {
            self.tally.lost_observations += 1;
            self.tell_again();
            return;
        }
        let mut delay = self.random.span(0, 5);
        if self.random.chance(lossy) {
            delay += self.random.span(0, 5_000);
            self.tell_again();
        }
        if self.random.chance(lossy) {
            let later = self.now_ms + self.random.span(0, 60_000);
            let observation = observation.clone();
            self.agenda.add(
                later,
                Happening::Deliver {
                    control,
                    observation,
                },
            );
            self.tell_again();
        }
        self.agenda.add(
            self.now_ms + delay,
            Happening::Deliver {
                control,
                observation,
            },
        );
    }

    /// What is lost or late is told again by the next resync after it.
    fn tell_again(&mut self) {
        self.agenda
            .add(self.now_ms + 2 * RESYNC_MS + 1, Happening::Resync);
        if !self.resync_is_due {
            self.resync_is_due = true;
            self.agenda.add(self.now_ms + RESYNC_MS, Happening::Resync);
        }
    }

    pub(crate) fn now(&self) -> Now {
        Now {
            wall: Timestamp(self.wall_ms),
            uptime: Uptime(self.now_ms),
            commit: CommitNumber(self.store.current.commit + 1),
        }
    }

    /// One line for a reader of a failed run.
    #[expect(clippy::print_stdout, reason = "a trace is what was asked for")]
    pub(crate) fn trace(&self, text: impl FnOnce(&Self) -> String) {
        if self.traces {
            println!(
                "{:>5} {:>9} ms  {}",
                self.tally.steps,
                self.now_ms,
                text(self)
            );
        }
    }

    /// The current state in one line.
    pub(crate) fn summary(&self) -> String {
        let Row { state, plan, .. } = &self.store.current;
        let releases: Vec<String> = state
            .releases
            .iter()
            .map(|release| {
                let step = release
                    .step_index()
                    .map_or(String::new(), |step| format!(" {step}"));
                let outcome = release.outcome().map_or("", |outcome| outcome.as_str());
                let relieved = if release.relieved { " relieved" } else { "" };
                format!(
                    "{} {}{step} {outcome}{relieved}",
                    release.id,
                    release.state_word()
                )
            })
            .collect();
        let instances: Vec<String> = state
            .instances
            .values()
            .map(|i| {
                let phase = match i.phase {
                    InstancePhase::Starting => "starting".to_owned(),
                    InstancePhase::Running { routable: true, .. } => "ROUTABLE".to_owned(),
                    InstancePhase::Running { .. } => "running".to_owned(),
                    InstancePhase::Crashed { retry_at } => format!("crashed{retry_at:?}"),
                    InstancePhase::Draining { restart: true, .. } => "draining-restart".to_owned(),
                    InstancePhase::Draining { .. } => "draining".to_owned(),
                    InstancePhase::Stopping => "stopping".to_owned(),
                    InstancePhase::Restarting => "restarting".to_owned(),
                };
                format!(
                    "{}:{}/{}#{}.{} {phase}",
                    i.id, i.revision, i.component, i.index, i.run
                )
            })
            .collect();
        let shares: Vec<String> = plan
            .routes
            .iter()
            .map(|(name, versions)| {
                let list: Vec<_> = versions
                    .iter()
                    .map(|v| format!("{}={}", v.revision, v.share))
                    .collect();
                format!("{name}[{}]", list.join(" "))
            })
            .collect();
        format!(
            "g{} {:?} base {:?}  {:?}\n        {instances:?}\n        {shares:?} scale {:?} builds {:?} wake {:?}",
            state.plan_generation.0,
            state.run,
            state.base.as_ref().map(ToString::to_string),
            releases,
            state
                .scale
                .iter()
                .map(|(name, n)| format!("{name}={n}"))
                .collect::<Vec<_>>(),
            state
                .builds
                .iter()
                .map(|b| (b.id.to_string(), &b.state))
                .collect::<Vec<_>>(),
            plan.wake_at
        )
    }
}
