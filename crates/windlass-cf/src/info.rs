//! What this platform does not have, said in the way that clients ask for it: empty lists of
//! isolation segments, security groups and marketplace services, empty groups of variables.

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::path::Params;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;

/// Isolation segments and security groups.
const SEGMENTS: ListSpec = ListSpec {
    filters: &[
        "names",
        "organization_guids",
        "running_space_guids",
        "staging_space_guids",
        "globally_enabled_running",
        "globally_enabled_staging",
    ],
    order: &["name"],
    includes: &[],
    labels: true,
};
const NO_GROUPS: &str = "Environment variable groups are empty and can't be changed";

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/isolation_segments", get(isolation_segments))
        .route("/v3/isolation_segments/{guid}", get(no_isolation_segment))
        .route("/v3/security_groups", get(security_groups))
        .route("/v3/security_groups/{guid}", get(no_security_group))
        .route(
            "/v3/environment_variable_groups/{name}",
            get(variable_group).patch(no_variable_group),
        )
}

async fn isolation_segments(
    State(cf): State<CfState>,
    _caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &SEGMENTS)?;
    Ok(Json(page::empty(
        cf.urls(),
        "/v3/isolation_segments",
        &query,
    )))
}

async fn security_groups(
    State(cf): State<CfState>,
    _caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &SEGMENTS)?;
    Ok(Json(page::empty(cf.urls(), "/v3/security_groups", &query)))
}

async fn no_isolation_segment(_caller: Authenticated) -> ApiError {
    ApiError::not_found("Isolation segment")
}

async fn no_security_group(_caller: Authenticated) -> ApiError {
    ApiError::not_found("Security group")
}

async fn variable_group(
    State(cf): State<CfState>,
    _caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let name = params.get("name")?;
    if !matches!(name, "running" | "staging") {
        return Err(ApiError::not_found("Environment variable group"));
    }
    Ok(Json(json!({
        "updated_at": null,
        "name": name,
        "var": {},
        "links": {
            "self": cf.urls().href(&format!("/v3/environment_variable_groups/{name}")),
        },
    })))
}

async fn no_variable_group(caller: Authenticated) -> ApiResult<()> {
    caller.require_admin()?;
    Err(ApiError::not_supported(NO_GROUPS))
}
