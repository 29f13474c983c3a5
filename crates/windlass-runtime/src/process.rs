//! The embedded driver: every run under a shim process on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::driver::{BoxFuture, Driver, DriverError, EnsureRuns};
use crate::isolation::ShimCommand;
use crate::log::LogPosition;
use crate::observation::{Exit, Observation, RunStatus, Usage};
use crate::spec::{LaunchSpec, SpecError, is_plain_name};
use crate::state::RunState;

mod actor;
mod adoption;
mod connection;
mod launch;
mod news;
pub(crate) mod removal;
mod runs;

use actor::Actor;
use news::{end_of, news, present};
use runs::{Entry, Runs, is_over};

/// Hints about growing logs that may wait for a slow reader; it learns that it missed some.
const MAX_LOG_HINTS: usize = 1024;
/// Questions to one run that may wait.
const MAX_QUESTIONS: usize = 16;
/// How long a shim may take to answer a question.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Runs every run under a shim of its own, and adopts those that an earlier control has started.
///
/// Cheap to clone. Dropping it ends nothing: the shims go on.
#[derive(Debug, Clone)]
pub struct ProcessDriver {
    inner: Arc<Inner>,
}

/// Where and how a [`ProcessDriver`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessDriverSettings {
    /// Data directory of the server, absolute; runs live in `runs/` below it.
    pub data_dir: PathBuf,
    /// How to start a shim.
    pub shim: ShimCommand,
}

/// The log of a run has grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHint {
    /// Name of the run.
    pub run: String,
    /// Where its log ends now.
    pub end: LogPosition,
}

/// Newest generation seen, per app, while nobody else carries out a wish.
type Fence<'a> = MutexGuard<'a, BTreeMap<String, u64>>;

#[derive(Debug)]
struct Inner {
    settings: ProcessDriverSettings,
    observations: mpsc::Sender<Observation>,
    log_hints: broadcast::Sender<LogHint>,
    /// Newest generation seen, per app. Held while a wish is carried out: one that was let pass
    /// must not start anything after a newer one has ended everything.
    generations: Mutex<BTreeMap<String, u64>>,
    runs: Mutex<Runs>,
    /// True while somebody is catching up on observations that found the channel full.
    is_behind: AtomicBool,
}

impl ProcessDriver {
    /// Opens the runs of a data directory: adopts those that live, takes in how others have ended
    /// meanwhile, and ends what is left of those whose shim was killed. All of it is observed.
    ///
    /// Call it inside a tokio runtime. `observations` should have room for a few per run.
    pub async fn open(
        settings: ProcessDriverSettings,
        observations: mpsc::Sender<Observation>,
    ) -> io::Result<Self> {
        let runs_dir = settings.data_dir.join("runs");
        let (log_hints, _) = broadcast::channel(MAX_LOG_HINTS);
        let inner = Arc::new(Inner {
            settings,
            observations,
            log_hints,
            generations: Mutex::default(),
            runs: Mutex::default(),
            is_behind: AtomicBool::new(false),
        });
        let found = tokio::task::spawn_blocking(move || {
            adoption::make_runs_dir(&runs_dir)?;
            adoption::scan(&runs_dir)
        });
        for run in found.await.map_err(io::Error::other)?? {
            inner.adopt(run);
        }
        Ok(Self { inner })
    }

    /// Directory of a run: put the files of the app into `work/` below it before the run starts.
    pub fn run_dir(&self, run: &str) -> PathBuf {
        self.inner.run_dir(run)
    }

    /// Subscribes to hints about growing logs. They come some milliseconds after the lines, and may
    /// be missed: the files are the truth.
    pub fn log_hints(&self) -> broadcast::Receiver<LogHint> {
        self.inner.log_hints.subscribe()
    }
}

impl Driver for ProcessDriver {
    fn ensure(&self, desired: EnsureRuns) -> BoxFuture<'_, Result<(), DriverError>> {
        Box::pin(async move { self.inner.ensure(desired) })
    }

    fn observe(&self) -> BoxFuture<'_, Vec<RunStatus>> {
        Box::pin(async move { self.inner.statuses() })
    }

    fn observe_app<'a>(&'a self, app: &'a str) -> BoxFuture<'a, Vec<RunStatus>> {
        Box::pin(async move { self.inner.statuses_of(app) })
    }

    fn resync(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.inner.resync())
    }

    fn usage<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Usage>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let questions = self.inner.runs().get(run)?.questions.clone();
            questions.try_send(answer).ok()?;
            timeout(ANSWER_LIMIT, answered).await.ok()?.ok()
        })
    }

    fn exit_on_disk<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Exit>> {
        Box::pin(async move {
            if !is_plain_name(run) {
                return None;
            }
            let run_dir = self.inner.run_dir(run);
            let read = tokio::task::spawn_blocking(move || RunState::read(&run_dir));
            read.await.ok()?.ok()??.exit
        })
    }

    fn forget<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<(), DriverError>> {
        Box::pin(async move {
            if !is_plain_name(run) {
                return Ok(());
            }
            let is_over = |entry: &Entry| is_over(entry.status.phase);
            if !self.inner.runs().get(run).is_none_or(is_over) {
                return Err(DriverError::StillRuns(run.to_owned()));
            }
            let run_dir = self.inner.run_dir(run);
            let removed = tokio::task::spawn_blocking(move || removal::remove(&run_dir)).await;
            match removed
                .map_err(io::Error::other)
                .and_then(|removed| removed)
            {
                Ok(true) => {
                    self.inner.runs().remove(run);
                    Ok(())
                }
                Ok(false) => Err(DriverError::StillRuns(run.to_owned())),
                Err(source) => Err(DriverError::Io {
                    what: format!("removing run {run}"),
                    source,
                }),
            }
        })
    }
}

impl Inner {
    fn run_dir(&self, run: &str) -> PathBuf {
        self.settings.data_dir.join("runs").join(run)
    }

    /// No lock is held across an await, and no code under it can panic halfway.
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statuses(&self) -> Vec<RunStatus> {
        self.runs()
            .all()
            .map(|entry| entry.status.clone())
            .collect()
    }

    fn statuses_of(&self, app: &str) -> Vec<RunStatus> {
        self.runs()
            .of_app(app)
            .map(|(_, entry)| entry.status.clone())
            .collect()
    }

    fn ensure(self: &Arc<Self>, desired: EnsureRuns) -> Result<(), DriverError> {
        let EnsureRuns {
            app,
            generation,
            start,
            keep,
            stop,
        } = desired;
        for spec in &start {
            self.check(spec, &app)?;
        }
        // What reads files is done before the fence.
        let start: Vec<_> = start
            .into_iter()
            .map(|spec| (RunState::launching(&spec), spec))
            .collect();
        let fence = self.raise_generation(&app, generation)?;
        let stops: BTreeMap<String, u64> = stop
            .into_iter()
            .map(|stop| (stop.run, stop.grace_ms))
            .collect();
        let started: BTreeSet<String> = start.iter().map(|(_, spec)| spec.run.clone()).collect();
        for (state, spec) in start {
            // A stop that is asked for in the same breath wins.
            if !stops.contains_key(&spec.run) && self.runs().get(&spec.run).is_none() {
                self.enter(&state, Some(spec));
            }
        }
        let runs = self.runs();
        let mut told = Vec::new();
        for (run, grace_ms) in &stops {
            match runs.get(run) {
                Some(entry) if is_over(entry.status.phase) => {
                    // Who asks for it has missed the end.
                    told.extend(end_of(&entry.status));
                }
                Some(entry) => entry.stop_within(*grace_ms),
                None => told.push(Observation::Lost { run: run.clone() }),
            }
        }
        for (run, entry) in runs.of_app(&app) {
            let is_named = keep.contains(run) || started.contains(run) || stops.contains_key(run);
            if !is_named && !is_over(entry.status.phase) {
                entry.stop_within(entry.grace_ms);
            }
        }
        drop(runs);
        drop(fence);
        for observation in told {
            self.tell(observation);
        }
        Ok(())
    }

    fn check(&self, spec: &LaunchSpec, app: &str) -> Result<(), DriverError> {
        let wrong = |source| DriverError::Spec {
            run: spec.run.clone(),
            source,
        };
        spec.validate().map_err(wrong)?;
        if spec.run_dir != self.run_dir(&spec.run) {
            let must = "the directory that the driver names for the run";
            let path = spec.run_dir.clone();
            return Err(wrong(SpecError::Path {
                field: "run_dir",
                path,
                must,
            }));
        }
        let is_known_elsewhere = |entry: &Entry| entry.status.app != app;
        if spec.app != app || self.runs().get(&spec.run).is_some_and(is_known_elsewhere) {
            return Err(DriverError::ForeignRun {
                run: spec.run.clone(),
                app: app.to_owned(),
            });
        }
        Ok(())
    }

    /// No older wish is carried out while the guard is held, nor afterwards.
    fn raise_generation(&self, app: &str, generation: u64) -> Result<Fence<'_>, DriverError> {
        let mut generations = self.fence();
        let seen = generations.entry(app.to_owned()).or_insert(generation);
        if generation < *seen {
            let app = app.to_owned();
            return Err(DriverError::StaleGeneration {
                app,
                asked: generation,
                seen: *seen,
            });
        }
        *seen = generation;
        Ok(generations)
    }

    fn fence(&self) -> Fence<'_> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a run in; one that is not over gets an actor.
    fn enter(self: &Arc<Self>, state: &RunState, spec: Option<LaunchSpec>) {
        let (stop, stop_asked) = watch::channel(None);
        let (questions, asked) = mpsc::channel(MAX_QUESTIONS);
        let entry = Entry {
            status: state.status(),
            grace_ms: state.grace_ms,
            stop,
            questions,
        };
        self.runs().insert(entry);
        if !state.is_over() {
            let inner = Arc::clone(self);
            let actor = Actor::new(inner, state.run.clone(), spec, stop_asked, asked);
            tokio::spawn(actor.run());
        }
    }

    fn adopt(self: &Arc<Self>, state: RunState) {
        // The fence must hold across restarts: nothing older than what runs may come.
        let mut generations = self.fence();
        let seen = generations
            .entry(state.app.clone())
            .or_insert(state.generation);
        *seen = (*seen).max(state.generation);
        drop(generations);
        self.enter(&state, None);
        for observation in present(&state.status()) {
            self.tell(observation);
        }
    }

    /// Takes in what a run has become, and tells what is new about it.
    fn take(self: &Arc<Self>, status: RunStatus) {
        let before = match self.runs().get_mut(&status.run) {
            Some(entry) => std::mem::replace(&mut entry.status, status.clone()),
            None => return,
        };
        if is_over(before.phase) || before == status {
            return;
        }
        for observation in news(&before, &status) {
            self.tell(observation);
        }
    }

    /// Never waits: what finds the channel full is told again by a resync when there is room.
    fn tell(self: &Arc<Self>, observation: Observation) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.observations.try_send(observation)
            && !self.is_behind.swap(true, Ordering::AcqRel)
        {
            let inner = Arc::clone(self);
            tokio::spawn(async move {
                // Wait for room first: what is told from here on is in the resync or after it.
                if let Ok(room) = inner.observations.reserve().await {
                    drop(room);
                    inner.is_behind.store(false, Ordering::Release);
                    inner.resync().await;
                }
            });
        }
    }

    async fn resync(&self) {
        for status in self.statuses() {
            for observation in present(&status) {
                if self.observations.send(observation).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Makes a directory that others may walk through (an app under a user of its own must reach its
/// files) but not list.
fn make_passable_dir(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(dir)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;
    use crate::spec::PROTOCOL;

    const ROUNDS: usize = 2_000;

    fn spec(run: &str, run_dir: PathBuf) -> LaunchSpec {
        let asks = serde_json::json!({"type": "process"});
        let spec = serde_json::json!({
            "protocol": PROTOCOL,
            "app": run,
            "run": run,
            "kind": "instance",
            "generation": 1,
            "token": "t",
            "run_dir": run_dir,
            "log_dir": "/logs",
            "processes": [{
                "name": "web",
                "command": {"shell": "true"},
                "env": {},
            }],
            "limits": {},
            "isolation": {"landlock": false, "pidns": false, "cgroup": false, "uid": false},
            "uid": null,
            "port": null,
            "health": {
                "kind": asks,
                "start_timeout_ms": 1,
                "invocation_timeout_ms": 1,
                "interval_ms": 1,
            },
            "readiness": {
                "kind": asks,
                "invocation_timeout_ms": 1,
                "interval_ms": 1,
            },
            "log": {"bytes_per_file": 1_048_576, "files": 1},
            "source_type": "APP/PROC/WEB",
            "instance_index": 0,
            "grace_ms": 1,
        });
        serde_json::from_value(spec).expect("a launch spec")
    }

    /// A worker starts a run while everything is being stopped: it is refused, or the run is told
    /// to stop. What is started is never polled here, so nothing runs.
    #[test]
    fn nothing_starts_behind_a_newer_generation() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let _inside = runtime.enter();
        let (observations, _kept) = mpsc::channel(1);
        let dir = tempfile::tempdir().expect("a temporary directory");
        let settings = ProcessDriverSettings {
            data_dir: dir.path().to_owned(),
            shim: ShimCommand {
                program: "/nonexistent".into(),
                args: Vec::new(),
            },
        };
        let driver = runtime
            .block_on(ProcessDriver::open(settings, observations))
            .expect("a driver");
        let inner = &driver.inner;
        let mut refused = 0;
        for round in 0..ROUNDS {
            let name = format!("r{round}");
            let start = EnsureRuns {
                app: name.clone(),
                generation: 1,
                start: vec![spec(&name, inner.run_dir(&name))],
                ..EnsureRuns::default()
            };
            let stop_all = EnsureRuns {
                app: name.clone(),
                generation: u64::MAX,
                ..EnsureRuns::default()
            };
            let both = Barrier::new(2);
            let started = std::thread::scope(|scope| {
                let worker = scope.spawn(|| {
                    let _inside = runtime.handle().enter();
                    both.wait();
                    inner.ensure(start)
                });
                both.wait();
                inner.ensure(stop_all).expect("the newest wish is taken");
                worker.join().expect("no panic")
            });
            let runs = inner.runs();
            match (started, runs.get(&name)) {
                (Ok(()), Some(run)) => assert!(run.stop.borrow().is_some(), "round {round}"),
                (Err(DriverError::StaleGeneration { .. }), None) => refused += 1,
                (started, run) => panic!("round {round}: {started:?}, {run:?}"),
            }
        }
        println!("{refused} of {ROUNDS} starts were refused");
    }
}
