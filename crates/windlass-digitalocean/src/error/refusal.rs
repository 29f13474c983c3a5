//! From control's errors to the wire: total, in one place.

use windlass_control::error::Error;
use windlass_control::hosts::HOST;
use windlass_engine::rejection::{QuotaKind, Rejection};
use windlass_engine::release::{Outcome, ReleaseState};
use windlass_engine::task::TaskState;
use windlass_wire::cancel_headers::BadHeader;

use super::ApiError;

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { what } => Self::not_found(what),
            Error::Forbidden(_) => {
                Self::forbidden("You are not authorized to perform this operation")
            }
            Error::NotAuthenticated(_) => Self::unauthorized(),
            Error::Rejected(rejection) => Self::from(rejection),
            Error::Taken { what: HOST, value } => Self::unprocessable(format!(
                "error validating app spec field \"domains\": {value} belongs to another app"
            )),
            Error::Invalid { field, reason } if field == HOST => Self::bad_request(format!(
                "error validating app spec field \"domains\": {reason}"
            )),
            Error::Invalid { field, reason } => Self::bad_request(format!("{field} {reason}")),
            Error::Taken { what, value } => {
                Self::conflict(format!("{what} \"{value}\" is already in use"))
            }
            // Answered as the first request was, before it gets here.
            Error::Repeated { .. } => Self::conflict("the same request was carried out before"),
            Error::Conflict(text) => Self::precondition_failed(text),
            Error::TooLarge { limit_bytes, .. } => Self::too_large(limit_bytes),
            Error::Unavailable(text) => Self::unavailable(text),
            Error::Internal { id } => Self::internal(&id),
        }
    }
}

impl From<BadHeader> for ApiError {
    fn from(bad: BadHeader) -> Self {
        Self::bad_request(bad.to_string())
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::AppDeleted => Self::not_found("app"),
            Rejection::UnknownRelease(_) => Self::not_found("deployment"),
            Rejection::UnknownTask(_) => Self::not_found("job invocation"),
            Rejection::UnknownBuild(_) => Self::not_found("build"),
            Rejection::NotAwaitable(_) => {
                Self::precondition_failed("a build of the deployment is over already")
            }
            Rejection::BuildNotCancelable { .. } => {
                Self::bad_request("the build is over and cannot be canceled")
            }
            Rejection::UnknownRevision(_) => Self::not_found("version"),
            Rejection::UnknownComponent(_) => Self::not_found("component"),
            Rejection::UnknownInstance => Self::not_found("instance"),
            Rejection::NotCancelable { state } => Self::bad_request(format!(
                "the deployment is {} and cannot be canceled",
                word(&state)
            )),
            Rejection::NotContinuable { state } => Self::bad_request(format!(
                "the deployment is {} and cannot be continued",
                word(&state)
            )),
            Rejection::TaskNotCancelable { state } => Self::bad_request(format!(
                "the job invocation is {} and cannot be canceled",
                task_word(&state)
            )),
            Rejection::ReleaseInFlight { .. } => {
                Self::precondition_failed("a deployment is in progress; wait for it or cancel it")
            }
            Rejection::NoArtifact => {
                Self::precondition_failed("the app has nothing built that could run")
            }
            Rejection::QuotaExceeded { what } => Self::unprocessable(match what {
                QuotaKind::Memory => {
                    "the memory quota of the team does not hold the new instances beside the old"
                }
                QuotaKind::Instances => {
                    "the instance quota of the team does not hold the new instances beside the old"
                }
                QuotaKind::Tasks => "the job quota of the team is exceeded",
            }),
            Rejection::LimitExceeded { what, limit } => {
                Self::bad_request(format!("{what} must be at most {limit}"))
            }
        }
    }
}

/// The phase of a deployment in this state, as far as a refusal needs it.
fn word(state: &ReleaseState) -> &'static str {
    match state {
        ReleaseState::Pending => "PENDING_BUILD",
        ReleaseState::Building => "BUILDING",
        ReleaseState::RollingOut { .. } | ReleaseState::Paused { .. } => "DEPLOYING",
        ReleaseState::Restoring { outcome } | ReleaseState::Finalized { outcome } => {
            match outcome {
                Outcome::Deployed => "ACTIVE",
                Outcome::Canceled(_) => "CANCELED",
                Outcome::Superseded { .. } => "SUPERSEDED",
                Outcome::Failed(_) => "ERROR",
            }
        }
    }
}

fn task_word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Pending => "PENDING",
        TaskState::Running => "RUNNING",
        TaskState::Canceling => "CANCELED",
        TaskState::Succeeded => "SUCCEEDED",
        TaskState::Failed { .. } => "FAILED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_outcome_that_won() {
        let over = |outcome| ReleaseState::Finalized { outcome };
        for (outcome, phase) in [
            (Outcome::Deployed, "ACTIVE"),
            (
                Outcome::Superseded {
                    while_paused: false,
                },
                "SUPERSEDED",
            ),
        ] {
            let error = ApiError::from(Rejection::NotCancelable {
                state: over(outcome),
            });
            assert_eq!(error.status.as_u16(), 400);
            assert_eq!(
                error.message,
                format!("the deployment is {phase} and cannot be canceled")
            );
        }
    }

    #[test]
    fn names_that_are_taken_are_409_and_nothing_inside_goes_out() {
        let taken = ApiError::from(Error::Taken {
            what: "app name",
            value: "shop".to_owned(),
        });
        assert_eq!((taken.status.as_u16(), taken.id), (409, "conflict"));
        let inside = ApiError::from(Error::internal("password of anna is x"));
        assert_eq!(inside.status.as_u16(), 500);
        assert!(!inside.message.contains("anna"));
    }
}
