//! Facts: what drivers and the router saw. A late fact about an earlier run changes nothing.

use super::Work;
use super::instances::start_again;
use crate::app::RunState;
use crate::build::BuildState;
use crate::id::{ComponentName, InstanceId, PlanGeneration, ReleaseId};
use crate::input::Observation;
use crate::instance::{ExitReason, InstancePhase, RunExit, crash_backoff_ms};
use crate::limits::CRASH_RESET_MS;
use crate::release::{JobState, ReleaseState};

impl Work {
    pub(super) fn observe(&mut self, observation: &Observation) {
        match observation {
            Observation::InstanceRunning {
                instance,
                run,
                routable,
            } => {
                self.instance_running(*instance, *run, *routable);
            }
            Observation::InstanceExited {
                instance,
                run,
                exit,
            } => {
                self.instance_exited(*instance, *run, exit);
            }
            Observation::InstanceEmpty {
                instance,
                generation,
            } => {
                self.instance_empty(*instance, *generation);
            }
            Observation::RouterAcknowledged { generation } => {
                self.router_acknowledged(*generation);
            }
            Observation::SafeMeasured { release, micros } => self.safe_measured(release, *micros),
            Observation::BuildProgress { build, idle_ms } => self.build_progress(build, *idle_ms),
            Observation::BuildEnded {
                build,
                run,
                outcome,
            } => {
                self.build_ended(build, *run, outcome.clone());
            }
            Observation::TaskStarted { task } => self.task_started(task),
            Observation::TaskExited { task, exit } => self.task_exited(task, exit),
            Observation::JobProgress {
                release,
                component,
                idle_ms,
            } => self.job_progress(release, component, *idle_ms),
            Observation::JobEnded {
                release,
                component,
                succeeded,
            } => {
                if let Some(release) = self.release_mut(release)
                    && let Some(job) = release
                        .jobs
                        .iter_mut()
                        .find(|job| job.component == *component)
                {
                    job.state = match (job.state, succeeded) {
                        (JobState::Running, true) => JobState::Succeeded,
                        (JobState::Running, false) => JobState::Failed,
                        (JobState::Canceling, _) => JobState::Interrupted,
                        (ended, _) => ended,
                    };
                }
            }
            Observation::ChecksConcluded { release, succeeded } => {
                self.checks_concluded(release, *succeeded);
            }
            Observation::Demanded {
                revision,
                component,
            } => self.demanded(revision, component),
            Observation::Idle { instance, since } => self.idle(*instance, *since),
            Observation::Rebooted => self.rebooted(),
        }
    }

    /// The clock reached a wake-up time.
    pub(super) fn wake(&mut self) {
        self.expire_builds();
    }

    fn instance_running(&mut self, id: InstanceId, run: u32, routable: bool) {
        let now = self.now;
        let Some(instance) = self.state.instances.get_mut(&id) else {
            return;
        };
        if is_of_another_run(instance.run, run) {
            return;
        }
        match instance.phase {
            InstancePhase::Starting => {
                instance.phase = InstancePhase::Running {
                    routable,
                    since: now.uptime,
                };
                instance.since_wall = now.wall;
            }
            InstancePhase::Running {
                routable: before,
                since,
            } if before != routable => {
                instance.phase = InstancePhase::Running { routable, since };
            }
            // After its exit, or on its way out, it can't come back.
            InstancePhase::Running { .. }
            | InstancePhase::Crashed { .. }
            | InstancePhase::Draining { .. }
            | InstancePhase::Stopping
            | InstancePhase::Restarting => {}
        }
        #[cfg(windlass_mutant = "observation_uncancels")]
        self.uncancel(id);
    }

    /// Wrong on purpose: a fact revives what was canceled.
    #[cfg(windlass_mutant = "observation_uncancels")]
    fn uncancel(&mut self, id: InstanceId) {
        let Some(instance) = self.state.instances.get(&id) else {
            return;
        };
        for release in &mut self.state.releases {
            if release.is_restoring() && release.target == instance.revision {
                release.state = ReleaseState::RollingOut { step: 0 };
                release.restore = None;
            }
        }
    }

    fn instance_exited(&mut self, id: InstanceId, run: u32, exit: &RunExit) {
        let now = self.now;
        let Some(instance) = self.state.instances.get_mut(&id) else {
            return;
        };
        if is_of_another_run(instance.run, run) {
            return;
        }
        match instance.phase {
            InstancePhase::Starting => crash(instance, None, exit, now),
            InstancePhase::Running { since, .. } => crash(instance, Some(since), exit, now),
            InstancePhase::Draining { restart: false, .. } | InstancePhase::Stopping => {
                self.state.instances.remove(&id);
                return;
            }
            InstancePhase::Draining { restart: true, .. } | InstancePhase::Restarting => {
                start_again(instance);
                return;
            }
            InstancePhase::Crashed { .. } => return,
        }
        let text = format!(
            "instance {} of {} crashed: {}",
            instance.index,
            instance.component,
            exit.describe()
        );
        let revision = instance.revision.clone();
        for release in &mut self.state.releases {
            let holds_up = match release.state {
                ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. } => {
                    release.target == revision
                }
                ReleaseState::Restoring { .. } => release.base.as_ref() == Some(&revision),
                ReleaseState::Pending | ReleaseState::Building | ReleaseState::Finalized { .. } => {
                    false
                }
            };
            if holds_up {
                release.error = Some(text.clone());
            }
        }
        self.tell_app("crashed", text);
    }

    fn instance_empty(&mut self, id: InstanceId, generation: PlanGeneration) {
        let drained = self.state.instances.get(&id).is_some_and(|instance| {
            matches!(instance.phase, InstancePhase::Draining { generation: since, .. }
                if generation >= since)
        });
        if drained {
            self.end_drain(id);
        }
    }

    /// Only kept while something waits for it, so that acknowledgements make no commits.
    fn router_acknowledged(&mut self, generation: PlanGeneration) {
        let now = self.now;
        let known = self.state.plan_generation;
        if generation > known {
            return;
        }
        let mut waited = false;
        for release in &mut self.state.releases {
            let Some(restore) = &mut release.restore else {
                continue;
            };
            if !restore.safe
                && restore
                    .zero_generation
                    .is_some_and(|zero| zero <= generation)
            {
                restore.safe = true;
                waited = true;
                restore
                    .time_to_safe_us
                    .get_or_insert(now.uptime.since(restore.since).saturating_mul(1_000));
            }
        }
        if waited {
            self.state.acknowledged = self.state.acknowledged.max(generation);
        }
    }

    /// A line of a job is progress of its release.
    fn job_progress(&mut self, id: &ReleaseId, component: &ComponentName, idle_ms: u64) {
        let now = self.now.uptime;
        let Some(span_ms) = self.state.settings.deadline_ms else {
            return;
        };
        let Some(release) = self.release_mut(id) else {
            return;
        };
        let runs = release
            .jobs
            .iter()
            .any(|job| job.component == *component && job.state == JobState::Running);
        if runs {
            release.deadline = super::builds::moved(release.deadline, now, idle_ms, span_ms);
        }
    }

    fn safe_measured(&mut self, id: &ReleaseId, micros: u64) {
        if let Some(release) = self.release_mut(id)
            && let Some(restore) = &mut release.restore
        {
            restore.time_to_safe_us.get_or_insert(micros);
        }
    }

    /// Nothing of before runs: every instance, task and build is absent for certain.
    fn rebooted(&mut self) {
        let withdrawn: Vec<_> = self
            .state
            .releases
            .iter()
            .filter(|release| release.is_restoring() || release.is_finalized())
            .map(|release| release.target.clone())
            .filter(|target| self.state.base.as_ref() != Some(target))
            .collect();
        self.state
            .instances
            .retain(|_, instance| !instance.is_ending() && !withdrawn.contains(&instance.revision));
        // Nobody waits for what is on demand any more.
        let on_demand: Vec<InstanceId> = self
            .state
            .instances
            .values()
            .filter(|instance| self.is_on_demand(instance))
            .map(|instance| instance.id)
            .collect();
        for id in on_demand {
            self.state.instances.remove(&id);
        }
        if self.state.run != RunState::Started {
            self.state.instances.clear();
        }
        for instance in self.state.instances.values_mut() {
            if !instance.is_crashed() {
                instance.last_exit = Some(RunExit::new(ExitReason::Lost));
                start_again(instance);
            }
        }
        self.state.restarts.clear();
        self.lose_tasks();
        let builds: Vec<_> = self
            .state
            .builds
            .iter()
            .filter(|build| {
                matches!(
                    build.state,
                    BuildState::Running | BuildState::Canceling { .. }
                )
            })
            .map(|build| (build.id.clone(), build.run))
            .collect();
        for (build, run) in builds {
            self.build_ended(&build, run, None);
        }
        for release in &mut self.state.releases {
            if matches!(release.state, ReleaseState::Finalized { .. }) {
                continue;
            }
            for job in &mut release.jobs {
                job.state = match job.state {
                    JobState::Running => JobState::Failed,
                    JobState::Canceling => JobState::Interrupted,
                    ended @ (JobState::Succeeded | JobState::Failed | JobState::Interrupted) => {
                        ended
                    }
                };
            }
        }
        self.tell_app("rebooted", "everything of the app was absent at the start");
    }
}

/// Whether a fact tells of an earlier start of this instance.
#[cfg(not(windlass_mutant = "run_unchecked"))]
fn is_of_another_run(now: u32, told: u32) -> bool {
    now != told
}

/// Wrong on purpose: a fact of an earlier start is taken for one of today.
#[cfg(windlass_mutant = "run_unchecked")]
fn is_of_another_run(_now: u32, _told: u32) -> bool {
    false
}

fn crash(
    instance: &mut crate::instance::Instance,
    running_since: Option<crate::time::Uptime>,
    exit: &RunExit,
    now: crate::time::Now,
) {
    if running_since.is_some_and(|since| now.uptime.since(since) >= CRASH_RESET_MS) {
        instance.crashes = 0;
    }
    instance.crashes += 1;
    instance.last_exit = Some(exit.clone());
    instance.since_wall = now.wall;
    let retry_at = crash_backoff_ms(instance.crashes).map(|wait_ms| now.uptime.plus_ms(wait_ms));
    instance.phase = InstancePhase::Crashed { retry_at };
}
