//! The words of a deployment: what the wire calls each state of a release.

use windlass_engine::release::{Outcome, Release, ReleaseState};
use windlass_engine::strategy::{Gate, Strategy};

/// What `states=` filters by. It is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HiddenState {
    /// Moves to the end.
    Deploying,
    /// Moves to a step that pauses.
    Prepaused,
    /// Waits for a continue.
    Paused,
    /// Is being put back.
    Canceling,
    /// Over; its version was on the way to stay.
    Deployed,
    /// Over; its version was not.
    Canceled,
}

impl HiddenState {
    /// The word of the filter. Rows have it from control; a test keeps both the same.
    #[cfg(test)]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deploying => "DEPLOYING",
            Self::Prepaused => "PREPAUSED",
            Self::Paused => "PAUSED",
            Self::Canceling => "CANCELING",
            Self::Deployed => "DEPLOYED",
            Self::Canceled => "CANCELED",
        }
    }
}

/// All words of one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// `states=`.
    pub(crate) state: HiddenState,
    /// `status.value`.
    pub(crate) value: &'static str,
    /// `status.reason`.
    pub(crate) reason: &'static str,
    /// Whether a cancel is accepted.
    pub(crate) can_cancel: bool,
    /// Whether a continue is accepted.
    pub(crate) can_continue: bool,
}

const fn active(state: HiddenState, reason: &'static str, can_continue: bool) -> Words {
    Words {
        state,
        value: "ACTIVE",
        reason,
        can_cancel: true,
        can_continue,
    }
}

const fn finalized(state: HiddenState, reason: &'static str) -> Words {
    Words {
        state,
        value: "FINALIZED",
        reason,
        can_cancel: false,
        can_continue: false,
    }
}

/// The words of a state. `pauses` says whether the step that it moves to ends with a pause.
///
/// What was failed by a deadline, a job or its deletion is put back and shown like a cancel: the
/// wire has no other word for it, and `status.details` says why.
pub(crate) fn words(state: &ReleaseState, pauses: bool) -> Words {
    match state {
        ReleaseState::RollingOut { .. } if pauses => {
            active(HiddenState::Prepaused, "DEPLOYING", false)
        }
        ReleaseState::Pending | ReleaseState::Building | ReleaseState::RollingOut { .. } => {
            active(HiddenState::Deploying, "DEPLOYING", false)
        }
        ReleaseState::Paused { .. } => active(HiddenState::Paused, "PAUSED", true),
        ReleaseState::Restoring { outcome } => match outcome {
            Outcome::Canceled(_)
            | Outcome::Failed(_)
            | Outcome::Deployed
            | Outcome::Superseded { .. } => active(HiddenState::Canceling, "CANCELING", false),
        },
        ReleaseState::Finalized { outcome } => match outcome {
            Outcome::Deployed => finalized(HiddenState::Deployed, "DEPLOYED"),
            Outcome::Canceled(_) | Outcome::Failed(_) => {
                finalized(HiddenState::Canceled, "CANCELED")
            }
            Outcome::Superseded {
                while_paused: false,
            } => finalized(HiddenState::Deployed, "SUPERSEDED"),
            Outcome::Superseded { while_paused: true } => {
                finalized(HiddenState::Canceled, "SUPERSEDED")
            }
        },
    }
}

/// The words of a release.
pub(crate) fn of(release: &Release) -> Words {
    let pauses = release.step().is_some_and(|step| step.gate == Gate::Manual);
    words(&release.state, pauses)
}

/// The word of a strategy.
pub(crate) fn strategy(strategy: &Strategy) -> &'static str {
    match strategy {
        // No deployment of this API is any of the others; rolling is the nearest word.
        Strategy::Rolling { .. }
        | Strategy::BlueGreen
        | Strategy::Instant
        | Strategy::Stages(_) => "rolling",
        Strategy::Canary { .. } => "canary",
        Strategy::Recreate => "recreate",
    }
}

#[cfg(test)]
mod tests {
    use windlass_engine::release::{CancelCause, FailureReason};

    use super::*;

    /// Every state of the engine in the words of the wire, as one table.
    #[test]
    fn the_whole_table() {
        let outcomes = [
            ("deployed", Outcome::Deployed),
            ("canceled by a user", Outcome::Canceled(CancelCause::User)),
            (
                "canceled by deletion",
                Outcome::Canceled(CancelCause::Deleted),
            ),
            (
                "superseded",
                Outcome::Superseded {
                    while_paused: false,
                },
            ),
            (
                "superseded at a pause",
                Outcome::Superseded { while_paused: true },
            ),
            (
                "failed by deadline",
                Outcome::Failed(FailureReason::Deadline),
            ),
            (
                "failed by job",
                Outcome::Failed(FailureReason::Job {
                    component: "j".into(),
                }),
            ),
            ("failed by check", Outcome::Failed(FailureReason::Check)),
            ("failed by build", Outcome::Failed(FailureReason::Build)),
        ];
        let mut states = vec![
            ("pending".to_owned(), ReleaseState::Pending, false),
            ("building".to_owned(), ReleaseState::Building, false),
            (
                "rolling out".to_owned(),
                ReleaseState::RollingOut { step: 0 },
                false,
            ),
            (
                "rolling out to a pause".to_owned(),
                ReleaseState::RollingOut { step: 0 },
                true,
            ),
            ("paused".to_owned(), ReleaseState::Paused { step: 0 }, true),
        ];
        for (name, outcome) in outcomes.clone() {
            let state = ReleaseState::Restoring { outcome };
            states.push((format!("restoring, {name}"), state, false));
        }
        for (name, outcome) in outcomes {
            let state = ReleaseState::Finalized { outcome };
            states.push((format!("finalized, {name}"), state, false));
        }
        let table: Vec<String> = states
            .iter()
            .map(|(name, state, pauses)| {
                let words = words(state, *pauses);
                let links = match (words.can_cancel, words.can_continue) {
                    (true, true) => "cancel, continue",
                    (true, false) => "cancel",
                    (false, _) => "-",
                };
                format!(
                    "{name:<34} {:<10} {:<10} {:<11} {links}",
                    words.state.as_str(),
                    words.value,
                    words.reason
                )
            })
            .collect();
        assert_eq!(table.join("\n"), include_str!("words/table.txt").trim_end());
    }
}
