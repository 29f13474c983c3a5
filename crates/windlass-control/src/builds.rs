//! Staging runs: how one is started, and what is taken in when it has ended.

mod fetching;
mod source;
mod waiting;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use windlass_engine::app::AppState;
use windlass_engine::build::{Build, BuildOutcome};
use windlass_engine::id::{AppId, BuildId, ComponentName, ReleaseId, TaskId};
use windlass_engine::instance::{ExitReason, RunExit};
use windlass_engine::limits::BUILD_GRACE_MS;
use windlass_engine::records::{
    AppRecord, Artifact, ArtifactState, BuildCancel, BuildRecord, BuildRecordState, Metadata,
    Stamps,
};
use windlass_runtime::{Command, LaunchSpec, ProcessSpec, RunKind};
use windlass_store::{ReleaseRow, TaskRow, Tx};

use crate::blobs::Digest;
use crate::build_events::build_ended;
use crate::clock;
use crate::control::{Control, put_audit};
use crate::error::Error;
use crate::launch::{Common, Run, limits};
use crate::run_name::RunName;
use crate::staging::{
    BuildOutputPlan, CollectError, FailureId, SitePlan, StagedDroplet, StagingRequest, collect,
    fetched_commit, prepare,
};

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
        let row = row.ok_or_else(missing)?;
        let settings = &row.settings;
        let mut buildpacks = row.buildpacks.clone();
        buildpacks.extend(settings.environment.clone());
        let variables = if row.component.is_some() {
            settings.env.clone()
        } else {
            let mut variables = state.configuration.env.clone();
            variables.extend(settings.env.clone());
            variables
        };
        let run_dir = self.run_dir(&name.to_string());
        let request = StagingRequest {
            source: self.staging_source(build, &row, &run_dir)?,
            cache: self.build_cache(&cache_key(&record.id, row.component.as_ref()))?,
            buildpacks,
            env_names: variables.keys().cloned().collect(),
            owner: self.owner(&record.id)?,
            build_command: settings.build_command.clone(),
            site: settings.static_site.then(|| SitePlan {
                output_dir: settings.output_dir.clone(),
            }),
            build_output: build_output(&row),
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
        if let Some(fetch) = plan.fetch.filter(|fetch| fetch.ssh.is_some()) {
            self.offer_ssh(&fetch.url, &directories, self.owner(&record.id)?)?;
        }
        let run = Run {
            memory_mb: build.memory_mb,
            sidecar_memory_mb: 0,
            disk_mb: build.disk_mb,
            instance: None,
        };
        let mut env: BTreeMap<String, String> =
            self.environment(record, &variables, &BTreeMap::new(), &directories, &run)?;
        env.insert("CF_STACK".to_owned(), STACK.to_owned());
        if let Some(command) = &settings.build_command {
            env.insert("WINDLASS_BUILD_COMMAND".to_owned(), command.clone());
        }
        let program = windlass_runtime::program_path().map_err(Error::internal)?;
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
        self.spec(common, vec![process])
    }

    /// Forgets what stagings of an app kept for the next one. A staging that runs now leaves its
    /// own all the same.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn clear_build_cache(&self, app: &AppId) -> Result<(), Error> {
        let key = cache_key(app, None);
        self.write(move |tx| {
            tx.delete_meta(&key)?;
            Ok(tx.delete_meta_below(&format!("{key}/"))?)
        })
        .await
    }

    /// The cache under a key of [`cache_key`].
    pub(crate) fn build_cache(&self, key: &str) -> Result<Option<Digest>, Error> {
        let text: Option<String> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.meta(key)?))?;
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
            ExitReason::Exited => match (self.collect(name).await, &build) {
                (Ok(droplet), Some(build)) => self.unpack_staged(&state, build, droplet).await,
                (collected, _) => collected,
            },
            ExitReason::OutOfMemory
            | ExitReason::OutOfDisk
            | ExitReason::StartTimeout
            | ExitReason::Liveness
            | ExitReason::TimeLimit
            | ExitReason::Stopped
            | ExitReason::LaunchFailed
            | ExitReason::Lost => Err(failed(failure_id(exit.reason), exit.describe())),
        };
        let commit = self.fetched_commit(&row, name).await;
        let (outcome, artifact) = match (staged, build) {
            (Ok(droplet), Some(build)) => (
                BuildOutcome::Built,
                Some(artifact_record(&row, &build, &droplet, commit.clone())),
            ),
            (Ok(_), None) => (BuildOutcome::Canceled, None),
            (Err(outcome), _) => (outcome, None),
        };
        let cache = artifact.as_ref().and_then(|(_, cache)| *cache);
        let artifact = artifact.map(|(artifact, _)| artifact);
        let (build_id, wall) = (id.clone(), clock::wall());
        let component = row.component.clone();
        self.end_build(
            &app.clone(),
            id,
            run,
            Some(outcome),
            move |tx, committed| {
                if let Some(cache) = cache {
                    let key = cache_key(&app, component.as_ref());
                    tx.put_meta(&key, &cache.to_string())?;
                }
                note_commit(tx, &build_id, commit)?;
                settle_record(tx, &build_id, &committed.state, artifact, wall)
            },
        )
        .await
    }

    /// The commit that a run of a build from git has fetched.
    async fn fetched_commit(&self, row: &BuildRecord, run: &str) -> Option<String> {
        row.git.as_ref()?;
        let run_dir = self.run_dir(run);
        tokio::task::spawn_blocking(move || fetched_commit(&run_dir))
            .await
            .ok()
            .flatten()
    }

    /// Files that the router is to serve are there before anything says that they are built.
    async fn unpack_staged(
        &self,
        state: &AppState,
        build: &Build,
        droplet: StagedDroplet,
    ) -> Result<StagedDroplet, BuildOutcome> {
        let unpacked = self.unpack_built(state, &build.artifact, droplet.digest);
        match unpacked.await {
            Ok(()) => Ok(droplet),
            Err(error) => Err(failed("StagingError", error.to_string())),
        }
    }

    /// What a run left; else how its build ends.
    async fn collect(&self, run: &str) -> Result<StagedDroplet, BuildOutcome> {
        let (blobs, run_dir) = (self.blobs().clone(), self.run_dir(run));
        match tokio::task::spawn_blocking(move || collect(&blobs, &run_dir)).await {
            Ok(Ok(droplet)) => Ok(droplet),
            Ok(Err(CollectError::Failed(failure))) if failure.id == FailureId::NothingToBuild => {
                Err(BuildOutcome::Skipped {
                    text: failure.message,
                })
            }
            Ok(Err(CollectError::Failed(failure))) => {
                Err(failed(failure.id.as_str(), failure.message))
            }
            Ok(Err(error)) => Err(failed("StagingError", error.to_string())),
            Err(error) => Err(failed("StagingError", error.to_string())),
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

fn build_output(row: &BuildRecord) -> Option<BuildOutputPlan> {
    let settings = &row.settings;
    Some(BuildOutputPlan {
        root: settings.source_dir.clone(),
        output_dir: settings.output_dir.clone(),
        settings: settings.build_output.clone()?,
    })
}

/// Beginning of the names of all rows that hold a build cache.
pub(crate) const CACHES: &str = "build_cache/";

/// Name of the row that holds the build cache of an app or of one of its components.
pub(crate) fn cache_key(app: &AppId, component: Option<&ComponentName>) -> String {
    match component {
        None => format!("{CACHES}{app}"),
        Some(component) => format!("{CACHES}{app}/{component}"),
    }
}

fn failed(id: &str, text: String) -> BuildOutcome {
    BuildOutcome::Failed {
        id: id.to_owned(),
        text,
    }
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
    commit: Option<String>,
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
        commit,
        metadata: Metadata::default(),
        stamps: Stamps::default(),
    };
    (artifact, droplet.cache)
}

/// A build knows its commit as soon as its run has told.
fn note_commit(tx: &mut Tx<'_>, id: &BuildId, commit: Option<String>) -> Result<(), Error> {
    let (Some(commit), Some(mut row)) = (commit, tx.get::<BuildRecord>(id)?) else {
        return Ok(());
    };
    if let Some(git) = &mut row.git {
        git.commit = Some(commit);
        tx.put(&row)?;
    }
    Ok(())
}

/// A build knows when it got its slot. One that begins with its creation has no record yet.
pub(crate) fn note_begin(
    tx: &mut Tx<'_>,
    id: &BuildId,
    wall: windlass_engine::time::Timestamp,
) -> Result<(), Error> {
    if let Some(mut row) = tx.get::<BuildRecord>(id)? {
        row.began_at.get_or_insert(wall);
        tx.put(&row)?;
    }
    Ok(())
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
        BuildOutcome::Skipped { text } => BuildRecordState::Skipped {
            reason: text.clone(),
        },
        BuildOutcome::Canceled => BuildRecordState::Canceled,
        BuildOutcome::Superseded => {
            let newer = build.canceled_by.as_deref().unwrap_or_default();
            row.canceled.get_or_insert(BuildCancel {
                by: "windlass".to_owned(),
                client: None,
                reason: Some(format!("a newer one of its branch took its place: {newer}")),
                at: wall,
            });
            BuildRecordState::Canceled
        }
    };
    row.stamps.updated_at = wall;
    tx.put(&row)?;
    let events = build_ended(tx, &row)?;
    put_audit(tx, events)
}
