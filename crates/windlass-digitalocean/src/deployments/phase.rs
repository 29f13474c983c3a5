//! The phase of a deployment: one word for where a release stands.

use windlass_control::history::{Marks, ReleaseRecord};
use windlass_engine::release::{Outcome, Release, ReleaseState};

/// What clients read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Waits for its turn or for a build slot.
    PendingBuild,
    /// Something of it is being built.
    Building,
    /// Everything is built; nothing of it was started yet.
    PendingDeploy,
    /// Its jobs and instances run beside the old ones.
    Deploying,
    /// It serves.
    Active,
    /// A newer one took its place: before it began, or after it served.
    Superseded,
    /// It failed.
    Error,
    /// Somebody canceled it.
    Canceled,
}

impl Phase {
    /// The word of the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PendingBuild => "PENDING_BUILD",
            Self::Building => "BUILDING",
            Self::PendingDeploy => "PENDING_DEPLOY",
            Self::Deploying => "DEPLOYING",
            Self::Active => "ACTIVE",
            Self::Superseded => "SUPERSEDED",
            Self::Error => "ERROR",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether it can still change into another than SUPERSEDED.
    pub(crate) fn is_open(self) -> bool {
        match self {
            Self::PendingBuild | Self::Building | Self::PendingDeploy | Self::Deploying => true,
            Self::Active | Self::Superseded | Self::Error | Self::Canceled => false,
        }
    }

    /// The phase of a release. `serves` says whether it is the newest of its app that was
    /// deployed.
    pub(crate) fn of(record: &ReleaseRecord, serves: bool) -> Self {
        let Release { state, .. } = &record.release;
        let Marks {
            building_at,
            started_at,
            ..
        } = record.marks;
        match state {
            ReleaseState::Pending => Self::PendingBuild,
            ReleaseState::Building if building_at.is_none() => Self::PendingBuild,
            ReleaseState::Building => Self::Building,
            ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. }
                if started_at.is_none() =>
            {
                Self::PendingDeploy
            }
            ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. } => Self::Deploying,
            // The outcome is fixed: clients see it from the commit on.
            ReleaseState::Restoring { outcome } | ReleaseState::Finalized { outcome } => {
                match outcome {
                    Outcome::Deployed if serves => Self::Active,
                    Outcome::Deployed | Outcome::Superseded { .. } => Self::Superseded,
                    Outcome::Canceled(_) => Self::Canceled,
                    Outcome::Failed(_) => Self::Error,
                }
            }
        }
    }
}
