//! `/v3/jobs`: durable operations as clients poll them.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_engine::id::OperationId;
use windlass_engine::records::{Operation, OperationState};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::links::Urls;
use crate::path::Guid;
use crate::server::CfState;
use crate::time;

pub(crate) fn routes() -> Router<CfState> {
    Router::new().route("/v3/jobs/{guid}", get(show))
}

/// 202 with the job's address and no body.
pub(crate) fn accepted(cf: &CfState, operation: &OperationId) -> Response {
    let mut response = StatusCode::ACCEPTED.into_response();
    if let Ok(value) = HeaderValue::from_str(&cf.urls().job(operation.as_str())) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// 202 for something that is done already: its job is complete at the first look.
pub(crate) async fn accepted_done(
    cf: &CfState,
    caller: &Authenticated,
    kind: &str,
    subject: &str,
) -> ApiResult {
    let actor = caller.principal.actor();
    let operation = cf.tenancy().record_done(&actor, kind, subject).await?;
    Ok(accepted(cf, &operation))
}

/// A job as the wire has it.
pub(crate) fn to_wire(operation: &Operation, urls: &Urls) -> Value {
    let (state, errors) = match &operation.state {
        OperationState::Processing => ("PROCESSING", Vec::new()),
        OperationState::Complete => ("COMPLETE", Vec::new()),
        OperationState::Failed { errors } => ("FAILED", errors.clone()),
    };
    let mut links = Map::new();
    links.insert(
        "self".to_owned(),
        urls.href(&format!("/v3/jobs/{}", operation.id)),
    );
    if let Some((resource, path)) = subject(operation) {
        links.insert(resource.to_owned(), urls.href(&path));
    }
    json!({
        "guid": operation.id.as_str(),
        "created_at": time::rfc3339(operation.stamps.created_at),
        "updated_at": time::rfc3339(operation.stamps.updated_at),
        "operation": operation.kind,
        "state": state,
        "errors": errors,
        "warnings": [],
        "links": links,
    })
}

/// Link name and path of what a job is about, while that can still be looked at.
fn subject(operation: &Operation) -> Option<(&'static str, String)> {
    let (resource, verb) = operation.kind.split_once('.')?;
    if verb == "delete" {
        return None;
    }
    let (link, collection) = match resource {
        "app" => ("app", "apps"),
        "space" => ("space", "spaces"),
        "droplet" => ("droplet", "droplets"),
        "package" => ("package", "packages"),
        _ => return None,
    };
    Some((link, format!("/v3/{collection}/{}", operation.subject)))
}

async fn show(
    State(cf): State<CfState>,
    _caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let operation = cf.control.operation(&OperationId::from(guid)).await?;
    let operation = operation.ok_or_else(|| ApiError::not_found("Job"))?;
    Ok(Json(to_wire(&operation, cf.urls())))
}
