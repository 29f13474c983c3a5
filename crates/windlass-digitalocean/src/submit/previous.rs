//! What the components of an app ran before: builds that may be used again.

use std::collections::BTreeMap;

use windlass_control::history::ReleaseRecord;
use windlass_engine::id::ArtifactId;
use windlass_engine::records::{ArtifactState, BuildRecord, BuildRecordState};

use crate::document::Detail;
use crate::error::ApiResult;
use crate::server::DoState;

/// What a component ran.
#[derive(Debug, Clone)]
pub(crate) struct Previous {
    /// How it was built.
    pub(crate) build: BuildRecord,
    /// What that made, while it is still there.
    pub(crate) artifact: Option<ArtifactId>,
}

impl Previous {
    /// The commit that it was built from.
    pub(crate) fn commit(&self) -> Option<&str> {
        self.build.git.as_ref()?.commit.as_deref()
    }
}

/// By name: what serves first, then what newer deployments have built or are building.
pub(crate) fn components(
    state: &DoState,
    newest: &[ReleaseRecord],
    active: Option<&ReleaseRecord>,
) -> ApiResult<BTreeMap<String, Previous>> {
    let mut found = BTreeMap::new();
    for record in active.into_iter().chain(newest.iter()) {
        let Some(detail) = Detail::of(record) else {
            continue;
        };
        for component in detail.components {
            if found.contains_key(&component.name) {
                continue;
            }
            let Some(id) = &component.build else { continue };
            let Some(build) = state.control.find_build(id)? else {
                continue;
            };
            let artifact = match &build.state {
                BuildRecordState::Staged { artifact } => state
                    .control
                    .find_artifact(artifact)?
                    .filter(|artifact| artifact.state == ArtifactState::Staged)
                    .map(|artifact| artifact.id),
                BuildRecordState::Staging
                | BuildRecordState::Failed { .. }
                | BuildRecordState::Skipped { .. }
                | BuildRecordState::Canceled => None,
            };
            found.insert(component.name, Previous { build, artifact });
        }
    }
    Ok(found)
}
