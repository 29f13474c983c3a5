//! Errors as the token endpoint has them: `{"error", "error_description"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use windlass_control::error::Error;

/// A refusal of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UaaError {
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    pub(super) description: String,
}

impl UaaError {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status,
            error,
            description: description.into(),
        }
    }

    /// 401: wrong name, password or secret. One text for all of them.
    pub(super) fn bad_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Bad credentials")
    }

    /// 401: the client of the request is unknown.
    pub(super) fn invalid_client() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "invalid_client",
            "Bad credentials",
        )
    }

    /// 401: a token that is not, or no longer, good.
    pub(super) fn invalid_token(description: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_token", description)
    }

    /// 401: no token where one is needed.
    pub(super) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Full authentication is required to access this resource",
        )
    }

    /// 400: a parameter is missing or wrong.
    pub(super) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// 400: a grant that is not offered.
    pub(super) fn unsupported_grant(grant: &str) -> Self {
        let short: String = grant.chars().take(100).collect();
        let text = format!("Unsupported grant type: {short}");
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", text)
    }

    /// 403: the token does not carry what is needed.
    pub(super) fn insufficient_scope() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "Insufficient scope for this resource",
        )
    }

    /// 404 of the user API.
    pub(super) fn no_such_user(id: &str) -> Self {
        let short: String = id.chars().take(200).collect();
        let text = format!("User {short} does not exist");
        Self::new(StatusCode::NOT_FOUND, "scim_resource_not_found", text)
    }

    /// 404 of the client API.
    pub(super) fn no_such_client() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "No such client")
    }

    /// 409 of the user API.
    pub(super) fn user_exists(name: &str) -> Self {
        let text = format!("Username already in use: {name}");
        Self::new(StatusCode::CONFLICT, "scim_resource_already_exists", text)
    }

    /// 400 of the user API.
    pub(super) fn invalid_user(description: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid_scim_resource",
            description,
        )
    }
}

impl From<Error> for UaaError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotAuthenticated(_) => Self::bad_credentials(),
            Error::NotFound { .. } => Self::no_such_user(""),
            Error::Taken { value, .. } => Self::user_exists(&value),
            Error::Forbidden(_) => Self::insufficient_scope(),
            Error::Invalid { field, reason } => Self::invalid_user(format!("{field} {reason}")),
            Error::Conflict(text) => Self::invalid_user(text),
            // Nothing of this dialect is sent to be done once.
            Error::Repeated { .. } => Self::invalid_user("The request was done before"),
            Error::Rejected(rejection) => Self::invalid_user(rejection.to_string()),
            Error::TooLarge { what, .. } => Self::invalid_request(format!("{what} is too large")),
            Error::Unavailable(text) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                text,
            ),
            Error::Internal { id } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "server_error",
                format!("An unknown error occurred (id {id})"),
            ),
        }
    }
}

impl IntoResponse for UaaError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        (self.status, Json(body)).into_response()
    }
}
