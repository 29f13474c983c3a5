//! From the plan to a launch spec: files, environment, limits, checks of one run.

mod database_url;
mod environment;
mod instance;
mod job;
mod on_demand;
mod task;

use std::path::PathBuf;

pub(crate) use environment::Run;
use uuid::Uuid;
use windlass_engine::app::AppState;
use windlass_engine::configuration::{
    Configuration, HealthCheck as EngineCheck, HealthKind as EngineKind,
};
use windlass_engine::id::{AppId, ArtifactId, InstanceId};
use windlass_engine::instance::{ExitReason, RunExit};
use windlass_engine::records::{AppRecord, Artifact};
use windlass_runtime::{
    HealthCheck, HealthKind, LaunchSpec, Limits, LogLimits, PROTOCOL, Patience, ProcessSpec,
    ReadinessCheck, RunKind,
};

use crate::archive::Owner;
use crate::blobs::Digest;
use crate::clock;
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;
use crate::staging::WorkDirectories;

/// Start-up limit of a health check without one of its own, milliseconds.
const START_TIMEOUT_MS: u64 = 60_000;
/// Limit of a single check, milliseconds.
const INVOCATION_TIMEOUT_MS: u64 = 1_000;
/// Pause between checks, milliseconds.
const INTERVAL_MS: u64 = 30_000;
/// Pause between readiness checks, milliseconds: they decide about traffic.
const READINESS_INTERVAL_MS: u64 = 2_000;
/// Processes and threads of one run.
const PIDS: u64 = 4_096;

/// Name space of ids that are derived from others.
const DERIVED: Uuid = Uuid::from_u128(0x7769_6e64_6c61_7373_0000_0000_0000_0001);

/// Guid of an instance as the app and clients see it: another one for each start.
pub fn instance_guid(app: &AppId, instance: InstanceId, run: u32) -> String {
    Uuid::new_v5(&DERIVED, format!("{app}/{instance}/{run}").as_bytes()).to_string()
}

/// What every run has in common.
pub(crate) struct Common<'a> {
    pub(crate) record: &'a AppRecord,
    pub(crate) name: &'a RunName,
    pub(crate) generation: u64,
    pub(crate) kind: RunKind,
    pub(crate) index: u32,
    pub(crate) source_type: String,
    pub(crate) grace_ms: u64,
    pub(crate) limits: Limits,
}

impl Control {
    /// Prepares the files of a run and says how to start it.
    pub(crate) async fn launch_spec(
        &self,
        state: &AppState,
        name: &RunName,
    ) -> Result<LaunchSpec, Error> {
        let record = self.app_record(&state.app)?;
        match name {
            RunName::Instance { instance, .. } => {
                self.instance_spec(state, &record, *instance, name).await
            }
            RunName::Task(task) => self.task_spec(state, &record, task, name).await,
            RunName::Build { build, .. } => self.build_spec(state, &record, build, name).await,
            RunName::Job { release, component } => {
                self.job_spec(state, &record, release, component, name)
                    .await
            }
        }
    }

    /// A run that can't even be prepared counts as one that could not be started.
    pub(crate) async fn launch_failed(&self, app: &AppId, name: &RunName, error: &Error) {
        tracing::warn!(app.id = %app, run = %name, "a run could not be prepared: {error}");
        let exit = RunExit {
            detail: Some(error.to_string()),
            ..RunExit::new(ExitReason::LaunchFailed)
        };
        if let Err(error) = self.run_ended(name, exit).await {
            tracing::warn!(run = %name, "its failure was not taken in: {error}");
        }
    }

    /// The record of an app.
    pub(crate) fn app_record(&self, app: &AppId) -> Result<AppRecord, Error> {
        self.store()
            .read(|reader| Ok::<_, Error>(reader.get::<AppRecord>(app)?))?
            .ok_or(Error::NotFound { what: "app" })
    }

    fn artifact(&self, id: &ArtifactId) -> Result<Artifact, Error> {
        self.store()
            .read(|reader| Ok::<_, Error>(reader.get::<Artifact>(id)?))?
            .ok_or(Error::NotFound { what: "artifact" })
    }

    /// Lays out the working directory of a run from an artifact.
    async fn lay_out(
        &self,
        app: &AppId,
        artifact: &Artifact,
        run_dir: PathBuf,
    ) -> Result<WorkDirectories, Error> {
        let digest: Digest = artifact
            .blob
            .as_deref()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::Conflict("the artifact has no blob".to_owned()))?;
        let owner = self.owner(app)?;
        let droplets = self.droplets().clone();
        tokio::task::spawn_blocking(move || droplets.lay_out(&digest, &run_dir, owner))
            .await
            .map_err(Error::internal)?
            .map_err(|error| Error::Conflict(format!("the artifact can't be unpacked: {error}")))
    }

    /// The user that an app's files and processes belong to, where that means is in use.
    pub(crate) fn owner(&self, app: &AppId) -> Result<Option<Owner>, Error> {
        if !self.settings().isolation.uid {
            return Ok(None);
        }
        let uid = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.uid(app)?))?;
        let uid = uid.ok_or_else(|| Error::Unavailable("no user id is left".to_owned()))?;
        Ok(Some(Owner { uid, gid: uid }))
    }

    /// A spec with all that runs have in common.
    pub(crate) fn spec(
        &self,
        common: Common<'_>,
        processes: Vec<ProcessSpec>,
    ) -> Result<LaunchSpec, Error> {
        let run = common.name.to_string();
        let app = &common.record.id;
        let mut token = [0u8; 16];
        let mut readable = self.runtimes().readable;
        readable.push(windlass_runtime::program_path().map_err(Error::internal)?);
        getrandom::fill(&mut token).map_err(Error::internal)?;
        Ok(LaunchSpec {
            protocol: PROTOCOL,
            app: app.to_string(),
            kind: common.kind,
            generation: common.generation,
            token: hex::encode(token),
            run_dir: self.run_dir(&run),
            log_dir: self.app_logs_dir(app).join(&run),
            run,
            processes,
            limits: common.limits,
            isolation: self.settings().isolation,
            uid: self.owner(app)?.map(|owner| owner.uid),
            uid_exclusive: false,
            readable,
            writable: Vec::new(),
            port: None,
            health: HealthCheck::process(),
            readiness: ReadinessCheck::always(),
            log: LogLimits {
                bytes_per_file: self.settings().log_file_bytes,
                files: u64::from(self.settings().log_files),
            },
            source_type: common.source_type,
            instance_index: common.index,
            log_number: 0,
            grace_ms: common.grace_ms,
        })
    }

    /// The port of a run. It has one since its commit, unless none was left then.
    async fn port_of(&self, app: &AppId, run: &str) -> Result<u16, Error> {
        let leased = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.port_of(run)?))?;
        if let Some(port) = leased {
            return Ok(port);
        }
        let (app, run) = (app.clone(), run.to_owned());
        let range = self.settings().port_range.clone();
        self.write(move |tx| Ok(tx.lease_port(&app, &run, range, clock::uptime())?))
            .await?
            .ok_or_else(|| Error::Unavailable("no port is left for an instance".to_owned()))
    }
}

pub(crate) fn limits(memory_mb: u64, disk_mb: u64, log_bytes_per_second: Option<u64>) -> Limits {
    Limits {
        memory_mb: Some(memory_mb),
        disk_mb: Some(disk_mb),
        pids: Some(PIDS),
        log_bytes_per_second,
        time_limit_ms: None,
    }
}

fn kind(check: &EngineCheck) -> HealthKind {
    match &check.kind {
        EngineKind::Process => HealthKind::Process,
        EngineKind::Port => HealthKind::Port,
        EngineKind::Http { endpoint } => HealthKind::Http {
            path: endpoint.clone(),
            takes_redirects: check.takes_redirects,
        },
    }
}

fn health(check: &EngineCheck) -> HealthCheck {
    let ms = |secs: Option<u64>, default_ms: u64| {
        secs.map_or(default_ms, |secs| secs.saturating_mul(1_000))
    };
    HealthCheck {
        kind: kind(check),
        start_timeout_ms: ms(check.start_timeout_secs, START_TIMEOUT_MS),
        invocation_timeout_ms: ms(check.invocation_timeout_secs, INVOCATION_TIMEOUT_MS),
        interval_ms: ms(check.interval_secs, INTERVAL_MS),
        patience: patience(check),
    }
}

fn readiness(check: &EngineCheck) -> ReadinessCheck {
    let ms = |secs: Option<u64>, default_ms: u64| {
        secs.map_or(default_ms, |secs| secs.saturating_mul(1_000))
    };
    ReadinessCheck {
        kind: kind(check),
        invocation_timeout_ms: ms(check.invocation_timeout_secs, INVOCATION_TIMEOUT_MS),
        interval_ms: ms(check.interval_secs, READINESS_INTERVAL_MS),
        patience: patience(check),
    }
}

fn patience(check: &EngineCheck) -> Patience {
    let default = Patience::default();
    Patience {
        initial_delay_ms: check
            .initial_delay_secs
            .map_or(default.initial_delay_ms, |secs| secs.saturating_mul(1_000)),
        successes: check.success_threshold.unwrap_or(default.successes),
        failures: check.failure_threshold.unwrap_or(default.failures),
        port: check.port,
    }
}

/// The configuration that a run uses.
fn artifact_of<'a>(
    configuration: &'a Configuration,
    component: &windlass_engine::id::ComponentName,
) -> Result<&'a ArtifactId, Error> {
    configuration
        .artifact_of(component)
        .ok_or_else(|| Error::Conflict("the revision has no artifact".to_owned()))
}
