//! Control: folds inputs, syncs, makes the plan true, and comes back after every end.

use std::rc::Rc;

use windlass_engine::app::AppState;
use windlass_engine::id::PlanGeneration;
use windlass_engine::input::{Input, Observation};
use windlass_engine::instance::InstancePhase;
use windlass_engine::plan::plan;
use windlass_engine::rejection::Rejection;
use windlass_engine::release::ReleaseState;
use windlass_engine::strategy::Gate;
use windlass_engine::transition::{Ledgers, transition, usage};

use crate::agenda::Happening;
use crate::checkers::{self, Commit, Held, Violation, must};
use crate::driver::run_ended_by;
use crate::router::{Router, Table};
use crate::store::{Answer, Row};
use crate::world::World;

/// Of 100 commits so many are looked at twice.
const AGAIN_PERCENT: u64 = 20;

impl World {
    /// A user's command.
    pub(crate) fn command(&mut self, input: Input) -> Held {
        let commit = self.store.current.commit;
        self.fold(&input)?;
        if !self.store.is_clean() && self.store.current.commit != commit {
            self.unanswered = Some(input);
        }
        Ok(())
    }

    /// Folds an input into the app, as one commit.
    pub(crate) fn fold(&mut self, input: &Input) -> Result<(), Violation> {
        let now = self.now();
        let row = self.store.current.clone();
        let ledgers = self.ledgers(&row.state);
        self.tally.inputs += 1;
        let made = match transition(&row.state, input, now, &ledgers) {
            Ok(made) => made,
            Err(rejection) => {
                self.tally.rejections += 1;
                self.trace(|_| format!("refused {input:?}: {rejection}"));
                return self.judge_refusal(input, &rejection);
            }
        };
        self.tally.events += made.events.len() as u64;
        if made.changed {
            if let Input::Observe(seen) = input {
                // When something is due anyway any input brings it.
                let due = row.plan.wake_at.is_some_and(|at| at <= now.uptime);
                let is_late = !due && checkers::is_late(&row.state, seen);
                must("a late observation changes nothing", !is_late, || {
                    format!("{seen:?}")
                })?;
            }
            self.commit(input, &row, made.state, now, &ledgers)?;
        }
        let answer = answer_to(input, &self.store.current.state);
        let taken_in = match input {
            Input::Observe(seen) => run_ended_by(seen),
            _ => None,
        };
        self.store.answers.extend(answer);
        self.store.taken_in.extend(taken_in);
        if self.store.is_clean() {
            self.sync();
            return Ok(());
        }
        let waits = !self.is_fair && self.random.chance(self.scenario.grouped);
        if !waits {
            self.sync();
            return Ok(());
        }
        if !self.store.sync_is_due {
            self.store.sync_is_due = true;
            let at = self.now_ms + self.random.span(0, 30);
            self.agenda.add(
                at,
                Happening::Sync {
                    control: self.control,
                },
            );
        }
        Ok(())
    }

    fn commit(
        &mut self,
        input: &Input,
        row: &Row,
        mut state: AppState,
        now: windlass_engine::time::Now,
        ledgers: &Ledgers,
    ) -> Held {
        if self.scenario.gates && matches!(input, Input::Deploy(_)) {
            self.vary_gates(&mut state);
        }
        let new = plan(&state, now);
        self.store.current = Row {
            state: Rc::new(state),
            plan: Rc::new(new),
            commit: row.commit + 1,
        };
        self.tally.commits += 1;
        self.trace(|world| format!("{input:?}\n        {}", world.summary()));
        let after = self.store.current.clone();
        let commit = Commit {
            input,
            before: &row.state,
            old: &row.plan,
            after: &after.state,
            new: &after.plan,
            now,
            ledgers,
        };
        checkers::commit(&commit, &self.history)?;
        if self.is_fair || self.random.chance(AGAIN_PERCENT) {
            checkers::changes_nothing_again(&commit)?;
        }
        self.history.note(&after.state, &after.plan);
        self.safe_in_the_router()
    }

    /// What is said to be safe gets no request from any worker of the router.
    fn safe_in_the_router(&self) -> Held {
        for version in self
            .router
            .used()
            .flat_map(|table| table.routes.values().flatten())
        {
            let is_safe = self.history.is_safe(&version.revision);
            must(
                "safe is true in the router",
                !is_safe || version.share == 0,
                || {
                    format!(
                        "{} is safe and has {} in a table in force",
                        version.revision, version.share
                    )
                },
            )?;
        }
        Ok(())
    }

    fn judge_refusal(&self, input: &Input, rejection: &Rejection) -> Held {
        match (input, rejection) {
            (Input::CancelRelease(command), Rejection::NotCancelable { state }) => {
                let fate = self.history.releases.get(&command.release);
                let won = fate
                    .filter(|fate| fate.is_finalized)
                    .and_then(|f| f.outcome.as_ref());
                let said = match state {
                    ReleaseState::Finalized { outcome } => Some(outcome),
                    _ => None,
                };
                must(
                    "a refusal names the outcome that won",
                    won.is_some() && won == said,
                    || format!("{}: {said:?} was said, {won:?} won", command.release),
                )
            }
            (Input::CancelRelease(command), Rejection::UnknownRelease(_)) => {
                let fate = self.history.releases.get(&command.release);
                must(
                    "a refusal names the outcome that won",
                    fate.is_none_or(|f| f.is_finalized),
                    || format!("{} is not over and unknown", command.release),
                )
            }
            (Input::Observe(_) | Input::Tick | Input::Stop, _)
                if *rejection != Rejection::AppDeleted =>
            {
                must("facts are never refused", false, || {
                    format!("{input:?}: {rejection}")
                })
            }
            _ => Ok(()),
        }
    }

    fn ledgers(&self, state: &AppState) -> Ledgers {
        let used = usage(state);
        let left = |quota: Option<u64>, used: u64| quota.map(|quota| quota.saturating_sub(used));
        let running = state
            .builds
            .iter()
            .filter(|build| build.holds_slot())
            .count();
        let running = u32::try_from(running).unwrap_or(u32::MAX);
        Ledgers {
            memory_mb_left: left(self.scenario.memory_mb_quota, used.memory_mb),
            instances_left: left(self.scenario.instances_quota, used.instances),
            tasks_left: left(self.scenario.tasks_quota, used.tasks),
            build_slots_left: Some(self.scenario.build_slots.saturating_sub(running)),
        }
    }

    /// Gates that no strategy of today compiles, on steps that are still to come.
    fn vary_gates(&mut self, state: &mut AppState) {
        let Some(release) = state.releases.last_mut() else {
            return;
        };
        if !matches!(release.state, ReleaseState::RollingOut { .. }) || release.restore.is_some() {
            return;
        }
        let mut has_checks = false;
        for step in release
            .steps
            .iter_mut()
            .filter(|step| step.gate == Gate::Automatic)
        {
            step.gate = match self.random.below(5) {
                0 => Gate::Timer(self.random.span(1, 100_000)),
                1 => Gate::Checks,
                _ => Gate::Automatic,
            };
            has_checks |= step.gate == Gate::Checks;
        }
        if has_checks {
            let at = self.now_ms + self.random.span(0, 60_000);
            let succeeded = self.random.chance(80);
            let release = release.id.clone();
            self.agenda
                .add(at, Happening::Conclude { release, succeeded });
        }
    }

    /// Everything so far is durable: answers go out, records of ended runs go, the table is
    /// published, the driver is told.
    pub(crate) fn sync(&mut self) {
        self.store.sync();
        self.history.sync();
        self.unanswered = None;
        for answer in std::mem::take(&mut self.store.answers) {
            self.history.tell(answer);
        }
        for run in std::mem::take(&mut self.store.taken_in) {
            self.driver.forget(&run);
        }
        let late = !self.is_fair && self.random.chance(10);
        self.lateness_ms = if late { self.random.below(2_000) } else { 0 };
        let state = Rc::clone(&self.store.synced.state);
        for instance in state.instances.values() {
            if let InstancePhase::Draining { until, .. } = instance.phase {
                self.drains.insert(instance.id, until.0);
            }
        }
        if state.plan_generation.0 > self.published {
            self.publish(false);
            let late = !self.is_fair && self.random.chance(10);
            let delay = if late {
                self.random.span(0, 3_000)
            } else {
                self.random.span(0, 5)
            };
            let control = self.control;
            self.agenda
                .add(self.now_ms + delay, Happening::Look { control });
        }
    }

    /// Sends the table of the synced state, and asks about drains: of its own, or of all.
    fn publish(&mut self, all_drains: bool) {
        let Row { state, plan, .. } = self.store.synced.clone();
        let generation = state.plan_generation.0;
        let named = plan
            .routes
            .values()
            .flatten()
            .flat_map(|version| &version.instances);
        let runs = named
            .filter_map(|id| Some((*id, state.instances.get(id)?.run)))
            .collect();
        self.router.publish(Table {
            generation,
            routes: plan.routes.clone(),
            runs,
        });
        for instance in state.instances.values() {
            if let InstancePhase::Draining {
                generation: since, ..
            } = instance.phase
                && (all_drains || since.0 > self.published)
            {
                self.router.ask(instance.id, instance.run, since.0);
            }
        }
        self.published = generation;
        for worker in Router::workers() {
            let lags = !self.is_fair && self.scenario.router_lags;
            let lag = match self.random.below(10) {
                0 if lags => self.random.span(0, 60_000),
                1..=4 if lags => self.random.span(0, 500),
                _ => self.random.span(0, 3),
            };
            let router = self.router.incarnation;
            let at = self.now_ms + lag;
            self.agenda.add(
                at,
                Happening::Apply {
                    router,
                    worker,
                    generation,
                },
            );
        }
    }

    pub(crate) fn after_apply(&mut self) -> Held {
        self.safe_in_the_router()?;
        self.acknowledge();
        for (instance, run) in self.router.begun_drains() {
            let long = match self.random.below(4) {
                0 => self.random.span(0, 40_000),
                1 => self.random.span(0, 1_000),
                _ => 0,
            };
            let router = self.router.incarnation;
            self.agenda.add(
                self.now_ms + long,
                Happening::Quiet {
                    router,
                    instance,
                    run,
                },
            );
        }
        Ok(())
    }

    fn acknowledge(&mut self) {
        let Some(generation) = self.router.in_force() else {
            return;
        };
        // Control waits for it in its own process: it is late or repeated, but not lost.
        let observation = Observation::RouterAcknowledged {
            generation: PlanGeneration(generation),
        };
        let late = !self.is_fair && self.random.chance(10);
        let delay = if late {
            self.random.span(0, 5_000)
        } else {
            self.random.span(0, 2)
        };
        let control = self.control;
        let at = self.now_ms + delay;
        if late {
            let observation = observation.clone();
            let at = at + self.random.span(0, 5_000);
            self.agenda.add(
                at,
                Happening::Deliver {
                    control,
                    observation,
                },
            );
        }
        self.agenda.add(
            at,
            Happening::Deliver {
                control,
                observation,
            },
        );
    }

    /// Takes an observation in; with an acknowledgement sometimes the measured time to safe.
    pub(crate) fn take_in(&mut self, observation: Observation) -> Held {
        if matches!(observation, Observation::RouterAcknowledged { .. }) && self.random.chance(30) {
            let state = Rc::clone(&self.store.current.state);
            let waiting = state.releases.iter().find(|release| {
                release
                    .restore
                    .as_ref()
                    .is_some_and(|r| !r.safe && r.zero_generation.is_some())
            });
            if let Some(release) = waiting {
                let release = release.id.clone();
                self.fold(&Input::Observe(Observation::SafeMeasured {
                    release,
                    micros: 900,
                }))?;
            }
        }
        if is_known(&self.store.current.state, &observation) && self.random.chance(80) {
            return Ok(());
        }
        let frees_a_slot = matches!(observation, Observation::BuildEnded { .. });
        self.fold(&Input::Observe(observation))?;
        if frees_a_slot {
            // Control looks at builds that wait whenever one has ended.
            self.sync();
            self.fold(&Input::Tick)?;
        }
        Ok(())
    }

    /// A worker makes the synced plan true.
    pub(crate) fn look(&mut self) -> Held {
        let Row { state, plan, .. } = self.store.synced.clone();
        let done = self.driver.ensure(
            state.plan_generation.0,
            &plan,
            state.settings.grace_ms,
            self.now_ms,
            &mut self.random,
        );
        self.carry(done)
    }

    /// Control ends at any moment and starts again: what was not synced is gone.
    pub(crate) fn restart_control(&mut self) -> Held {
        loop {
            self.end_control()?;
            if self.begin_control()? {
                return Ok(());
            }
        }
    }

    fn end_control(&mut self) -> Held {
        self.tally.control_restarts += 1;
        self.tally.lost_commits += self.store.crash();
        self.history.crash();
        self.control += 1;
        self.lost_command = self.unanswered.take();
        self.trace(|world| format!("control restarts\n        {}", world.summary()));
        let state = &self.store.synced.state;
        let read = serde_json::to_string(state.as_ref())
            .and_then(|text| serde_json::from_str::<AppState>(&text));
        must(
            "the document is read as it was written",
            read.ok().as_ref() == Some(state),
            || "it differs".to_owned(),
        )?;
        checkers::promises_kept(state, &self.history)
    }

    /// Takes in what happened meanwhile and goes on. Says whether it lived that long.
    fn begin_control(&mut self) -> Result<bool, Violation> {
        let mut seen = self.records.clone();
        seen.extend(self.driver.observe());
        for observation in seen {
            if !self.is_fair && self.random.chance(2) {
                return Ok(false);
            }
            self.fold(&Input::Observe(observation))?;
            self.sync();
        }
        if self.is_fresh_boot {
            self.fold(&Input::Observe(Observation::Rebooted))?;
            self.sync();
            if !self.is_fair && self.random.chance(2) {
                return Ok(false);
            }
            self.is_fresh_boot = false;
            self.records.clear();
        }
        self.publish(true);
        self.agenda.add(
            self.now_ms,
            Happening::Look {
                control: self.control,
            },
        );
        Ok(true)
    }

    pub(crate) fn restart_router(&mut self) -> Held {
        self.tally.router_restarts += 1;
        self.trace(|_| "the router restarts".to_owned());
        self.router.restart();
        let state = Rc::clone(&self.store.synced.state);
        for instance in state.instances.values() {
            if let InstancePhase::Draining { generation, .. } = instance.phase {
                self.router.ask(instance.id, instance.run, generation.0);
            }
        }
        self.after_apply()
    }

    /// Nothing of before runs any more. `is_down`: everything was ended on purpose, the clock
    /// goes on.
    pub(crate) fn reboot(&mut self, is_down: bool) -> Held {
        self.tally.reboots += 1;
        self.trace(|_| format!("reboot, on purpose: {is_down}"));
        self.agenda.clear();
        self.drains.clear();
        self.resync_is_due = false;
        self.wall_ms += i64::try_from(self.random.below(600_000)).unwrap_or(0);
        self.now_ms = if is_down {
            self.now_ms + 60_000
        } else {
            self.random.span(1, 100_000)
        };
        let records = self.driver.reboot();
        self.records.extend(records);
        self.router.reboot();
        self.is_fresh_boot = true;
        self.restart_control()
    }
}

/// Whether an observation tells what the state has already: of these few are enough.
fn is_known(state: &AppState, observation: &Observation) -> bool {
    let Observation::InstanceRunning {
        instance,
        run,
        routable,
    } = observation
    else {
        return false;
    };
    state.instances.get(instance).is_some_and(|found| {
        found.run == *run
            && matches!(found.phase, InstancePhase::Running { routable: is, .. } if is == *routable)
    })
}

/// What the client of a command is told once it is durable.
fn answer_to(input: &Input, state: &AppState) -> Option<Answer> {
    match input {
        Input::Deploy(command) => Some(Answer::Created(command.release.clone())),
        Input::CancelRelease(command) => {
            let outcome = state.release(&command.release)?.outcome()?.clone();
            Some(Answer::Canceled(command.release.clone(), outcome))
        }
        Input::CancelTask(command) => Some(Answer::TaskCanceled(command.task.clone())),
        Input::CancelBuild { build, .. } => Some(Answer::BuildCanceled(build.clone())),
        Input::Delete { .. } => Some(Answer::Deleted),
        _ => None,
    }
}
