//! Workers: one per app that has work. A worker loads, plans and makes the driver do it; it is
//! woken by a hint without content or by the clock, and looks anew each time.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};
use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, CommitNumber};
use windlass_engine::limits::BUILD_GRACE_MS;
use windlass_engine::plan::{Plan, Want, plan};
use windlass_runtime::{Driver, DriverError, EnsureRuns, LaunchSpec, StopRun};

use crate::clock;
use crate::control::Control;
use crate::crash_point::crash_point;
use crate::error::Error;
use crate::log_numbers::LogNumbers;
use crate::run_name::RunName;

/// Pause before a worker tries again after an error, milliseconds.
const RETRY_MS: u64 = 1_000;

/// How long a run that does not come up keeps others from starting after a reboot, milliseconds.
const PLACE_MS: u64 = 15_000;

impl Control {
    /// Tells the worker of an app to look again; starts one if there is none.
    pub(crate) fn wake(&self, app: &AppId) {
        let mut workers = self
            .workers()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if workers.closed || !workers.open {
            return;
        }
        if let Some(notify) = workers.running.get(app) {
            notify.notify_one();
            return;
        }
        let notify = Arc::new(Notify::new());
        notify.notify_one();
        workers.running.insert(app.clone(), Arc::clone(&notify));
        tokio::spawn(guard(self.clone(), app.clone(), notify));
    }

    /// Ends a worker that has nothing to do, unless it was told to look again meanwhile.
    fn end_worker(&self, app: &AppId, notify: &Notify) -> bool {
        let mut workers = self
            .workers()
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Under the lock nobody can wake it between this look and its removal.
        let mut woken = std::pin::pin!(notify.notified());
        if woken.as_mut().enable() {
            notify.notify_one();
            return false;
        }
        workers.running.remove(app);
        true
    }

    /// Begins to carry out plans. Before this nothing is: what is left of before must be known.
    pub(crate) fn open_workers(&self) {
        self.workers()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .open = true;
    }

    /// Keeps the place of a start until its run is up: after a reboot everything starts at once.
    fn keep_place(&self, run: String, place: OwnedSemaphorePermit) {
        {
            let mut pending = self.pending();
            if !pending.is_returning {
                return;
            }
            pending.starting.insert(run.clone(), place);
        }
        let control = self.clone();
        tokio::spawn(async move {
            // Who hangs must not keep the others from starting.
            tokio::time::sleep(Duration::from_millis(PLACE_MS)).await;
            control.pending().starting.remove(&run);
        });
    }

    /// Ends all carrying out of plans and taking in of facts, for good.
    pub(crate) fn close_workers(&self) {
        self.workers()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed = true;
    }

    /// Whether that has happened.
    pub(crate) fn is_closed(&self) -> bool {
        self.workers()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .closed
    }
}

/// A panic in the work of one app must not take the others: it is logged, and the app is looked
/// at anew after a pause.
async fn guard(control: Control, app: AppId, notify: Arc<Notify>) {
    loop {
        let work = tokio::spawn(run(control.clone(), app.clone(), Arc::clone(&notify)));
        match work.await {
            Ok(()) => return,
            Err(error) => {
                tracing::error!(app.id = %app, "the worker of an app broke: {error}");
                tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
                notify.notify_one();
            }
        }
    }
}

async fn run(control: Control, app: AppId, notify: Arc<Notify>) {
    loop {
        notify.notified().await;
        loop {
            let pause = match look(&control, &app).await {
                Ok(Next::Idle) => {
                    if control.end_worker(&app, &notify) {
                        return;
                    }
                    break;
                }
                Ok(Next::Wake(pause)) => pause,
                Err(error) => {
                    tracing::warn!(app.id = %app, "the plan was not carried out: {error}");
                    Duration::from_millis(RETRY_MS)
                }
            };
            tokio::select! {
                () = notify.notified() => {}
                () = windlass_clock::task::sleep(pause) => {}
            }
        }
    }
}

/// What a worker does after a look.
enum Next {
    /// Nothing, until it is woken.
    Idle,
    /// Looks again after a pause.
    Wake(Duration),
}

async fn look(control: &Control, app: &AppId) -> Result<Next, Error> {
    let Some(state) = control.state(app)? else {
        return Ok(Next::Idle);
    };
    let now = clock::now(CommitNumber(0));
    let wanted = plan(&state, now);
    control.publish_missed(&state, &wanted)?;
    control.unpack_files_of(&state).await?;
    if wanted.wake_at.is_some_and(|at| at <= now.uptime) {
        let committed = control.tick(app).await?;
        if committed.changed {
            return Ok(Next::Wake(Duration::ZERO));
        }
    }
    ensure(control, &state, &wanted).await?;
    crash_point!("control-worker-ensured");
    Ok(match wanted.wake_at {
        Some(at) => Next::Wake(Duration::from_millis(at.since(now.uptime).max(1))),
        None => Next::Idle,
    })
}

/// Makes the plan true: first what is to end, then what is to start, each as soon as it is
/// prepared.
async fn ensure(control: &Control, state: &AppState, wanted: &Plan) -> Result<(), Error> {
    if control.is_closed() {
        return Ok(());
    }
    let (run, stop) = runs_of(state, wanted);
    let runs = control.driver().observe_app(state.app.as_str()).await;
    let mut log_numbers = LogNumbers::of(&runs);
    let known: BTreeSet<String> = runs.into_iter().map(|status| status.run).collect();
    let keep: BTreeSet<String> = run.iter().map(ToString::to_string).collect();
    if known.is_empty() && keep.is_empty() && stop.is_empty() {
        return Ok(());
    }
    let generation = state.plan_generation.0;
    let app = state.app.to_string();
    let desired = EnsureRuns {
        app: app.clone(),
        generation,
        start: vec![],
        keep: keep.clone(),
        stop,
    };
    if !ensured(control.driver().as_ref(), desired).await? {
        return Ok(());
    }
    for name in run
        .into_iter()
        .filter(|name| !known.contains(&name.to_string()))
    {
        let Ok(place) = Arc::clone(control.starts()).acquire_owned().await else {
            return Ok(());
        };
        if control
            .state(&state.app)?
            .is_none_or(|newer| newer.plan_generation.0 != generation)
        {
            // The plan has changed meanwhile: the next look starts what is still wanted.
            return Ok(());
        }
        match control.launch_spec(state, &name).await {
            Ok(mut spec) => {
                spec.log_number = log_numbers.take();
                let start: Vec<LaunchSpec> = vec![spec];
                if matches!(name, RunName::Instance { .. }) {
                    // Before it starts: it may be up in no time.
                    control.keep_place(name.to_string(), place);
                }
                let desired = EnsureRuns {
                    app: app.clone(),
                    generation,
                    start,
                    keep: keep.clone(),
                    stop: vec![],
                };
                if !ensured(control.driver().as_ref(), desired).await? {
                    control.pending().starting.remove(&name.to_string());
                    return Ok(());
                }
            }
            // Something is short for the moment; the run is none the worse for it.
            Err(error @ Error::Unavailable(_)) => return Err(error),
            Err(error) => control.launch_failed(&state.app, &name, &error).await,
        }
    }
    Ok(())
}

/// Says whether the driver took it; a newer plan was there first if not.
async fn ensured(driver: &dyn Driver, desired: EnsureRuns) -> Result<bool, Error> {
    match driver.ensure(desired).await {
        Ok(()) => Ok(true),
        Err(DriverError::StaleGeneration { .. }) => Ok(false),
        Err(error) => Err(Error::internal(error)),
    }
}

/// Names of the runs of a plan: those to run and those to end.
fn runs_of(state: &AppState, wanted: &Plan) -> (Vec<RunName>, Vec<StopRun>) {
    let mut run = Vec::new();
    let mut stop = Vec::new();
    let grace_ms = state.settings.grace_ms;
    let mut sort = |name: RunName, want: Want, grace_ms: u64| match want {
        Want::Run => run.push(name),
        Want::Stop => stop.push(StopRun {
            run: name.to_string(),
            grace_ms,
        }),
    };
    let mut instances: Vec<_> = wanted.instances.iter().collect();
    // What cancel falls back on comes up first.
    instances.sort_by_key(|instance| state.base.as_ref() != Some(&instance.revision));
    for instance in instances {
        let name = RunName::Instance {
            app: state.app.clone(),
            instance: instance.id,
            run: instance.run,
        };
        let grace_ms = state.grace_ms(&instance.revision, &instance.component);
        sort(name, instance.want, grace_ms);
    }
    for (task, want) in &wanted.tasks {
        sort(RunName::Task(task.clone()), *want, grace_ms);
    }
    for (build, number, want) in &wanted.builds {
        let name = RunName::Build {
            build: build.clone(),
            run: *number,
        };
        sort(name, *want, BUILD_GRACE_MS);
    }
    for (release, component, want) in &wanted.jobs {
        let name = RunName::Job {
            release: release.clone(),
            component: component.clone(),
        };
        let grace_ms = state.release(release).map_or(grace_ms, |release| {
            state.grace_ms(&release.target, component)
        });
        sort(name, *want, grace_ms);
    }
    (run, stop)
}
