//! The one error form of the wire: `{"error": {"code", "message", …}}`.

use std::any::Any;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use windlass_wire::json::BadJson;
use windlass_wire::panics;
use windlass_wire::query::BadQuery;

mod refusal;

/// Seconds after which a client may try again when something is only away for a moment.
const RETRY_AFTER_SECS: u64 = 5;

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status of the answer.
    pub(crate) status: StatusCode,
    /// Word for programs.
    pub(crate) code: &'static str,
    /// Text for people.
    pub(crate) message: String,
    /// More members of the error.
    pub(crate) more: Option<Box<Map<String, Value>>>,
    /// Seconds for `Retry-After`. Clients wait up to half a minute more than it says: sent
    /// sparingly.
    pub(crate) retry_after_secs: Option<u64>,
}

/// What a handler answers.
pub(crate) type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            more: None,
            retry_after_secs: None,
        }
    }

    /// The same with one more member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more
            .get_or_insert_default()
            .insert(name.to_owned(), value.into());
        self
    }

    /// 400: the request can't be carried out as it is.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::invalid("bad_request", message)
    }

    /// 400 with a word of its own.
    pub(crate) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 403: no token.
    pub(crate) fn missing_token() -> Self {
        Self::forbidden("Not authorized").with("missingToken", true)
    }

    /// 403: a token that is none, or none any more.
    pub(crate) fn invalid_token() -> Self {
        Self::forbidden("Not authorized").with("invalidToken", true)
    }

    /// 403: seen, but not allowed.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 403: a team that does not exist, or that the caller is not in.
    pub(crate) fn no_such_team() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "team_unauthorized",
            "Not authorized: you do not have access to this team",
        )
    }

    /// 404: no such thing, or none that the caller may see. `what` is a noun: `Deployment`.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("{what} not found"),
        )
    }

    /// 404: no such path.
    pub(crate) fn unknown_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "The page could not be found: this call is not offered by this Windlass",
        )
    }

    /// 405: the path exists, the method does not.
    pub(crate) fn method_unknown() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_unknown",
            "this path does not take that method",
        )
    }

    /// 409: a name or state that is taken.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 403: a host that somebody else has.
    pub(crate) fn alias_in_use() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "alias_in_use",
            "The chosen alias is already in use",
        )
    }

    /// 422: understood, but it can't be done.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unprocessable_entity",
            message,
        )
    }

    /// 413: the body is larger than this endpoint takes.
    pub(crate) fn too_large(limit_bytes: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("request entity too large: at most {limit_bytes} bytes"),
        )
    }

    /// 429: more requests than the limit.
    pub(crate) fn rate_limited(limit: u32, reset_at_secs: u64, retry_after_secs: u64) -> Self {
        let standing = json!({
            "total": limit,
            "remaining": 0,
            "reset": reset_at_secs,
            "resetMs": reset_at_secs.saturating_mul(1_000),
        });
        Self {
            retry_after_secs: Some(retry_after_secs),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "Rate limit exceeded",
            )
        }
        .with("limit", standing)
    }

    /// 503: try again later.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self {
            retry_after_secs: Some(RETRY_AFTER_SECS),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "service_unavailable",
                message,
            )
        }
    }

    /// 500. `log_id` finds the details in the log; nothing else goes out.
    pub(crate) fn internal(log_id: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_server_error",
            format!("An unexpected internal error occurred ({log_id})"),
        )
    }

    /// 500 for a handler that panicked: a bug.
    pub(crate) fn panicked(request_id: &str, panic: &(dyn Any + Send)) -> Self {
        tracing::error!(request.id = %request_id, "a handler panicked: {}", panics::text(panic));
        Self::internal(request_id)
    }

    /// The body of the answer.
    pub(crate) fn to_wire(&self) -> Value {
        let mut error = self.more.as_deref().cloned().unwrap_or_default();
        error.insert("code".to_owned(), self.code.into());
        error.insert("message".to_owned(), self.message.as_str().into());
        json!({ "error": error })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut answer = (self.status, Json(self.to_wire())).into_response();
        if let Some(secs) = self.retry_after_secs {
            let value = HeaderValue::from(secs);
            answer.headers_mut().insert(header::RETRY_AFTER, value);
        }
        answer
    }
}

impl From<BadQuery> for ApiError {
    fn from(bad: BadQuery) -> Self {
        Self::bad_request(bad.to_string())
    }
}

impl From<BadJson> for ApiError {
    fn from(bad: BadJson) -> Self {
        Self::bad_request(bad.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_an_error_with_code_text_and_more() {
        assert_eq!(
            ApiError::missing_token().to_wire(),
            json!({"error": {
                "code": "forbidden",
                "message": "Not authorized",
                "missingToken": true,
            }})
        );
    }

    #[test]
    fn only_429_and_503_ask_for_a_repeat() {
        let all = [
            ApiError::bad_request("x"),
            ApiError::invalid_token(),
            ApiError::no_such_team(),
            ApiError::unknown_path(),
            ApiError::method_unknown(),
            ApiError::conflict("x"),
            ApiError::too_large(1),
            ApiError::rate_limited(1, 2, 3),
            ApiError::internal("x"),
            ApiError::unavailable("x"),
        ];
        for error in all {
            let status = error.status.as_u16();
            let answer = error.into_response();
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(
                answer.headers().contains_key(header::RETRY_AFTER),
                status == 429 || status == 503,
                "{status}"
            );
        }
    }
}
