//! Legal refusals of the engine. They carry what won, so that a dialect can say it in its words.

use thiserror::Error;

use crate::build::BuildState;
use crate::id::{BuildId, ComponentName, ReleaseId, RevisionId, TaskId};
use crate::release::ReleaseState;
use crate::task::TaskState;

/// Why an input is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The app is deleted.
    #[error("the app is deleted")]
    AppDeleted,
    /// The release is unknown here (or long over).
    #[error("release {0} is not known to the engine any more")]
    UnknownRelease(ReleaseId),
    /// The release is over.
    #[error("the release is over ({}), it can't be canceled", outcome_word(.state))]
    NotCancelable {
        /// Where it stands.
        state: ReleaseState,
    },
    /// The release is not paused.
    #[error("the release is not paused, it can't be continued")]
    NotContinuable {
        /// Where it stands.
        state: ReleaseState,
    },
    /// The task is unknown here (or long over).
    #[error("task {0} is not known to the engine any more")]
    UnknownTask(TaskId),
    /// The task is over.
    #[error("the task is over, it can't be canceled")]
    TaskNotCancelable {
        /// Where it stands.
        state: TaskState,
    },
    /// The build is unknown here (or long over).
    #[error("build {0} is not known to the engine any more")]
    UnknownBuild(BuildId),
    /// The build is over.
    #[error("the build is over, it can't be canceled")]
    BuildNotCancelable {
        /// Where it stands.
        state: BuildState,
    },
    /// The version is unknown here.
    #[error("version {0} is not known to the engine")]
    UnknownRevision(RevisionId),
    /// A build that a release shall wait for is unknown here, or is over without an artifact.
    #[error("build {0} can't be waited for: it is over, or was never there")]
    NotAwaitable(BuildId),
    /// Not while a release is in flight.
    #[error("a release is in flight; wait for it or cancel it")]
    ReleaseInFlight {
        /// What was asked for.
        what: InFlightConflict,
    },
    /// The app has no artifact to run.
    #[error("the app has no artifact")]
    NoArtifact,
    /// The component is unknown.
    #[error("component {0} does not exist")]
    UnknownComponent(ComponentName),
    /// The instance is unknown.
    #[error("the instance does not exist")]
    UnknownInstance,
    /// A limit of the organization.
    #[error("{what} quota of the organization exceeded")]
    QuotaExceeded {
        /// Which limit.
        what: QuotaKind,
    },
    /// A limit of the engine.
    #[error("{what} must be at most {limit}")]
    LimitExceeded {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// The outcome that won.
fn outcome_word(state: &ReleaseState) -> &'static str {
    match state {
        ReleaseState::Restoring { outcome } | ReleaseState::Finalized { outcome } => {
            outcome.as_str()
        }
        ReleaseState::Pending
        | ReleaseState::Building
        | ReleaseState::RollingOut { .. }
        | ReleaseState::Paused { .. } => "not yet over",
    }
}

/// What conflicts with a release in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InFlightConflict {
    /// Scaling a routed component.
    Scale,
    /// Changing a routed component.
    UpdateComponent,
    /// Assigning the artifact.
    AssignArtifact,
    /// Taking away the version that a cancel would restore.
    WithdrawBase,
    /// Another release that is not to wait for its turn.
    Release,
}

/// Which limit of an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaKind {
    /// Memory.
    Memory,
    /// Instances.
    Instances,
    /// Tasks.
    Tasks,
}

impl std::fmt::Display for QuotaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Instances => "instance",
            Self::Tasks => "task",
        })
    }
}
