//! The end of a run: the world becomes fair, and everything has to come to its end.

use std::rc::Rc;

use windlass_engine::app::RunState;
use windlass_engine::input::{Input, Observation, StartCommand};
use windlass_engine::release::ReleaseState;
use windlass_engine::strategy::Gate;

use crate::agenda::Happening;
use crate::checkers::{self, Held, Violation, must};
use crate::commands::cancel;
use crate::world::World;

/// Happenings after which a fair world must rest.
const HAPPENINGS_MAX: u32 = 50_000;

impl World {
    pub(crate) fn come_to_rest(&mut self) -> Held {
        self.is_fair = true;
        self.trace(|_| "the world becomes fair".to_owned());
        self.sync();
        self.lateness_ms = 0;
        let done = self.driver.heal(self.now_ms);
        self.carry(done)?;
        self.agenda.add(self.now_ms, Happening::Resync);
        let mut told_again = false;
        for _ in 0..HAPPENINGS_MAX {
            if self.advance()? || self.last_commands()? {
                continue;
            }
            if told_again {
                return self.judge_rest();
            }
            // Repeats from before may have come after the first telling.
            told_again = true;
            self.agenda.add(self.now_ms, Happening::Resync);
        }
        must("everything ends in a fair world", false, || {
            format!(
                "after {HAPPENINGS_MAX} happenings it still moves\n{}",
                self.summary()
            )
        })
    }

    fn judge_rest(&mut self) -> Held {
        let row = self.store.synced.clone();
        let processes = self.driver.processes.iter();
        checkers::at_rest(&row.state, &row.plan, &self.history, processes)?;
        checkers::promises_kept(&row.state, &self.history)?;
        self.driver.counts_into(&mut self.tally);
        self.history.counts_into(&mut self.tally);
        Ok(())
    }

    /// What only users can end: a pause, a stop in the middle. Says whether there was any.
    fn last_commands(&mut self) -> Result<bool, Violation> {
        let state = Rc::clone(&self.store.synced.state);
        let before = self.store.current.commit;
        for release in state
            .releases
            .iter()
            .filter(|release| !release.is_finalized())
        {
            let id = release.id.clone();
            let checked = release.step().is_some_and(|step| step.gate == Gate::Checks);
            let stopped = state.run == RunState::Stopped && !release.is_restoring();
            if matches!(release.state, ReleaseState::Paused { .. }) {
                let input = if self.random.chance(70) {
                    Input::ContinueRelease(id)
                } else {
                    cancel(id, &mut self.random)
                };
                self.fold(&input)?;
            } else if checked && release.checks.is_none() {
                let seen = Observation::ChecksConcluded {
                    release: id,
                    succeeded: true,
                };
                self.fold(&Input::Observe(seen))?;
            } else if stopped {
                let input = if self.random.chance(50) {
                    Input::Start(StartCommand {
                        revision: self.users.revision(),
                    })
                } else {
                    cancel(id, &mut self.random)
                };
                self.fold(&input)?;
                if self.store.current.commit == before {
                    let input = cancel(release.id.clone(), &mut self.random);
                    self.fold(&input)?;
                }
            }
            if self.store.current.commit != before {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
