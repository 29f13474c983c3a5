//! The one error form of the wire: `{"errors":[{"code","title","detail"}]}`.
//!
//! Numbers and titles are those of Cloud Controller's `errors/v2.yml` and `errors/v3.yml`
//! (public repository `cloudfoundry/cloud_controller_ng`); clients match on titles and on details.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

mod refusal;

/// An answer that says no. May carry several entries; clients print all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status of the answer.
    pub status: StatusCode,
    /// The entries of `errors`, at least one.
    pub entries: Vec<ErrorEntry>,
}

/// One entry of `errors`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorEntry {
    /// Number of the error.
    pub code: u32,
    /// Name of the error, starts with `CF-` (save `UnknownError`).
    pub title: String,
    /// Text for people; clients match some of them word for word.
    pub detail: String,
}

impl ErrorEntry {
    /// The entry as the wire has it.
    pub fn to_wire(&self) -> Value {
        json!({ "detail": self.detail, "title": self.title, "code": self.code })
    }
}

/// Shown to admins and to users whose organization is suspended.
const SUSPENDED: &str = "The organization is suspended";

impl ApiError {
    /// An error with one entry. `title` comes without the `CF-` in front.
    pub fn new(status: StatusCode, code: u32, title: &str, detail: impl Into<String>) -> Self {
        Self {
            status,
            entries: vec![ErrorEntry {
                code,
                title: format!("CF-{title}"),
                detail: detail.into(),
            }],
        }
    }

    /// 404 10010 `<what> not found`; `what` as people write it (`App`, `Feature flag`).
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            10010,
            "ResourceNotFound",
            format!("{what} not found"),
        )
    }

    /// 404 10000: no such path.
    pub fn unknown_request() -> Self {
        Self::new(StatusCode::NOT_FOUND, 10000, "NotFound", "Unknown request")
    }

    /// 422 10008 with one text.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            10008,
            "UnprocessableEntity",
            detail,
        )
    }

    /// 422 10008 with several validation texts joined by ", " in one entry.
    pub fn unprocessable_all(details: &[String]) -> Self {
        Self::unprocessable(details.join(", "))
    }

    /// 422 with one entry per text (the form of `apply_manifest`).
    pub fn unprocessable_each(details: impl IntoIterator<Item = String>) -> Self {
        let entries = details
            .into_iter()
            .flat_map(|detail| Self::unprocessable(detail).entries)
            .collect();
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            entries,
        }
    }

    /// 400 10005: a query parameter is wrong. The prefix of the text is added here.
    pub fn bad_query(detail: impl AsRef<str>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            10005,
            "BadQueryParameter",
            format!("The query parameter is invalid: {}", detail.as_ref()),
        )
    }

    /// 400 1001: the body is not what it says it is.
    pub fn parse_error() -> Self {
        Self::parse_error_because("invalid request body")
    }

    /// 400 1001 with a reason of its own.
    pub fn parse_error_because(reason: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            1001,
            "MessageParseError",
            format!("Request invalid due to parse error: {reason}"),
        )
    }

    /// 400 1004 with a text of its own, for requests that can't be judged at all.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 10004, "BadRequest", detail)
    }

    /// 400 of an action that a wrong content type or upload form made impossible.
    pub fn bad_request(detail: &str) -> Self {
        Self::invalid_request(format!("Bad request: {detail}"))
    }

    /// 413: the body is larger than this endpoint takes.
    pub fn too_large(limit_bytes: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            1001,
            "MessageParseError",
            format!("Request body is larger than the limit of {limit_bytes} bytes"),
        )
    }

    /// 401 10002: no token.
    pub fn not_authenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            10002,
            "NotAuthenticated",
            "Authentication error",
        )
    }

    /// 401 1000: bad or expired token.
    pub fn invalid_auth_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            1000,
            "InvalidAuthToken",
            "Invalid Auth Token",
        )
    }

    /// 403 10003: scope or role missing.
    pub fn not_authorized() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            10003,
            "NotAuthorized",
            "You are not authorized to perform the requested action",
        )
    }

    /// 403 10017: the organization is suspended.
    pub fn org_suspended() -> Self {
        Self::new(StatusCode::FORBIDDEN, 10017, "OrgSuspended", SUSPENDED)
    }

    /// 422 10020: the organization is being deleted.
    pub fn org_being_deleted() -> Self {
        Self::being_deleted("organization")
    }

    /// 422 10020: the space is being deleted.
    pub fn space_being_deleted() -> Self {
        Self::being_deleted("space")
    }

    fn being_deleted(what: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            10020,
            "ResourceBeingDeleted",
            format!("The {what} is being deleted"),
        )
    }

    /// 403 330002: a feature flag is off. `custom` is the operator's own text.
    pub fn feature_disabled(flag: &str, custom: Option<&str>) -> Self {
        let text = custom.unwrap_or(flag);
        Self::new(
            StatusCode::FORBIDDEN,
            330_002,
            "FeatureDisabled",
            format!("Feature Disabled: {text}"),
        )
    }

    /// 422 10008: the dialect has this call, this installation does not do what it asks. No 501:
    /// clients take every 5xx for a fault of the server and print it raw.
    pub fn not_supported(what: &str) -> Self {
        Self::unprocessable(what)
    }

    /// 503 10015: try again later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            10015,
            "ServiceUnavailable",
            detail,
        )
    }

    /// 500 10001. `id` finds the details in the log; nothing else goes out.
    pub fn internal(id: &str) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            entries: vec![ErrorEntry {
                code: 10001,
                title: "UnknownError".to_owned(),
                detail: format!("An unknown error occurred. (id {id})"),
            }],
        }
    }

    /// The text of the first entry.
    pub fn detail(&self) -> &str {
        self.entries
            .first()
            .map_or("", |entry| entry.detail.as_str())
    }

    /// The body of the answer; also what a failed job shows under `errors`.
    pub fn to_wire(&self) -> Value {
        json!({ "errors": self.entries.iter().map(ErrorEntry::to_wire).collect::<Vec<_>>() })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.to_wire())).into_response()
    }
}

/// What a handler answers.
pub type ApiResult<T = Response> = Result<T, ApiError>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelope_has_code_title_and_detail() {
        assert_eq!(
            ApiError::not_found("Feature flag").to_wire(),
            json!({"errors": [{
                "code": 10010,
                "title": "CF-ResourceNotFound",
                "detail": "Feature flag not found",
            }]})
        );
    }

    #[test]
    fn validation_texts_share_one_entry_and_manifest_texts_do_not() {
        let texts = [
            "Name must be a string".to_owned(),
            "Unknown field(s): 'x'".to_owned(),
        ];
        let joined = ApiError::unprocessable_all(&texts);
        assert_eq!(joined.entries.len(), 1);
        assert_eq!(
            joined.detail(),
            "Name must be a string, Unknown field(s): 'x'"
        );
        assert_eq!(ApiError::unprocessable_each(texts).entries.len(), 2);
    }

    #[test]
    fn every_error_of_the_common_table_has_its_status_code_and_title() {
        let table = [
            (
                ApiError::not_authenticated(),
                401,
                10002,
                "CF-NotAuthenticated",
            ),
            (
                ApiError::invalid_auth_token(),
                401,
                1000,
                "CF-InvalidAuthToken",
            ),
            (ApiError::not_authorized(), 403, 10003, "CF-NotAuthorized"),
            (ApiError::parse_error(), 400, 1001, "CF-MessageParseError"),
            (ApiError::unknown_request(), 404, 10000, "CF-NotFound"),
            (
                ApiError::not_found("App"),
                404,
                10010,
                "CF-ResourceNotFound",
            ),
            (ApiError::bad_query("x"), 400, 10005, "CF-BadQueryParameter"),
            (
                ApiError::unprocessable("x"),
                422,
                10008,
                "CF-UnprocessableEntity",
            ),
            (ApiError::org_suspended(), 403, 10017, "CF-OrgSuspended"),
            (
                ApiError::space_being_deleted(),
                422,
                10020,
                "CF-ResourceBeingDeleted",
            ),
            (
                ApiError::unavailable("x"),
                503,
                10015,
                "CF-ServiceUnavailable",
            ),
            (ApiError::internal("1"), 500, 10001, "UnknownError"),
            (
                ApiError::feature_disabled("task_creation", None),
                403,
                330_002,
                "CF-FeatureDisabled",
            ),
        ];
        for (error, status, code, title) in table {
            assert_eq!(error.status.as_u16(), status, "{title}");
            assert_eq!(error.entries[0].code, code, "{title}");
            assert_eq!(error.entries[0].title, title);
        }
    }
}
