//! Where a deployment stands, in the words of the wire.

use std::collections::BTreeSet;

use windlass_control::history::ReleaseRecord;
use windlass_engine::app::AppState;
use windlass_engine::build::{BuildOutcome, BuildState};
use windlass_engine::id::BuildId;
use windlass_engine::records::{BuildRecord, BuildRecordState};
use windlass_engine::release::{FailureReason, Outcome};
use windlass_engine::strategy::Strategy;

use super::detail::Detail;
use crate::rolling_releases::rollout::{self, Rollout};

/// The state of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadyState {
    /// Waits for a slot.
    Queued,
    /// Its source is being fetched.
    Initializing,
    /// Is being built.
    Building,
    /// Answers under its host.
    Ready,
    /// Did not come to be.
    Error,
    /// Was canceled.
    Canceled,
}

impl ReadyState {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Queued,
        Self::Initializing,
        Self::Building,
        Self::Ready,
        Self::Error,
        Self::Canceled,
    ];

    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Initializing => "INITIALIZING",
            Self::Building => "BUILDING",
            Self::Ready => "READY",
            Self::Error => "ERROR",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether nothing more comes of its build.
    pub(crate) fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Initializing | Self::Building => false,
            Self::Ready | Self::Error | Self::Canceled => true,
        }
    }

    /// That of a deployment. A cancel counts from its commit on. `fetching` are the builds whose
    /// source is not there yet.
    pub(crate) fn of(
        record: &BuildRecord,
        app: Option<&AppState>,
        fetching: &BTreeSet<BuildId>,
    ) -> Self {
        if record.canceled.is_some() {
            return Self::Canceled;
        }
        match &record.state {
            BuildRecordState::Staged { .. } => return Self::Ready,
            BuildRecordState::Failed { .. } => return Self::Error,
            BuildRecordState::Skipped { .. } | BuildRecordState::Canceled => return Self::Canceled,
            BuildRecordState::Staging => {}
        }
        let mut builds = app.iter().flat_map(|app| &app.builds);
        match builds
            .find(|build| build.id == record.id)
            .map(|build| &build.state)
        {
            Some(BuildState::Queued) => Self::Queued,
            Some(BuildState::Canceling { outcome } | BuildState::Finished { outcome }) => {
                match outcome {
                    BuildOutcome::Built => Self::Building,
                    BuildOutcome::Failed { .. } => Self::Error,
                    BuildOutcome::Skipped { .. }
                    | BuildOutcome::Canceled
                    | BuildOutcome::Superseded => Self::Canceled,
                }
            }
            Some(BuildState::Running) if fetching.contains(&record.id) => Self::Initializing,
            // `None`: the record was read before the commit that ended it.
            Some(BuildState::Running) | None => Self::Building,
        }
    }
}

/// The words of a failed build, whose record has an identifier in front: `Identifier - words`.
pub(crate) fn failure_words(error: &str) -> &str {
    match error.split_once(" - ") {
        Some((id, words)) if !id.contains(' ') => words,
        Some(_) | None => error,
    }
}

/// How far a deployment that is ready has come with the production hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Traffic {
    /// Never had any.
    Staged,
    /// Is getting it by stages.
    Rolling,
    /// Has it, or had it.
    Promoted,
}

impl Traffic {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Rolling => "ROLLING",
            Self::Promoted => "PROMOTED",
        }
    }

    /// That of a deployment. `releases` are those of its project to its version.
    pub(crate) fn of(detail: &Detail, app: Option<&AppState>, releases: &[ReleaseRecord]) -> Self {
        let own = || {
            releases
                .iter()
                .filter(|it| it.release.target == detail.revision)
        };
        let is_rolling = |it: &ReleaseRecord| {
            Rollout::of(it).is_some_and(|rollout| rollout.state() == rollout::State::Active)
        };
        if own().any(is_rolling) {
            return Self::Rolling;
        }
        let runs = app.is_some_and(|app| app.base.as_ref() == Some(&detail.revision));
        let ran = own().any(|it| matches!(it.release.outcome(), Some(Outcome::Deployed)));
        if runs || ran {
            Self::Promoted
        } else {
            Self::Staged
        }
    }
}

/// Whether the hosts that a deployment shall have lead to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aliases {
    /// It has none yet.
    Awaited,
    /// They do, or none of them is left to be given: clients need not wait.
    Assigned,
    /// They were kept from it.
    Refused {
        /// Word for programs.
        code: &'static str,
        /// Words for people.
        message: &'static str,
    },
}

impl Aliases {
    /// Those of a deployment in this state.
    pub(crate) fn of(ready: ReadyState, detail: &Detail, releases: &[ReleaseRecord]) -> Self {
        if ready != ReadyState::Ready {
            return Self::Awaited;
        }
        let own = releases
            .iter()
            .find(|it| Some(&it.release.id) == detail.release.as_ref());
        let Some(own) = own else {
            // It wanted none, or a newer deployment has them already.
            return Self::Assigned;
        };
        match own.release.outcome() {
            Some(Outcome::Deployed | Outcome::Superseded { .. }) => Self::Assigned,
            Some(Outcome::Canceled(_)) => Self::Refused {
                code: "canceled",
                message: "The assignment of the aliases was canceled",
            },
            Some(Outcome::Failed(FailureReason::Check)) => Self::Refused {
                code: "checks_failed",
                message: "The aliases were not assigned: a check of the deployment failed",
            },
            Some(Outcome::Failed(_)) => Self::Refused {
                code: "failed",
                message: "The aliases were not assigned: the release failed",
            },
            // It gets its visitors by and by, unless checks hold back the first of them.
            None if matches!(own.release.strategy, Strategy::Stages(_))
                && !own.release.is_held_by_checks() =>
            {
                Self::Assigned
            }
            None => Self::Awaited,
        }
    }
}
