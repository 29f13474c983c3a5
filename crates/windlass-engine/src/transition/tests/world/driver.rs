//! What driver and router of the world see.

use super::{ROUNDS_MAX, World, exited};
use crate::build::{BuildOutcome, BuildState};
use crate::id::{BuildId, InstanceId};
use crate::input::{Input, Observation};
use crate::instance::{ExitReason, Instance, InstancePhase, RunExit};
use crate::plan::Want;
use crate::task::TaskState;

impl World {
    fn instances_where(&self, choose: impl Fn(&Instance) -> bool) -> Vec<(InstanceId, u32)> {
        let chosen = self.state.instances.values().filter(|i| choose(i));
        chosen.map(|i| (i.id, i.run)).collect()
    }

    /// At most `count` starting instances of a version become routable; says how many did.
    pub(in crate::transition::tests) fn up(&mut self, revision: &str, count: usize) -> usize {
        let starting = self.instances_where(|i| {
            i.revision.as_str() == revision && i.phase == InstancePhase::Starting
        });
        let chosen: Vec<_> = starting.into_iter().take(count).collect();
        for (instance, run) in &chosen {
            self.observe(Observation::InstanceRunning {
                instance: *instance,
                run: *run,
                routable: true,
            });
        }
        chosen.len()
    }

    /// A routable or starting instance of a version exits by itself: the routable ones first.
    #[track_caller]
    pub(in crate::transition::tests) fn crash(&mut self, revision: &str) {
        let mut alive = self.instances_where(|i| {
            i.revision.as_str() == revision && !i.is_ending() && !i.is_crashed()
        });
        alive.sort_by_key(|(id, _)| !self.state.instances[id].is_routable());
        let (instance, run) = *alive.first().expect("an instance that can crash");
        self.observe(Observation::InstanceExited {
            instance,
            run,
            exit: exited(1),
        });
    }

    /// One instance of a version, a routable one first, crashes until its restart has to wait.
    pub(in crate::transition::tests) fn break_one(&mut self, revision: &str) -> bool {
        let mut alive = self.instances_where(|i| {
            i.revision.as_str() == revision && !i.is_ending() && !i.is_crashed()
        });
        alive.sort_by_key(|(id, _)| !self.state.instances[id].is_routable());
        let Some((id, _)) = alive.first().copied() else {
            return false;
        };
        while let Some(instance) = self.state.instances.get(&id).filter(|i| !i.is_crashed()) {
            let seen = Observation::InstanceExited {
                instance: id,
                run: instance.run,
                exit: exited(1),
            };
            self.observe(seen);
        }
        true
    }

    /// A request waits for the site of a version.
    pub(in crate::transition::tests) fn demand(&mut self, revision: &str) -> bool {
        self.observe(Observation::Demanded {
            revision: revision.into(),
            component: "site".into(),
        })
    }

    /// Readiness of all running instances of a version.
    pub(in crate::transition::tests) fn ready(&mut self, revision: &str, routable: bool) {
        let running = self.instances_where(|i| {
            i.revision.as_str() == revision && matches!(i.phase, InstancePhase::Running { .. })
        });
        for (instance, run) in running {
            self.observe(Observation::InstanceRunning {
                instance,
                run,
                routable,
            });
        }
    }

    /// The router uses the newest table.
    pub(in crate::transition::tests) fn acknowledge(&mut self) -> bool {
        self.observe(Observation::RouterAcknowledged {
            generation: self.state.plan_generation,
        })
    }

    /// The router acknowledges, drains end, and what is to stop stops.
    pub(in crate::transition::tests) fn drain(&mut self) -> bool {
        let mut changed = self.acknowledge();
        let draining = self.instances_where(|i| matches!(i.phase, InstancePhase::Draining { .. }));
        for (instance, _) in draining {
            changed |= self.observe(Observation::InstanceEmpty {
                instance,
                generation: self.state.plan_generation,
            });
        }
        let stopping = self.instances_where(|i| {
            matches!(i.phase, InstancePhase::Stopping | InstancePhase::Restarting)
        });
        for (instance, run) in stopping {
            changed |= self.observe(Observation::InstanceExited {
                instance,
                run,
                exit: RunExit::new(ExitReason::Stopped),
            });
        }
        changed
    }

    /// Everything that is on its way arrives: the world of a driver without any trouble.
    pub(in crate::transition::tests) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            let starting = self.instances_where(|i| i.phase == InstancePhase::Starting);
            for (instance, run) in &starting {
                self.observe(Observation::InstanceRunning {
                    instance: *instance,
                    run: *run,
                    routable: true,
                });
            }
            let ended = self.end_canceled();
            if !self.drain() && !ended && starting.is_empty() {
                return;
            }
        }
        panic!("the world does not come to rest: {:?}", self.state);
    }

    fn end_canceled(&mut self) -> bool {
        let mut changed = false;
        for build in self.state.builds.clone() {
            if matches!(build.state, BuildState::Canceling { .. }) {
                changed |= self.observe(Observation::BuildEnded {
                    build: build.id,
                    run: build.run,
                    outcome: None,
                });
            }
        }
        for task in self.state.tasks.clone() {
            if task.state == TaskState::Canceling {
                changed |= self.observe(Observation::TaskExited {
                    task: task.id,
                    exit: RunExit::new(ExitReason::Stopped),
                });
            }
        }
        for (release, component, want) in self.plan().jobs {
            if want == Want::Stop {
                changed |= self.observe(Observation::JobEnded {
                    release,
                    component,
                    succeeded: false,
                });
            }
        }
        changed
    }

    pub(in crate::transition::tests) fn build_ended(
        &mut self,
        build: &str,
        outcome: Option<BuildOutcome>,
    ) {
        let id = BuildId::from(build);
        let known = self.state.builds.iter().find(|build| build.id == id);
        let run = known.expect("a build that runs").run;
        self.observe(Observation::BuildEnded {
            build: id,
            run,
            outcome,
        });
    }

    /// Time passes, and the clock is looked at.
    pub(in crate::transition::tests) fn tick(&mut self, span_ms: u64) -> bool {
        self.uptime += span_ms;
        self.input(&Input::Tick)
    }
}
