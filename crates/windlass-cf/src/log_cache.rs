//! The log cache: lines of apps as clients read and follow them.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use windlass_control::clock;
use windlass_control::logs::LogQuery;

use crate::apps::access;
use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::server::CfState;

pub(crate) mod request;
pub(crate) mod view;

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/api/v1/info", get(info))
        .route("/v1/info", get(info))
        .route("/api/v1/read/{source_id}", get(read))
        // Where clients of an old log cache look.
        .route("/v1/read/{source_id}", get(read))
}

async fn info() -> Json<view::Info> {
    Json(view::info(clock::uptime().0))
}

async fn read(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    Query(pairs): Query<Vec<(String, String)>>,
) -> ApiResult {
    let source = params.get("source_id")?;
    let asked = match request::read(&pairs) {
        Ok(asked) => asked,
        Err(text) => return Ok(refused(&text)),
    };
    let place = access::find(&cf, &caller, source).map_err(|_| ApiError::not_found("Source"))?;
    if !asked.wants_logs {
        return Ok(Json(view::read(source, &[])).into_response());
    }
    let query = LogQuery {
        // The beginning of time lies before 1970 for some clients.
        start_ns: u64::try_from(asked.start_ns).unwrap_or(0),
        end_ns: asked
            .end_ns
            .map(|end_ns| u64::try_from(end_ns).unwrap_or(0)),
        limit: asked.limit,
        descending: asked.descending,
    };
    let lines: Vec<view::Line> = cf
        .control
        .read_logs(&place.app.id, query)
        .await?
        .into_iter()
        .map(|line| view::Line {
            stamp_ns: line.stamp_ns,
            index: line.index,
            source_type: line.source_type,
            is_error: line.is_error,
            payload: line.text,
        })
        .collect();
    Ok(Json(view::read(source, &lines)).into_response())
}

/// A refusal in the form of the log cache.
fn refused(text: &str) -> Response {
    let body = json!({"error": text, "code": 3, "message": text, "details": []});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
