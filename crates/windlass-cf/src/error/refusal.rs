//! From control's errors to the wire: total, in one place.

use windlass_control::error::Error;
use windlass_engine::rejection::{InFlightConflict, QuotaKind, Rejection};
use windlass_engine::release::{Outcome, ReleaseState};
use windlass_engine::task::TaskState;
use windlass_wire::cancel_headers::BadHeader;

use super::ApiError;
use crate::body::humanize;

/// Bytes of a mebibyte.
const MIB: u64 = 1_048_576;

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { what } => Self::not_found(&humanize(what)),
            Error::Forbidden(_) => Self::not_authorized(),
            Error::NotAuthenticated(_) => Self::invalid_auth_token(),
            Error::Rejected(rejection) => Self::from(rejection),
            Error::Invalid { field, reason } => {
                Self::unprocessable(format!("{} {reason}", humanize(&field)))
            }
            Error::Taken { what, value } => Self::unprocessable(taken(what, &value)),
            Error::Conflict(text) => Self::unprocessable(sentence(&text)),
            // Nothing of this dialect is sent to be done once.
            Error::Repeated { .. } => Self::unprocessable("The request was done before"),
            // Clients print a 422 as it is, and a 413 as something unexpected.
            Error::TooLarge { what, limit_bytes } => Self::unprocessable(format!(
                "The {what} is larger than {} MiB (setting `upload_max_mb`); leave out what the \
                 app does not need",
                limit_bytes / MIB
            )),
            Error::Unavailable(text) => Self::unavailable(sentence(&text)),
            Error::Internal { id } => Self::internal(&id),
        }
    }
}

impl From<BadHeader> for ApiError {
    fn from(bad: BadHeader) -> Self {
        Self::invalid_request(bad.to_string())
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::AppDeleted => Self::not_found("App"),
            Rejection::UnknownRelease(_) => Self::not_found("Deployment"),
            Rejection::UnknownTask(_) => Self::not_found("Task"),
            Rejection::UnknownBuild(_) | Rejection::NotAwaitable(_) => Self::not_found("Build"),
            Rejection::BuildNotCancelable { .. } => {
                Self::unprocessable("The build is over and therefore cannot be canceled")
            }
            Rejection::UnknownRevision(_) => Self::not_found("Revision"),
            Rejection::UnknownComponent(_) => Self::not_found("Process"),
            Rejection::UnknownInstance => Self::not_found("Instance"),
            Rejection::NotCancelable { state } => {
                let (value, reason) = status(&state);
                Self::unprocessable(format!(
                    "Cannot cancel a deployment with status: {value} and reason: {reason}"
                ))
            }
            Rejection::NotContinuable { state } => {
                let (value, reason) = status(&state);
                Self::unprocessable(format!(
                    "Cannot continue a deployment with status: {value} and reason: {reason}"
                ))
            }
            Rejection::TaskNotCancelable { state } => Self::unprocessable(format!(
                "Task state is {} and therefore cannot be canceled",
                task_word(&state)
            )),
            Rejection::ReleaseInFlight { what } => Self::unprocessable(match what {
                InFlightConflict::Scale => {
                    "Cannot scale this process while a deployment is in flight."
                }
                InFlightConflict::UpdateComponent => {
                    "Cannot update this process while a deployment is in flight."
                }
                InFlightConflict::WithdrawBase => {
                    "Cannot delete what a deployment in flight may fall back on."
                }
                InFlightConflict::Release => "Another deployment is in flight.",
                InFlightConflict::AssignArtifact => {
                    "Unable to assign current droplet while the app has a deployment in progress. \
                     Wait for the deployment to complete or cancel it."
                }
            }),
            Rejection::NoArtifact => {
                Self::unprocessable("Assign a droplet before starting this app.")
            }
            Rejection::QuotaExceeded { what } => Self::unprocessable(match what {
                QuotaKind::Memory => "memory quota_exceeded",
                QuotaKind::Instances => "app_instance_limit app_instance_limit_exceeded",
                QuotaKind::Tasks => "app_task_limit quota exceeded",
            }),
            Rejection::LimitExceeded { what, limit } => {
                Self::unprocessable(format!("{} must be at most {limit}", humanize(what)))
            }
        }
    }
}

/// `status.value` and `status.reason` of a deployment in this state.
fn status(state: &ReleaseState) -> (&'static str, &'static str) {
    match state {
        ReleaseState::Pending | ReleaseState::Building | ReleaseState::RollingOut { .. } => {
            ("ACTIVE", "DEPLOYING")
        }
        ReleaseState::Paused { .. } => ("ACTIVE", "PAUSED"),
        ReleaseState::Restoring { .. } => ("ACTIVE", "CANCELING"),
        ReleaseState::Finalized { outcome } => match outcome {
            Outcome::Deployed => ("FINALIZED", "DEPLOYED"),
            Outcome::Canceled(_) | Outcome::Failed(_) => ("FINALIZED", "CANCELED"),
            Outcome::Superseded { .. } => ("FINALIZED", "SUPERSEDED"),
        },
    }
}

fn task_word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Pending => "PENDING",
        TaskState::Running => "RUNNING",
        TaskState::Canceling => "CANCELING",
        TaskState::Succeeded => "SUCCEEDED",
        TaskState::Failed { .. } => "FAILED",
    }
}

/// Texts that the `cf` client looks for to treat "exists already" as done.
fn taken(what: &str, value: &str) -> String {
    match what {
        "organization name" => format!("Organization '{value}' already exists."),
        "space name" => "Name must be unique per organization".to_owned(),
        "app name" => format!("App with the name '{value}' already exists."),
        "domain name" => format!("The domain name \"{value}\" is already in use"),
        "service instance name" => format!("The service instance name is taken: {value}"),
        "username" => format!("User with username '{value}' already exists."),
        other => format!("{} '{value}' already exists.", humanize(other)),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use windlass_engine::release::CancelCause;

    use super::*;

    #[test]
    fn refusals_of_the_engine_name_the_outcome_that_won() {
        let over = |outcome| ReleaseState::Finalized { outcome };
        for (state, words) in [
            (over(Outcome::Deployed), "FINALIZED and reason: DEPLOYED"),
            (
                over(Outcome::Canceled(CancelCause::User)),
                "FINALIZED and reason: CANCELED",
            ),
            (
                over(Outcome::Superseded { while_paused: true }),
                "FINALIZED and reason: SUPERSEDED",
            ),
            (
                ReleaseState::RollingOut { step: 0 },
                "ACTIVE and reason: DEPLOYING",
            ),
            (
                ReleaseState::Paused { step: 0 },
                "ACTIVE and reason: PAUSED",
            ),
        ] {
            let error = ApiError::from(Rejection::NotCancelable {
                state: state.clone(),
            });
            assert_eq!(
                error.detail(),
                format!("Cannot cancel a deployment with status: {words}")
            );
            let error = ApiError::from(Rejection::NotContinuable { state });
            assert_eq!(
                error.detail(),
                format!("Cannot continue a deployment with status: {words}")
            );
        }
        let error = ApiError::from(Rejection::TaskNotCancelable {
            state: TaskState::Succeeded,
        });
        assert_eq!(
            error.detail(),
            "Task state is SUCCEEDED and therefore cannot be canceled"
        );
    }

    #[test]
    fn texts_that_clients_look_for() {
        let taken = |what, value: &str| {
            ApiError::from(Error::Taken {
                what,
                value: value.to_owned(),
            })
            .detail()
            .to_owned()
        };
        assert_eq!(
            taken("organization name", "o"),
            "Organization 'o' already exists."
        );
        assert_eq!(
            taken("space name", "s"),
            "Name must be unique per organization"
        );
        assert_eq!(
            taken("app name", "a"),
            "App with the name 'a' already exists."
        );
        assert_eq!(
            ApiError::from(Error::NotFound {
                what: "feature flag"
            })
            .detail(),
            "Feature flag not found"
        );
    }

    #[test]
    fn internal_details_stay_inside() {
        let error = ApiError::from(Error::internal("password of anna is x"));
        assert_eq!(error.status.as_u16(), 500);
        assert!(!error.to_wire().to_string().contains("anna"));
    }
}
