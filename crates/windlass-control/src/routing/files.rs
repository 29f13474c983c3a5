//! Files of static components: unpacked before a table names them, so that the router can serve
//! them without anybody else.

use std::collections::BTreeSet;
use std::path::PathBuf;

use windlass_engine::app::AppState;
use windlass_engine::configuration::{ComponentRole, Configuration};
use windlass_engine::id::{ArtifactId, ComponentName, RevisionId};
use windlass_engine::records::Artifact;
use windlass_router::TargetKind;

use crate::blobs::Digest;
use crate::control::Control;
use crate::error::Error;

/// Document of a directory, unless the component names another.
const INDEX: &str = "index.html";

impl Control {
    /// What the router serves for a static version; `None` = its artifact has no content (any
    /// more).
    pub(super) fn static_target(
        &self,
        state: &AppState,
        revision: &RevisionId,
        component: &ComponentName,
    ) -> Result<Option<TargetKind>, Error> {
        let Some(root) = self.files_of(state, revision, component)? else {
            return Ok(None);
        };
        let config = state
            .revisions
            .get(revision)
            .and_then(|revision| revision.configuration.components.get(component));
        let Some(config) = config else {
            return Ok(None);
        };
        let documents = &config.documents;
        Ok(Some(TargetKind::Static {
            root,
            index: documents.index.clone().unwrap_or_else(|| INDEX.to_owned()),
            fallback: documents.catch_all.clone(),
            not_found: documents.error.clone(),
        }))
    }

    /// The unpacked files of a version; `None` = its artifact has no content (any more).
    pub(super) fn files_of(
        &self,
        state: &AppState,
        revision: &RevisionId,
        component: &ComponentName,
    ) -> Result<Option<PathBuf>, Error> {
        let artifact = state
            .revisions
            .get(revision)
            .and_then(|revision| revision.configuration.artifact_of(component));
        let Some(artifact) = artifact else {
            return Ok(None);
        };
        let digest = self.digest_of(artifact)?;
        Ok(digest.map(|digest| self.droplets().files_of(&digest)))
    }

    fn digest_of(&self, artifact: &ArtifactId) -> Result<Option<Digest>, Error> {
        let row: Option<Artifact> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(artifact)?))?;
        Ok(row
            .and_then(|row| row.blob)
            .and_then(|text| text.parse().ok()))
    }

    /// Unpacks the files of static components that are built already. What is there stays.
    ///
    /// # Errors
    /// [`Error::Conflict`] when an artifact can't be unpacked.
    pub(crate) async fn unpack_files(&self, configuration: &Configuration) -> Result<(), Error> {
        for artifact in static_artifacts(configuration) {
            if let Some(digest) = self.digest_of(&artifact)? {
                self.unpack(digest).await?;
            }
        }
        Ok(())
    }

    /// The same for everything that a state may serve.
    pub(crate) async fn unpack_files_of(&self, state: &AppState) -> Result<(), Error> {
        for revision in state.revisions.values() {
            self.unpack_files(&revision.configuration).await?;
        }
        Ok(())
    }

    /// Unpacks what was just built, if a static component waits for it.
    pub(crate) async fn unpack_built(
        &self,
        state: &AppState,
        artifact: &ArtifactId,
        digest: Digest,
    ) -> Result<(), Error> {
        let revisions = state.revisions.values();
        let is_awaited = state
            .builds
            .iter()
            .any(|build| build.artifact == *artifact && build.on_built.is_some())
            || revisions
                .map(|revision| &revision.configuration)
                .any(|configuration| static_artifacts(configuration).contains(artifact));
        if is_awaited {
            self.unpack(digest).await?;
        }
        Ok(())
    }

    async fn unpack(&self, digest: Digest) -> Result<(), Error> {
        if self.droplets().has_files(&digest) {
            return Ok(());
        }
        let droplets = self.droplets().clone();
        tokio::task::spawn_blocking(move || droplets.unpack(&digest))
            .await
            .map_err(Error::internal)?
            .map_err(|error| Error::Conflict(format!("the artifact can't be unpacked: {error}")))
    }
}

fn static_artifacts(configuration: &Configuration) -> BTreeSet<ArtifactId> {
    configuration
        .components
        .iter()
        .filter(|(_, config)| {
            matches!(config.role, ComponentRole::Static | ComponentRole::OnDemand)
        })
        .filter_map(|(name, _)| configuration.artifact_of(name).cloned())
        .collect()
}
