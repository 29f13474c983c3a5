//! Facts from the driver and the router enter the engine here, one commit each.

use std::hash::{DefaultHasher, Hash, Hasher};

use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use windlass_engine::app::{AppState, RunState};
use windlass_engine::build::BuildOutcome;
use windlass_engine::id::{AppId, BuildId, CommitNumber};
use windlass_engine::input::{Input, Observation};
use windlass_engine::instance::{ExitReason, RunExit};
use windlass_engine::time::Uptime;
use windlass_engine::transition::{Ledgers, transition};
use windlass_router::RouterEvent;
use windlass_runtime as runtime;
use windlass_store::Tx;

use crate::clock;
use crate::commit::Committed;
use crate::control::{Control, Extra};
use crate::crash_point::crash_point;
use crate::error::Error;
use crate::routes::pinned::put_built_hosts;
use crate::routing::component_of;
use crate::run_name::RunName;

/// Observations that are taken in at the same time. Those of one run keep their order; those of
/// different runs share the sync of their commits.
const LANES: usize = 16;
/// Observations that may wait in one lane.
const LANE_LIMIT: usize = 256;
/// Directories of ended runs that are removed at the same time.
const REMOVALS_AT_ONCE: usize = 4;

static REMOVALS: Semaphore = Semaphore::const_new(REMOVALS_AT_ONCE);

impl Control {
    /// Commits an observation. A failure is logged; the fact is seen again at the next look.
    pub(crate) async fn observe(&self, app: &AppId, observation: Observation) {
        match self.commit(app, Input::Observe(observation)).await {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(app.id = %app, "an observation was not committed: {error}");
            }
        }
    }

    /// Takes observations until the driver ends.
    pub(crate) async fn observe_driver(self, mut observations: Receiver<runtime::Observation>) {
        let lanes: Vec<Sender<runtime::Observation>> = (0..LANES)
            .map(|_| {
                let (lane, seen) = channel(LANE_LIMIT);
                tokio::spawn(self.clone().observe_lane(seen));
                lane
            })
            .collect();
        while let Some(seen) = observations.recv().await {
            let mut hasher = DefaultHasher::new();
            seen.run().hash(&mut hasher);
            let number = usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0);
            if lanes[number].send(seen).await.is_err() {
                return;
            }
        }
    }

    async fn observe_lane(self, mut observations: Receiver<runtime::Observation>) {
        while let Some(seen) = observations.recv().await {
            let control = self.clone();
            // A panic over one observation must not end the taking in of all others.
            let taken = tokio::spawn(async move { control.take_in(seen).await });
            if let Err(error) = taken.await {
                tracing::error!("taking in an observation broke: {error}");
            }
        }
    }

    /// Takes events until the link ends.
    pub(crate) async fn observe_router(self, mut events: Receiver<RouterEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                RouterEvent::Empty {
                    upstream,
                    upgraded: _,
                } => {
                    let control = self.clone();
                    let taken =
                        tokio::spawn(async move { control.upstream_empty(&upstream).await });
                    if let Err(error) = taken.await {
                        tracing::error!("taking in an event of the router broke: {error}");
                    }
                }
                // The router leaves it out by itself; its health is the shim's to judge.
                RouterEvent::Unreachable { upstream } => {
                    tracing::info!(run = %upstream, "the router can't connect to an instance");
                }
                RouterEvent::Idle { upstream, idle_ms } => {
                    let control = self.clone();
                    let taken =
                        tokio::spawn(
                            async move { control.instance_idle(&upstream, idle_ms).await },
                        );
                    if let Err(error) = taken.await {
                        tracing::error!("taking in an event of the router broke: {error}");
                    }
                }
                RouterEvent::Wanted { group, version } => {
                    let control = self.clone();
                    let taken =
                        tokio::spawn(async move { control.demanded(&group, &version).await });
                    if let Err(error) = taken.await {
                        tracing::error!("taking in an event of the router broke: {error}");
                    }
                }
            }
        }
    }

    /// A request waits for a version that is started on demand.
    async fn demanded(&self, group: &str, version: &str) {
        let Some((app, component)) = component_of(group) else {
            return;
        };
        let seen = Observation::Demanded {
            revision: version.into(),
            component,
        };
        self.observe(&app, seen).await;
    }

    /// An instance on demand had no request for some time: the engine judges when that is enough.
    async fn instance_idle(&self, upstream: &str, idle_ms: u64) {
        let Ok(RunName::Instance { app, instance, run }) = upstream.parse() else {
            return;
        };
        let since = Uptime(clock::uptime().0.saturating_sub(idle_ms));
        let is_enough = |state: &AppState| {
            let known = state.instances.get(&instance);
            known.is_some_and(|it| it.run == run) && idle_ms >= state.settings.idle_limit_ms
        };
        // No commit for what will change nothing.
        if matches!(self.state(&app), Ok(Some(state)) if is_enough(&state)) {
            self.observe(&app, Observation::Idle { instance, since })
                .await;
        }
    }

    async fn upstream_empty(&self, upstream: &str) {
        let Ok(RunName::Instance { app, instance, run }) = upstream.parse() else {
            return;
        };
        // The event may have waited: it must be about this run and its last withdrawal, else
        // requests that began since would be cut.
        let generation = match self.state(&app) {
            Ok(Some(state)) if state.instances.get(&instance).is_some_and(|i| i.run == run) => {
                state.plan_generation
            }
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(%upstream, "an empty instance was not looked at: {error}");
                return;
            }
        };
        if !self.routes().is_known_empty(upstream) {
            return;
        }
        crash_point!("control-drain-before-commit");
        self.observe(
            &app,
            Observation::InstanceEmpty {
                instance,
                generation,
            },
        )
        .await;
        crash_point!("control-drain-committed");
    }

    /// Folds one observation of the driver. Repeated ones change nothing.
    pub(crate) async fn take_in(&self, seen: runtime::Observation) {
        if self.is_closed() {
            return;
        }
        let name: RunName = match seen.run().parse() {
            Ok(name) => name,
            Err(error) => {
                tracing::warn!("{error}");
                return;
            }
        };
        let is_up_or_over = !matches!(
            seen,
            runtime::Observation::Started { .. }
                | runtime::Observation::Routable {
                    routable: false,
                    ..
                }
        );
        if is_up_or_over {
            self.pending().starting.remove(seen.run());
        }
        let taken = match seen {
            runtime::Observation::Started { .. } => self.run_started(&name).await,
            runtime::Observation::Routable { routable, .. } => {
                self.run_routable(&name, routable).await
            }
            runtime::Observation::Exited { exit, .. } => match name {
                RunName::Build { .. } => {
                    self.collect_aside(name, to_exit(&exit));
                    return;
                }
                RunName::Instance { .. } | RunName::Task(_) | RunName::Job { .. } => {
                    self.run_ended(&name, to_exit(&exit)).await
                }
            },
            runtime::Observation::Lost { .. } => {
                self.run_ended(&name, RunExit::new(ExitReason::Lost)).await
            }
        };
        match taken {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(run = %name, "an observation was not taken in: {error}"),
        }
    }

    /// Storing what a build has made takes seconds; other runs must not wait for it.
    pub(crate) fn collect_aside(&self, name: RunName, exit: RunExit) {
        let text = name.to_string();
        if !self.pending().collecting.insert(text.clone()) {
            return;
        }
        let control = self.clone();
        tokio::spawn(async move {
            let work = control.clone();
            let ended = tokio::spawn(async move { work.run_ended(&name, exit).await }).await;
            control.pending().collecting.remove(&text);
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(run = %text, "its end was not taken in: {error}");
                }
                Err(error) => tracing::error!(run = %text, "taking in its end broke: {error}"),
            }
        });
    }

    async fn run_started(&self, name: &RunName) -> Result<(), Error> {
        match name {
            RunName::Task(task) => {
                let app = self.app_of_task(task)?;
                let seen = Observation::TaskStarted { task: task.clone() };
                self.commit(&app, Input::Observe(seen)).await?;
            }
            RunName::Instance { app, instance, .. } => {
                let Some(state) = self.state(app)? else {
                    return Ok(());
                };
                let Some(instance) = state.instances.get(instance) else {
                    return Ok(());
                };
                let release = (state.releases.iter())
                    .find(|release| release.is_in_flight() && release.target == instance.revision);
                if let Some(release) = release {
                    self.note_started(&release.id, &instance.component).await?;
                }
            }
            RunName::Job { release, component } => self.note_started(release, component).await?,
            RunName::Build { .. } => {}
        }
        Ok(())
    }

    async fn run_routable(&self, name: &RunName, routable: bool) -> Result<(), Error> {
        if let RunName::Instance { app, instance, run } = name {
            let seen = Observation::InstanceRunning {
                instance: *instance,
                run: *run,
                routable,
            };
            // Told again by each resync: what is known already takes no turn in the writer.
            if let Some(state) = self.state(app)?
                && is_known(&state, &seen)
            {
                return Ok(());
            }
            // A fact may have waited while a newer one was taken in: at the start control looks at
            // the runs before it hears what was told meanwhile, and a resync tells what it has
            // looked at earlier. Whatever has changed since is told again behind it.
            let runs = self.driver().observe_app(app.as_str()).await;
            let is_of_before = |now: &runtime::RunStatus| now.routable != routable;
            let text = name.to_string();
            if runs.iter().any(|now| now.run == text && is_of_before(now)) {
                return Ok(());
            }
            self.commit(app, Input::Observe(seen)).await?;
        }
        Ok(())
    }

    /// A run is over: the engine is told, its port rests, its directory goes.
    ///
    /// # Errors
    /// When it was not taken in; then the run is not forgotten either, and is told again.
    pub(crate) async fn run_ended(&self, name: &RunName, exit: RunExit) -> Result<(), Error> {
        let text = name.to_string();
        crash_point!("control-exit-before-commit");
        match self.tell_end(name, &text, exit).await {
            // Nobody knows it any more.
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        crash_point!("control-exit-committed");
        // Large directories take their time, and a shim may take some to leave.
        let control = self.clone();
        tokio::spawn(async move {
            let _turn = REMOVALS.acquire().await;
            if let Err(error) = control.driver().forget(&text).await {
                tracing::debug!(run = %text, "its directory stays for now: {error}");
            }
        });
        Ok(())
    }

    async fn tell_end(&self, name: &RunName, text: &str, exit: RunExit) -> Result<(), Error> {
        match name {
            RunName::Instance { app, instance, run } => {
                let seen = Observation::InstanceExited {
                    instance: *instance,
                    run: *run,
                    exit,
                };
                self.end_with(app, seen, release_port(text.to_owned()))
                    .await?;
            }
            RunName::Task(task) => {
                let app = self.app_of_task(task)?;
                let seen = Observation::TaskExited {
                    task: task.clone(),
                    exit,
                };
                self.end_with(&app, seen, |_, _| Ok(())).await?;
            }
            RunName::Build { build, run } => {
                self.build_run_ended(build, *run, text, &exit).await?;
            }
            RunName::Job { release, component } => {
                let app = self.app_of_release(release)?;
                let seen = Observation::JobEnded {
                    release: release.clone(),
                    component: component.clone(),
                    succeeded: exit.is_success(),
                };
                self.end_with(&app, seen, |_, _| Ok(())).await?;
            }
        }
        Ok(())
    }

    async fn end_with<F>(&self, app: &AppId, seen: Observation, more: F) -> Result<(), Error>
    where
        F: FnOnce(&mut Tx<'_>, &Committed) -> Result<(), Error> + Send + 'static,
    {
        let (committed, ()) = self
            .commit_with(app, Input::Observe(seen), Extra::default(), more)
            .await?;
        if committed.state.run == RunState::Deleted {
            self.settle_operation(app).await?;
        }
        Ok(())
    }

    /// Tells the engine of a build that ended, together with what it made.
    pub(crate) async fn end_build(
        &self,
        app: &AppId,
        build: &BuildId,
        run: u32,
        outcome: Option<BuildOutcome>,
        more: impl FnOnce(&mut Tx<'_>, &Committed) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let seen = Observation::BuildEnded {
            build: build.clone(),
            run,
            outcome,
        };
        let id = build.clone();
        let (committed, hosts) = self
            .commit_with(
                app,
                Input::Observe(seen),
                Extra::default(),
                move |tx, done| {
                    more(tx, done)?;
                    put_built_hosts(tx, &id, done)
                },
            )
            .await?;
        for host in hosts {
            self.publish_host_in_time(&host, committed.commit);
        }
        if committed.state.run == RunState::Deleted {
            self.settle_operation(app).await?;
        }
        // A slot may be free now: builds of other apps may wait for it.
        self.wake_waiting_builds().await;
        Ok(())
    }
}

/// Whether an observation says nothing that a state does not say: the engine itself decides, with
/// nothing that is short.
pub(crate) fn is_known(state: &AppState, seen: &Observation) -> bool {
    let now = clock::now(CommitNumber(0));
    let input = Input::Observe(seen.clone());
    let folded = transition(state, &input, now, &Ledgers::default());
    folded.is_ok_and(|folded| !folded.changed)
}

fn release_port(run: String) -> impl FnOnce(&mut Tx<'_>, &Committed) -> Result<(), Error> {
    move |tx, _| Ok(tx.release_ports(&run, clock::uptime())?)
}

/// The engine's form of an exit.
pub(crate) fn to_exit(exit: &runtime::Exit) -> RunExit {
    let (reason, detail) = match &exit.reason {
        runtime::ExitReason::Exited => (ExitReason::Exited, None),
        runtime::ExitReason::OutOfMemory => (ExitReason::OutOfMemory, None),
        runtime::ExitReason::OutOfDisk => (ExitReason::OutOfDisk, None),
        runtime::ExitReason::StartTimeout => (ExitReason::StartTimeout, None),
        runtime::ExitReason::Liveness => (ExitReason::Liveness, None),
        runtime::ExitReason::TimeLimit => (ExitReason::TimeLimit, None),
        runtime::ExitReason::Stopped => (ExitReason::Stopped, None),
        runtime::ExitReason::LaunchFailed(text) => (ExitReason::LaunchFailed, Some(text.clone())),
    };
    RunExit {
        reason,
        code: exit.code,
        signal: exit.signal,
        detail,
    }
}
