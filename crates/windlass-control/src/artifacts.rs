//! Artifacts that are not built here: uploaded ones and copies.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, ArtifactId, OperationId, RevisionId};
use windlass_engine::records::{
    Actor, AppRecord, Artifact, ArtifactState, Metadata, OperationState,
};

use crate::archive::{ArchiveError, ExtractOptions, extract_tar_gz};
use crate::commands::apps::live_app;
use crate::commit::{read_state, write};
use crate::control::Control;
use crate::error::Error;
use crate::packages::{StoredBits, app_subject, blob_error, now_by, uploads_dir};
use crate::tenancy::{put_event, put_operation};

/// Most that is read of the note that a staging leaves in an artifact, bytes.
const STAGING_INFO_BYTES: u64 = 64 * 1024;

impl Control {
    /// Creates an artifact that waits for its upload.
    ///
    /// # Errors
    /// [`Error::NotFound`] without the app.
    pub async fn create_artifact(
        &self,
        actor: &Actor,
        app: &AppId,
        process_types: BTreeMap<String, String>,
    ) -> Result<Artifact, Error> {
        let (by, app) = (now_by(actor), app.clone());
        write(self.store(), move |tx| {
            let record = live_app(tx, &app)?;
            let artifact = Artifact {
                id: new_id(),
                app,
                package: None,
                build: None,
                state: ArtifactState::AwaitingUpload,
                blob: None,
                size_bytes: 0,
                process_types,
                buildpacks: Vec::new(),
                stack: None,
                execution_metadata: String::new(),
                commit: None,
                metadata: Metadata::default(),
                stamps: by.stamps(tx),
            };
            tx.put(&artifact)?;
            let data = json!({"droplet_guid": artifact.id});
            put_event(
                tx,
                &by,
                "audit.app.droplet.create",
                app_subject(&record),
                data,
            )?;
            Ok(artifact)
        })
        .await
    }

    /// Creates an artifact with the content of another one, which may be another app's.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when the source can't run.
    pub async fn copy_artifact(
        &self,
        actor: &Actor,
        source: &ArtifactId,
        app: &AppId,
    ) -> Result<Artifact, Error> {
        let (by, source, app) = (now_by(actor), source.clone(), app.clone());
        write(self.store(), move |tx| {
            let record = live_app(tx, &app)?;
            let source = tx
                .get::<Artifact>(&source)?
                .ok_or(Error::NotFound { what: "droplet" })?;
            if source.state != ArtifactState::Staged {
                return Err(Error::Conflict(
                    "the source droplet is not staged".to_owned(),
                ));
            }
            let artifact = Artifact {
                id: new_id(),
                app,
                package: None,
                build: None,
                metadata: Metadata::default(),
                stamps: by.stamps(tx),
                ..source
            };
            tx.put(&artifact)?;
            let data = json!({"droplet_guid": artifact.id});
            put_event(
                tx,
                &by,
                "audit.app.droplet.create",
                app_subject(&record),
                data,
            )?;
            Ok(artifact)
        })
        .await
    }

    /// Checks an uploaded artifact (a tar.gz with a directory `app`) and makes it ready to run.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] when it was uploaded already; [`Error::Invalid`]
    /// when it can't be used.
    pub async fn finish_artifact(
        &self,
        actor: &Actor,
        id: &ArtifactId,
        bits: StoredBits,
    ) -> Result<(Artifact, OperationId), Error> {
        let control = self.clone();
        let start_command = tokio::task::spawn_blocking(move || check_artifact(&control, bits))
            .await
            .map_err(Error::internal)??;
        let (by, id) = (now_by(actor), id.clone());
        write(self.store(), move |tx| {
            let mut artifact = tx
                .get::<Artifact>(&id)?
                .ok_or(Error::NotFound { what: "droplet" })?;
            if artifact.state != ArtifactState::AwaitingUpload {
                return Err(Error::Conflict("the droplet has been uploaded".to_owned()));
            }
            let record = live_app(tx, &artifact.app)?;
            artifact.state = ArtifactState::Staged;
            artifact.blob = Some(bits.digest.to_string());
            artifact.size_bytes = bits.size_bytes;
            artifact.stamps.updated_at = by.at;
            if let Some(command) = start_command {
                let web = artifact.process_types.get_mut("web");
                if let Some(web) = web.filter(|web| web.is_empty()) {
                    *web = command;
                }
            }
            tx.put(&artifact)?;
            let data = json!({"droplet_guid": artifact.id});
            put_event(
                tx,
                &by,
                "audit.app.droplet.upload",
                app_subject(&record),
                data,
            )?;
            let done = OperationState::Complete;
            let operation = put_operation(tx, &by, "droplet.upload", id.as_str(), done)?;
            Ok((artifact, operation))
        })
        .await
    }

    /// Deletes an artifact. What a release, a base or the app itself still needs is kept.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Conflict`] while it is needed.
    pub async fn delete_artifact(
        &self,
        actor: &Actor,
        id: &ArtifactId,
    ) -> Result<OperationId, Error> {
        let (by, id) = (now_by(actor), id.clone());
        write(self.store(), move |tx| {
            let artifact = tx
                .get::<Artifact>(&id)?
                .ok_or(Error::NotFound { what: "droplet" })?;
            if let Some(row) = tx.app_state(&artifact.app)? {
                let state = read_state(&row)?;
                let is_current = state.configuration.artifact.as_ref() == Some(&id);
                let is_needed = state.revisions.values().any(|revision| {
                    revision.configuration.artifact.as_ref() == Some(&id)
                        && is_needed(&state, &revision.id)
                });
                let is_run =
                    (state.tasks.iter()).any(|task| !task.is_finished() && task.artifact == id);
                if is_current || is_needed || is_run {
                    return Err(Error::Conflict(
                        "the droplet is currently used and cannot be deleted".to_owned(),
                    ));
                }
            }
            tx.delete::<Artifact>(&id)?;
            if let Some(record) = tx.get::<AppRecord>(&artifact.app)? {
                let data = json!({"droplet_guid": id});
                put_event(
                    tx,
                    &by,
                    "audit.app.droplet.delete",
                    app_subject(&record),
                    data,
                )?;
            }
            let done = OperationState::Complete;
            Ok(put_operation(tx, &by, "droplet.delete", id.as_str(), done)?)
        })
        .await
    }
}

/// Whether a revision may still run. The state forgets what is over only with its next change, so
/// that it is there says nothing.
fn is_needed(state: &AppState, revision: &RevisionId) -> bool {
    state.base.as_ref() == Some(revision)
        || state.published.contains_key(revision)
        || state.has_instances_of(revision)
        || state.releases.iter().any(|release| {
            !release.is_finalized()
                && (release.target == *revision || release.base.as_ref() == Some(revision))
        })
}

fn new_id() -> ArtifactId {
    ArtifactId::new(uuid::Uuid::new_v4().to_string())
}

/// Unpacks an upload once, within all limits of archives, and throws the result away.
/// Gives the start command that the artifact itself names, if it does.
fn check_artifact(control: &Control, bits: StoredBits) -> Result<Option<String>, Error> {
    let scratch = uploads_dir(control.data_dir())?;
    let directory = tempfile::Builder::new()
        .prefix("droplet-")
        .tempdir_in(scratch)
        .map_err(Error::internal)?;
    let file = control
        .blobs()
        .open_verified(&bits.digest)
        .map_err(blob_error)?;
    extract_tar_gz(
        file,
        bits.size_bytes,
        directory.path(),
        ExtractOptions::default(),
    )
    .map_err(archive_error)?;
    if directory.path().join("app").is_dir() {
        return Ok(start_command(directory.path()));
    }
    Err(Error::Invalid {
        field: "bits".to_owned(),
        reason: "the archive has no directory named app".to_owned(),
    })
}

/// What the staging noted beside the app. A note that can't be read is none.
fn start_command(directory: &Path) -> Option<String> {
    let path = directory.join("staging_info.yml");
    if !std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(STAGING_INFO_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    let info: StagingInfo = serde_saphyr::from_str(&text).ok()?;
    info.start_command.filter(|command| !command.is_empty())
}

#[derive(Debug, Deserialize)]
struct StagingInfo {
    start_command: Option<String>,
}

fn archive_error(error: ArchiveError) -> Error {
    if error.is_refusal() {
        Error::Invalid {
            field: "bits".to_owned(),
            reason: error.to_string(),
        }
    } else {
        Error::internal(error)
    }
}
