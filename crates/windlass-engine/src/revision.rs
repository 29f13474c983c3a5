//! Revisions: immutable snapshots of a whole configuration.

use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::id::{CommitNumber, ReleaseId, RevisionId};

/// What instances run. Never changes after it was made. A release that waits for its build names
/// the artifact which that build will make.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// Its id.
    pub id: RevisionId,
    /// The snapshot.
    pub configuration: Configuration,
    /// The release that introduced its processes: inherited by a restart in place, so that a
    /// dialect can name processes alike. `None` = the app's first start.
    pub lineage: Option<ReleaseId>,
    /// Commit that made it.
    pub created_commit: CommitNumber,
}
