//! Staging runs: how one is started, and what is taken in when it has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::json;
use windlass_engine::app::AppState;
use windlass_engine::build::{Build, BuildOutcome, BuildSource};
use windlass_engine::configuration::Configuration;
use windlass_engine::id::{AppId, BuildId, ReleaseId, TaskId};
use windlass_engine::instance::{ExitReason, RunExit};
use windlass_engine::limits::BUILD_GRACE_MS;
use windlass_engine::records::{
    AppRecord, Artifact, ArtifactState, BuildRecord, BuildRecordState, Metadata, Package, Stamps,
};
use windlass_runtime::{Command, LaunchSpec, ProcessSpec, RunKind};
use windlass_store::{Column, Filter, ReleaseRow, TaskRow, Tx};

use crate::archive::ArchiveLimits;
use crate::blobs::Digest;
use crate::clock;
use crate::control::Control;
use crate::error::Error;
use crate::launch::{Common, Run, limits};
use crate::run_name::RunName;
use crate::staging::{CollectError, StagedDroplet, StagingRequest, collect, prepare};

/// Stack that applications are told.
pub(crate) const STACK: &str = "cflinuxfs4";

impl Control {
    pub(crate) async fn build_spec(
        &self,
        state: &AppState,
        record: &AppRecord,
        id: &BuildId,
        name: &RunName,
    ) -> Result<LaunchSpec, Error> {
        let missing = || Error::NotFound { what: "build" };
        let build = state
            .builds
            .iter()
            .find(|build| build.id == *id)
            .ok_or_else(missing)?;
        let row: Option<BuildRecord> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(id)?))?;
        let buildpacks = row.map(|row| row.buildpacks).unwrap_or_default();
        let run_dir = self.run_dir(&name.to_string());
        let request = StagingRequest {
            package: self.package_digest(build)?,
            cache: self.build_cache(&record.id)?,
            buildpacks,
            env_names: state.configuration.env.keys().cloned().collect(),
            owner: self.owner(&record.id)?,
            limits: ArchiveLimits::PACKAGE,
        };
        let plan = {
            let (blobs, packs) = (self.blobs().clone(), self.buildpacks().clone());
            let run_dir = run_dir.clone();
            tokio::task::spawn_blocking(move || prepare(&blobs, &packs, &request, &run_dir))
                .await
                .map_err(Error::internal)?
                .map_err(|error| Error::Conflict(error.to_string()))?
        };
        let directories = plan.directories();
        let configuration = Configuration {
            env: state.configuration.env.clone(),
            ..Configuration::default()
        };
        let run = Run {
            memory_mb: build.memory_mb,
            sidecar_memory_mb: 0,
            disk_mb: build.disk_mb,
            instance: None,
        };
        let mut env: BTreeMap<String, String> =
            self.environment(record, &configuration, &directories, &run)?;
        env.insert("CF_STACK".to_owned(), STACK.to_owned());
        let program = std::env::current_exe().map_err(Error::internal)?;
        let process = ProcessSpec {
            name: "staging".to_owned(),
            command: Command::Argv(vec![
                program.display().to_string(),
                "stage".to_owned(),
                "--plan".to_owned(),
                directories.plan_file.display().to_string(),
            ]),
            env,
            working_dir: PathBuf::new(),
            memory_mb: None,
        };
        let mut limits = limits(build.memory_mb, build.disk_mb, None);
        limits.time_limit_ms = Some(self.settings().build_time_limit_ms);
        let common = Common {
            record,
            name,
            generation: state.plan_generation.0,
            kind: RunKind::Build,
            index: 0,
            source_type: "STG".to_owned(),
            grace_ms: BUILD_GRACE_MS,
            limits,
        };
        let mut spec = self.spec(common, vec![process])?;
        spec.readable.push(program);
        Ok(spec)
    }

    fn package_digest(&self, build: &Build) -> Result<Digest, Error> {
        let BuildSource::Package(package) = &build.source else {
            return Err(Error::Conflict(
                "building from git is not there yet".to_owned(),
            ));
        };
        let package: Package = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(package)?))?
            .ok_or(Error::NotFound { what: "package" })?;
        package
            .blob
            .as_deref()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::Conflict("the package has no content".to_owned()))
    }

    /// Forgets what stagings of an app kept for the next one. A staging that runs now leaves its
    /// own all the same.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn clear_build_cache(&self, app: &AppId) -> Result<(), Error> {
        let key = cache_key(app);
        self.write(move |tx| Ok(tx.delete_meta(&key)?)).await
    }

    pub(crate) fn build_cache(&self, app: &AppId) -> Result<Option<Digest>, Error> {
        let text: Option<String> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.meta(&cache_key(app))?))?;
        let digest: Option<Digest> = text.and_then(|text| text.parse().ok());
        Ok(digest.filter(|digest| self.blobs().contains(digest)))
    }

    /// A staging run is over: what it made becomes an artifact, in the commit that ends the build.
    pub(crate) async fn build_run_ended(
        &self,
        id: &BuildId,
        run: u32,
        name: &str,
        exit: &RunExit,
    ) -> Result<(), Error> {
        let row: BuildRecord = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(id)?))?
            .ok_or(Error::NotFound { what: "build" })?;
        let state = self
            .state(&row.app)?
            .ok_or(Error::NotFound { what: "app" })?;
        let build = state.builds.iter().find(|build| build.id == *id).cloned();
        if build.as_ref().is_none_or(Build::is_finished) {
            // Taken in before; its files may be on their way out.
            return Ok(());
        }
        let app = row.app.clone();
        if exit.reason == ExitReason::Lost {
            let (id, wall) = (id.clone(), clock::wall());
            return self
                .end_build(&app, &id.clone(), run, None, move |tx, committed| {
                    settle_record(tx, &id, &committed.state, None, wall)
                })
                .await;
        }
        let staged = match exit.reason {
            ExitReason::Exited => self.collect(name).await,
            ExitReason::OutOfMemory
            | ExitReason::OutOfDisk
            | ExitReason::StartTimeout
            | ExitReason::Liveness
            | ExitReason::TimeLimit
            | ExitReason::Stopped
            | ExitReason::LaunchFailed
            | ExitReason::Lost => Err((failure_id(exit.reason).to_owned(), exit.describe())),
        };
        let (outcome, artifact) = match (staged, build) {
            (Ok(droplet), Some(build)) => (
                BuildOutcome::Built,
                Some(artifact_record(&row, &build, &droplet)),
            ),
            (Ok(_), None) => (BuildOutcome::Canceled, None),
            (Err((id, text)), _) => (BuildOutcome::Failed { id, text }, None),
        };
        let cache = artifact.as_ref().and_then(|(_, cache)| *cache);
        let artifact = artifact.map(|(artifact, _)| artifact);
        let (build_id, wall) = (id.clone(), clock::wall());
        self.end_build(
            &app.clone(),
            id,
            run,
            Some(outcome),
            move |tx, committed| {
                if let Some(cache) = cache {
                    tx.put_meta(&cache_key(&app), &cache.to_string())?;
                }
                settle_record(tx, &build_id, &committed.state, artifact, wall)
            },
        )
        .await
    }

    async fn collect(&self, run: &str) -> Result<StagedDroplet, (String, String)> {
        let (blobs, run_dir) = (self.blobs().clone(), self.run_dir(run));
        match tokio::task::spawn_blocking(move || collect(&blobs, &run_dir)).await {
            Ok(Ok(droplet)) => Ok(droplet),
            Ok(Err(CollectError::Failed(failure))) => {
                Err((failure.id.as_str().to_owned(), failure.message))
            }
            Ok(Err(error)) => Err(("StagingError".to_owned(), error.to_string())),
            Err(error) => Err(("StagingError".to_owned(), error.to_string())),
        }
    }

    /// Looks again at every app whose build waits for a slot.
    pub(crate) async fn wake_waiting_builds(&self) {
        let open = self.store().read(|reader| {
            let staging = Filter::is(Column::State, "staging");
            Ok::<_, Error>(reader.all::<BuildRecord>(vec![staging])?)
        });
        let apps: BTreeSet<AppId> = match open {
            Ok(open) => open.into_iter().map(|build| build.app).collect(),
            Err(error) => {
                tracing::warn!("waiting builds were not looked at: {error}");
                return;
            }
        };
        for app in apps {
            match self.tick(&app).await {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => {
                    tracing::warn!(app.id = %app, "a waiting build was not looked at: {error}");
                }
            }
        }
    }

    pub(crate) fn app_of_task(&self, id: &TaskId) -> Result<AppId, Error> {
        let row: Option<TaskRow> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(id)?))?;
        row.map(|row| row.app)
            .ok_or(Error::NotFound { what: "task" })
    }

    pub(crate) fn app_of_release(&self, id: &ReleaseId) -> Result<AppId, Error> {
        let row: Option<ReleaseRow> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(id)?))?;
        row.map(|row| row.app)
            .ok_or(Error::NotFound { what: "deployment" })
    }
}

pub(crate) fn cache_key(app: &AppId) -> String {
    format!("build_cache/{app}")
}

fn failure_id(reason: ExitReason) -> &'static str {
    match reason {
        ExitReason::TimeLimit => "StagingTimeExpired",
        ExitReason::OutOfMemory | ExitReason::OutOfDisk => "InsufficientResources",
        ExitReason::Exited
        | ExitReason::StartTimeout
        | ExitReason::Liveness
        | ExitReason::Stopped
        | ExitReason::LaunchFailed
        | ExitReason::Lost => "StagingError",
    }
}

fn artifact_record(
    row: &BuildRecord,
    build: &Build,
    droplet: &StagedDroplet,
) -> (Artifact, Option<Digest>) {
    let buildpacks = droplet
        .result
        .buildpacks
        .iter()
        .map(|pack| {
            json!({
                "name": pack.name,
                "detect_output": droplet.result.detect_output,
                "version": pack.version,
                "buildpack_name": pack.buildpack_name,
            })
        })
        .collect();
    let artifact = Artifact {
        id: build.artifact.clone(),
        app: row.app.clone(),
        package: row.package.clone(),
        build: Some(row.id.clone()),
        state: ArtifactState::Staged,
        blob: Some(droplet.digest.to_string()),
        size_bytes: droplet.size_bytes,
        process_types: droplet.result.process_types.clone(),
        buildpacks,
        stack: Some(STACK.to_owned()),
        execution_metadata: droplet.result.execution_metadata.clone(),
        commit: None,
        metadata: Metadata::default(),
        stamps: Stamps::default(),
    };
    (artifact, droplet.cache)
}

/// Writes the record of a build as the engine has decided, and its artifact if it has one.
pub(crate) fn settle_record(
    tx: &mut Tx<'_>,
    id: &BuildId,
    state: &AppState,
    artifact: Option<Artifact>,
    wall: windlass_engine::time::Timestamp,
) -> Result<(), Error> {
    use windlass_engine::build::BuildState;
    let Some(mut row) = tx.get::<BuildRecord>(id)? else {
        return Ok(());
    };
    let Some(build) = state.builds.iter().find(|build| build.id == *id) else {
        return Ok(());
    };
    let BuildState::Finished { outcome } = &build.state else {
        return Ok(());
    };
    if row.state != BuildRecordState::Staging {
        return Ok(());
    }
    row.state = match outcome {
        BuildOutcome::Built => match artifact {
            Some(mut artifact) => {
                artifact.stamps = Stamps {
                    created_at: wall,
                    updated_at: wall,
                    created_commit: tx.commit_number(),
                };
                let id = artifact.id.clone();
                tx.put(&artifact)?;
                BuildRecordState::Staged { artifact: id }
            }
            None => BuildRecordState::Failed {
                error: "StagingError - no droplet".to_owned(),
            },
        },
        BuildOutcome::Failed { id, text } => BuildRecordState::Failed {
            error: format!("{id} - {text}"),
        },
        BuildOutcome::Canceled | BuildOutcome::Superseded => BuildRecordState::Canceled,
    };
    row.stamps.updated_at = wall;
    tx.put(&row)?;
    Ok(())
}
