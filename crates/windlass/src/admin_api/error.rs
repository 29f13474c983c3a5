//! Refusals as the command line prints them: what is wrong and what to do.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use windlass_control::error::Error;
use windlass_store::StoreError;

/// A refusal.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    text: String,
}

/// Answer of a handler.
pub(super) type Answer = Result<Json<serde_json::Value>, Refusal>;

impl Refusal {
    /// Something is not there; `list` is the command that shows what is.
    pub(super) fn unknown(what: &str, name: &str, list: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            text: format!("{what} `{name}` does not exist; `windlass {list}` shows what there is"),
        }
    }

    /// The request makes no sense.
    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            text: text.into(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::NotFound { .. } => StatusCode::NOT_FOUND,
            Error::Forbidden(_) | Error::NotAuthenticated(_) => StatusCode::FORBIDDEN,
            Error::Rejected(_) | Error::Invalid { .. } | Error::TooLarge { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Error::Taken { .. } | Error::Conflict(_) | Error::Repeated { .. } => {
                StatusCode::CONFLICT
            }
            Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let text = match &error {
            Error::Internal { id } => {
                format!("internal error {id}; the output of `windlass up` has the details")
            }
            other => other.to_string(),
        };
        Self { status, text }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Error::from(error).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.text }))).into_response()
    }
}
