//! The one error form of the wire: `{"id", "message", "request_id"}`.
//!
//! `id` is the slug of the status. The request id is known to the server's outermost layer only,
//! so an error travels there as an extension of its answer and is written there.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

mod refusal;

/// Seconds after which a client may try again when something is only away for a moment.
const RETRY_AFTER_SECS: u64 = 5;

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status of the answer.
    pub(crate) status: StatusCode,
    /// Slug of the error.
    pub(crate) id: &'static str,
    /// Text for people.
    pub(crate) message: String,
    /// Seconds for `Retry-After`. Clients repeat *every* failure that carries it, so only 429 and
    /// 503 do.
    pub(crate) retry_after_secs: Option<u64>,
}

/// What a handler answers.
pub(crate) type ApiResult<T = Response> = Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, id: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            id,
            message: message.into(),
            retry_after_secs: None,
        }
    }

    /// 400: the request can't be carried out as it is.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401, with the one text for every reason.
    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Unable to authenticate you.",
        )
    }

    /// 403: seen, but not allowed.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404: no such thing, or none that the caller may see. `what` is a noun: `app`.
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
            "The resource you were accessing could not be found.",
        )
    }

    /// 405: the path exists, the method does not.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this path does not take that method",
        )
    }

    /// 409: a name or state that is taken.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 412: not in the present state of the app.
    pub(crate) fn precondition_failed(message: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition_failed",
            message,
        )
    }

    /// 413: the body is larger than this endpoint takes.
    pub(crate) fn too_large(limit_bytes: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("the request body is larger than {limit_bytes} bytes"),
        )
    }

    /// 415: the body is in a form that this endpoint does not read.
    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the body as application/json (or application/yaml to create an app)",
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

    /// 429: more requests than the limit.
    pub(crate) fn too_many_requests(retry_after_secs: u64) -> Self {
        Self {
            retry_after_secs: Some(retry_after_secs),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "API rate limit exceeded.",
            )
        }
    }

    /// 501: the call exists in this API and is not offered here.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "not_implemented",
            format!("{what} is not offered by this Windlass"),
        )
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
            "server_error",
            format!("unexpected server-side error ({log_id})"),
        )
    }

    /// The body of the answer.
    pub(crate) fn to_wire(&self, request_id: &str) -> Value {
        json!({"id": self.id, "message": self.message, "request_id": request_id})
    }

    /// The whole answer, once the request's id is known.
    pub(crate) fn into_answer(self, request_id: &str) -> Response {
        let body = self.to_wire(request_id);
        let mut answer = (self.status, axum::Json(body)).into_response();
        if let Some(secs) = self.retry_after_secs {
            let value = HeaderValue::from(secs);
            answer.headers_mut().insert(header::RETRY_AFTER, value);
        }
        answer
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut answer = self.status.into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_a_slug_a_text_and_the_request() {
        assert_eq!(
            ApiError::not_found("app").to_wire("r1"),
            json!({"id": "not_found", "message": "app not found", "request_id": "r1"})
        );
    }

    #[test]
    fn only_429_and_503_ask_for_a_repeat() {
        let all = [
            ApiError::bad_request("x"),
            ApiError::unauthorized(),
            ApiError::forbidden("x"),
            ApiError::unknown_path(),
            ApiError::method_not_allowed(),
            ApiError::conflict("x"),
            ApiError::precondition_failed("x"),
            ApiError::too_large(1),
            ApiError::unsupported_media_type(),
            ApiError::unprocessable("x"),
            ApiError::too_many_requests(7),
            ApiError::internal("x"),
            ApiError::not_implemented("x"),
            ApiError::unavailable("x"),
        ];
        for error in all {
            let status = error.status.as_u16();
            let answer = error.into_answer("r");
            assert_eq!(answer.status().as_u16(), status);
            assert_eq!(
                answer.headers().contains_key(header::RETRY_AFTER),
                status == 429 || status == 503,
                "{status}"
            );
        }
    }
}
