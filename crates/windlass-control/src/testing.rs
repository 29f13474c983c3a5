//! A driver that runs nothing, for tests and load tests of everything above the driver.
//!
//! It answers at once, keeps what it was told to run, and lets a test decide what becomes healthy
//! and what ends. Store, engine, router link and APIs are the real ones.

mod git_server;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use windlass_engine::build::BuildOutcome;
use windlass_engine::id::BuildId;
use windlass_engine::records::{Artifact, ArtifactState, Metadata, Stamps};
use windlass_runtime::{
    BoxFuture, Driver, DriverError, EnsureRuns, Exit, ExitReason, Observation, PortCheck, RunPhase,
    RunStatus, Usage,
};
use windlass_store::{OpenOptions, Store};

use crate::builds::settle_record;
use crate::control::{Control, Parts};
use crate::error::Error;
use crate::secrets::Secrets;
use crate::settings::ControlSettings;
pub use git_server::{GitServer, Repository, git};

/// Observations that may wait.
const QUEUE: usize = 65_536;

/// A driver that runs nothing.
#[derive(Debug)]
pub struct TestDriver {
    runs: Mutex<Runs>,
    observations: mpsc::Sender<Observation>,
}

#[derive(Debug)]
struct Runs {
    known: BTreeMap<String, RunStatus>,
    /// Names of the runs of each app.
    by_app: BTreeMap<String, BTreeSet<String>>,
    generations: BTreeMap<String, u64>,
    healthy: bool,
}

impl Runs {
    fn insert(&mut self, status: RunStatus) {
        let of_app = self.by_app.entry(status.app.clone()).or_default();
        of_app.insert(status.run.clone());
        self.known.insert(status.run.clone(), status);
    }

    fn remove(&mut self, run: &str) {
        if let Some(status) = self.known.remove(run)
            && let Some(of_app) = self.by_app.get_mut(&status.app)
        {
            of_app.remove(run);
        }
    }

    fn of_app(&self, app: &str) -> impl Iterator<Item = &RunStatus> {
        let names = self.by_app.get(app).into_iter().flatten();
        names.filter_map(|run| self.known.get(run))
    }
}

impl TestDriver {
    /// A driver and the channel of its observations. What it starts is healthy at once.
    pub fn new() -> (Arc<Self>, mpsc::Receiver<Observation>) {
        let (observations, receiver) = mpsc::channel(QUEUE);
        (Arc::new(Self::telling(observations)), receiver)
    }

    /// A driver whose observations go into this channel. What it starts is healthy at once.
    pub fn telling(observations: mpsc::Sender<Observation>) -> Self {
        let runs = Runs {
            known: BTreeMap::new(),
            by_app: BTreeMap::new(),
            generations: BTreeMap::new(),
            healthy: true,
        };
        Self {
            runs: Mutex::new(runs),
            observations,
        }
    }

    /// Whether what it starts from now on becomes healthy.
    pub fn set_healthy(&self, healthy: bool) {
        self.lock().healthy = healthy;
    }

    /// Makes it know a run from before.
    pub fn adopt(&self, status: RunStatus) {
        self.lock().insert(status);
    }

    /// Whether it knows a run, ended or not.
    pub fn knows(&self, run: &str) -> bool {
        self.lock().known.contains_key(run)
    }

    /// Names of the runs that run.
    pub fn running(&self) -> Vec<String> {
        let runs = self.lock();
        let live = runs
            .known
            .values()
            .filter(|status| status.phase != RunPhase::Ended);
        live.map(|status| status.run.clone()).collect()
    }

    /// Makes a run healthy, or not.
    pub fn set_routable(&self, run: &str, routable: bool) {
        if let Some(status) = self.lock().known.get_mut(run) {
            status.phase = RunPhase::Running;
            status.routable = routable;
        }
        self.tell(Observation::Routable {
            run: run.to_owned(),
            routable,
        });
    }

    /// Ends a run by itself with an exit code.
    pub fn exit(&self, run: &str, code: i32) {
        self.end(
            run,
            Exit {
                code: Some(code),
                ..exit(ExitReason::Exited)
            },
        );
    }

    fn end(&self, run: &str, exit: Exit) {
        if let Some(status) = self.lock().known.get_mut(run) {
            if status.phase == RunPhase::Ended {
                return;
            }
            status.phase = RunPhase::Ended;
            status.routable = false;
            status.exit = Some(exit.clone());
        }
        self.tell(Observation::Exited {
            run: run.to_owned(),
            exit,
        });
    }

    fn tell(&self, observation: Observation) {
        // Dropped when full, as by the real driver: a resync tells it again.
        let _ = self.observations.try_send(observation);
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, spec: &windlass_runtime::LaunchSpec) {
        let healthy = {
            let mut runs = self.lock();
            if runs.known.contains_key(&spec.run) {
                return;
            }
            let healthy = runs.healthy;
            let status = RunStatus {
                app: spec.app.clone(),
                run: spec.run.clone(),
                kind: spec.kind,
                generation: spec.generation,
                phase: if healthy {
                    RunPhase::Running
                } else {
                    RunPhase::Starting
                },
                routable: healthy,
                pid: Some(1),
                started_at_ms: Some(0),
                port: spec.port,
                port_check: PortCheck::None,
                log_number: spec.log_number,
                exit: None,
            };
            runs.insert(status);
            healthy
        };
        self.tell(Observation::Started {
            run: spec.run.clone(),
            pid: Some(1),
            at_ms: 0,
        });
        if healthy {
            self.tell(Observation::Routable {
                run: spec.run.clone(),
                routable: true,
            });
        }
    }
}

fn exit(reason: ExitReason) -> Exit {
    Exit {
        code: None,
        signal: None,
        reason,
        process: None,
        at_ms: 0,
    }
}

impl Driver for TestDriver {
    fn ensure(&self, desired: EnsureRuns) -> BoxFuture<'_, Result<(), DriverError>> {
        Box::pin(async move {
            {
                let mut runs = self.lock();
                let seen = runs.generations.entry(desired.app.clone()).or_default();
                if desired.generation < *seen {
                    return Err(DriverError::StaleGeneration {
                        app: desired.app,
                        asked: desired.generation,
                        seen: *seen,
                    });
                }
                *seen = desired.generation;
            }
            for spec in &desired.start {
                self.start(spec);
            }
            let stop: Vec<String> = {
                let runs = self.lock();
                runs.of_app(&desired.app)
                    .map(|status| status.run.clone())
                    .filter(|run| {
                        !desired.keep.contains(run)
                            && !desired.start.iter().any(|spec| spec.run == *run)
                    })
                    .collect()
            };
            for run in stop {
                self.end(&run, exit(ExitReason::Stopped));
            }
            for stop in &desired.stop {
                if !self.lock().known.contains_key(&stop.run) {
                    self.tell(Observation::Lost {
                        run: stop.run.clone(),
                    });
                }
            }
            Ok(())
        })
    }

    fn observe(&self) -> BoxFuture<'_, Vec<RunStatus>> {
        Box::pin(async move { self.lock().known.values().cloned().collect() })
    }

    fn observe_app<'a>(&'a self, app: &'a str) -> BoxFuture<'a, Vec<RunStatus>> {
        Box::pin(async move {
            let runs = self.lock();
            runs.of_app(app).cloned().collect()
        })
    }

    fn resync(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let known: Vec<RunStatus> = self.lock().known.values().cloned().collect();
            for status in known {
                let run = status.run;
                self.tell(match status.exit {
                    Some(exit) => Observation::Exited { run, exit },
                    None => Observation::Routable {
                        run,
                        routable: status.routable,
                    },
                });
            }
        })
    }

    fn usage<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Usage>> {
        Box::pin(async move { self.lock().known.contains_key(run).then(Usage::default) })
    }

    fn exit_on_disk<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Exit>> {
        Box::pin(async move { self.lock().known.get(run).and_then(|s| s.exit.clone()) })
    }

    fn forget<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<(), DriverError>> {
        Box::pin(async move {
            self.lock().remove(run);
            Ok(())
        })
    }
}

/// Has control take in what a driver tells, at once.
pub async fn take_in(control: &Control, told: Observation) {
    control.take_in(told).await;
}

/// Opens control over a directory with a [`TestDriver`].
///
/// # Errors
/// As [`Control::open`].
pub async fn open(dir: &Path) -> Result<(Control, Arc<TestDriver>), Error> {
    open_with(ControlSettings::local(dir), |_| {}).await
}

/// The same with other settings, and with a driver that `prepare` has told what it has.
///
/// # Errors
/// As [`Control::open`].
pub async fn open_with(
    settings: ControlSettings,
    prepare: impl FnOnce(&TestDriver),
) -> Result<(Control, Arc<TestDriver>), Error> {
    let dir = settings.data_dir.clone();
    let store = Store::open(dir.join("windlass.db"), OpenOptions::default())?;
    let secrets = Secrets::new([("test".to_owned(), [7u8; 32])]).map_err(Error::internal)?;
    let (driver, observations) = TestDriver::new();
    prepare(&driver);
    let socket = dir.join("router.sock");
    let _ = std::fs::remove_file(&socket);
    let parts = Parts {
        store,
        secrets,
        boot_id: "test".to_owned(),
        driver: driver.clone(),
        observations,
        router_listener: UnixListener::bind(socket).map_err(Error::internal)?,
        table_path: dir.join("routes.table"),
        issuer: "https://localhost/oauth/token".to_owned(),
    };
    Ok((Control::open(settings, parts).await?, driver))
}

/// Ends a build as if its run had: with an artifact that runs, or without.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Internal`].
pub async fn end_build(control: &Control, id: &BuildId, built: bool) -> Result<(), Error> {
    let outcome = if built {
        BuildOutcome::Built
    } else {
        BuildOutcome::Failed {
            id: "StagingError".to_owned(),
            text: "the build command ended with status 1".to_owned(),
        }
    };
    end_build_as(control, id, outcome).await
}

/// Ends a build with this outcome.
///
/// # Errors
/// As [`end_build`].
pub async fn end_build_as(
    control: &Control,
    id: &BuildId,
    outcome: BuildOutcome,
) -> Result<(), Error> {
    let row = control
        .find_build(id)?
        .ok_or(Error::NotFound { what: "build" })?;
    let state = control
        .state(&row.app)?
        .ok_or(Error::NotFound { what: "app" })?;
    let build = state
        .builds
        .iter()
        .find(|build| build.id == *id)
        .ok_or(Error::NotFound { what: "build" })?
        .clone();
    let artifact = if outcome == BuildOutcome::Built {
        let blob = control
            .blobs()
            .put(&empty_droplet().map_err(Error::internal)?)
            .map_err(Error::internal)?;
        let artifact = Artifact {
            id: build.artifact.clone(),
            app: row.app.clone(),
            package: None,
            build: Some(id.clone()),
            state: ArtifactState::Staged,
            blob: Some(blob.digest.to_string()),
            size_bytes: blob.size_bytes,
            process_types: BTreeMap::from([("web".to_owned(), "./serve".to_owned())]),
            buildpacks: Vec::new(),
            stack: None,
            execution_metadata: String::new(),
            commit: row.git.and_then(|git| git.commit),
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        Some(artifact)
    } else {
        None
    };
    let (own, wall) = (id.clone(), crate::clock::wall());
    control
        .end_build(&row.app, id, build.run, Some(outcome), move |tx, done| {
            settle_record(tx, &own, &done.state, artifact, wall)
        })
        .await
}

/// A droplet with a program that ends at once.
fn empty_droplet() -> std::io::Result<Vec<u8>> {
    let gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let content = b"#!/bin/sh\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    tar.append_data(&mut header, "app/serve", content.as_slice())?;
    tar.into_inner()?.finish()
}
