//! Builds: source to artifact.

use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::id::{ArtifactId, BuildId, CommitNumber, PackageId, ReleaseId, RevisionId};
use crate::release::Deadline;
use crate::strategy::Strategy;
use crate::time::Timestamp;

/// A build. Several releases may wait for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// What it builds.
    pub source: BuildSource,
    /// The artifact that it will make.
    pub artifact: ArtifactId,
    /// Memory, MiB.
    pub memory_mb: u64,
    /// Disk, MiB.
    pub disk_mb: u64,
    /// Where it stands.
    pub state: BuildState,
    /// Number of its current run, from 1.
    pub run: u32,
    /// Whether it was started again after its run was lost; that happens once.
    pub restarted: bool,
    /// When it ends for lack of output.
    pub deadline: Deadline,
    /// Whether it belongs to releases only: then it ends with the last that waits for it.
    pub for_releases: bool,
    /// Whether, while it is queued, a newer one of its branch that gives way too takes its place.
    #[serde(default)]
    pub gives_way: bool,
    /// Who canceled it, and why.
    pub canceled_by: Option<String>,
    /// Creation, wall.
    pub created_at: Timestamp,
    /// Last change, wall.
    pub updated_at: Timestamp,
    /// Commit that created it: older queued ones go first.
    pub created_commit: CommitNumber,
    /// What its success does, in the same commit.
    #[serde(default)]
    pub on_built: Option<OnBuilt>,
}

/// What the success of a build does: its version is published and, where asked for, released.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OnBuilt {
    /// Id of the version.
    pub revision: RevisionId,
    /// What it runs; the artifact is filled in when it is there.
    pub configuration: Box<Configuration>,
    /// The release that moves the app to it.
    #[serde(default)]
    pub release: Option<OnBuiltRelease>,
}

/// A release that the success of a build opens, unless the app runs a newer version by then.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OnBuiltRelease {
    /// Its id.
    pub release: ReleaseId,
    /// How it proceeds. Where nothing runs yet it is instant.
    pub strategy: Strategy,
    /// Checks that hold it back.
    #[serde(default)]
    pub checks: AwaitedChecks,
}

/// Checks that hold back the release of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AwaitedChecks {
    /// There are none.
    #[default]
    None,
    /// They have not concluded.
    Awaited,
    /// They have.
    Concluded {
        /// Whether well.
        succeeded: bool,
    },
}

/// What a build builds.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildSource {
    /// Uploaded source.
    Package(PackageId),
    /// A commit of a git repository.
    Git {
        /// Address.
        url: String,
        /// Branch.
        branch: String,
        /// Commit, once it is known.
        commit: Option<String>,
    },
}

/// Where a build stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildState {
    /// Waits for a slot.
    Queued,
    /// Wanted or running.
    Running,
    /// Its tree is being ended; the slot is free when it is gone.
    Canceling {
        /// What it will be.
        outcome: BuildOutcome,
    },
    /// Over.
    Finished {
        /// How.
        outcome: BuildOutcome,
    },
}

/// How a build ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildOutcome {
    /// The artifact is there.
    Built,
    /// It is not: why.
    Failed {
        /// Short identifier, as dialects show it.
        id: String,
        /// Words for people.
        text: String,
    },
    /// Its source says that there is nothing to build: why.
    Skipped {
        /// Words for people.
        text: String,
    },
    /// A user canceled it, or nobody waits for it any more.
    Canceled,
    /// A newer build of its branch took its place in the queue.
    Superseded,
}

impl Build {
    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, BuildState::Finished { .. })
    }

    /// Whether it holds a slot.
    pub fn holds_slot(&self) -> bool {
        matches!(
            self.state,
            BuildState::Running | BuildState::Canceling { .. }
        )
    }
}
