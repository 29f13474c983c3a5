//! From control's errors to the wire: total, in one place.

use windlass_control::error::Error;
use windlass_engine::rejection::{QuotaKind, Rejection};
use windlass_wire::cancel_headers::BadHeader;

use super::ApiError;

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { what } => Self::not_found(noun(what)),
            Error::Forbidden(_) => Self::forbidden("You don't have permission to do this"),
            Error::NotAuthenticated(_) => Self::invalid_token(),
            Error::Rejected(rejection) => Self::from(rejection),
            Error::Invalid { field, reason } => Self::bad_request(format!("{field} {reason}")),
            Error::Taken { what, value } => {
                Self::conflict(format!("The {what} \"{value}\" is already in use"))
            }
            // Answered as the first request was, before it gets here.
            Error::Repeated { .. } => Self::conflict("the same request was carried out before"),
            Error::Conflict(text) => Self::conflict(text),
            Error::TooLarge { limit_bytes, .. } => Self::too_large(limit_bytes),
            Error::Unavailable(text) => Self::unavailable(text),
            Error::Internal { id } => Self::internal(&id),
        }
    }
}

/// What control calls something, as this API calls it.
fn noun(what: &str) -> &str {
    match what {
        "app" => "Project",
        "build" | "deployment" => "Deployment",
        "organization" | "space" => "Team",
        "user" => "User",
        "route" => "Alias",
        other => other,
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
            Rejection::AppDeleted => Self::not_found("Project"),
            Rejection::UnknownRelease(_)
            | Rejection::UnknownBuild(_)
            | Rejection::NotAwaitable(_)
            | Rejection::UnknownRevision(_)
            | Rejection::NoArtifact => Self::not_found("Deployment"),
            Rejection::UnknownTask(_) => Self::not_found("Task"),
            Rejection::UnknownComponent(_) => Self::not_found("Output"),
            Rejection::UnknownInstance => Self::not_found("Instance"),
            Rejection::NotCancelable { .. }
            | Rejection::BuildNotCancelable { .. }
            | Rejection::TaskNotCancelable { .. } => {
                Self::bad_request("it is over and can't be canceled")
            }
            Rejection::NotContinuable { .. } => {
                Self::bad_request("it does not wait for an approval")
            }
            Rejection::ReleaseInFlight { .. } => {
                Self::conflict("another deployment is being released; wait for it or abort it")
            }
            Rejection::QuotaExceeded { what } => Self::forbidden(match what {
                QuotaKind::Memory => "the memory quota of the team is exceeded",
                QuotaKind::Instances => "the instance quota of the team is exceeded",
                QuotaKind::Tasks => "the task quota of the team is exceeded",
            }),
            Rejection::LimitExceeded { what, limit } => {
                Self::bad_request(format!("{what} must be at most {limit}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_are_409_and_nothing_inside_goes_out() {
        let taken = ApiError::from(Error::Taken {
            what: "app name",
            value: "shop".to_owned(),
        });
        assert_eq!((taken.status.as_u16(), taken.code), (409, "conflict"));
        let inside = ApiError::from(Error::internal("password of anna is x"));
        assert_eq!(inside.status.as_u16(), 500);
        assert!(!inside.message.contains("anna"));
    }
}
