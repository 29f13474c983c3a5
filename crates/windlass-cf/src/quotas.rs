//! `/v3/organization_quotas` and `/v3/space_quotas`, for reading.
//!
//! Each organization has limits of its own (`windlass org set-quota`). The wire knows quotas as
//! things that several organizations share, so each organization shows one quota that applies to
//! it alone; a space has none.

use axum::extract::{RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;
use windlass_control::listing::Column;
use windlass_engine::id::OrganizationId;
use windlass_engine::records::Organization;

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::links::{Urls, to_many};
use crate::page::{self, Page};
use crate::path::Guid;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;
use crate::time;

/// Namespace of quota guids. Never changes: clients keep the guids that come from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x0d1b_7a60_3c52_4f0e_8a8b_6f61_c2a9_31e4);
const LIST: ListSpec = ListSpec {
    filters: &["names", "organization_guids"],
    order: &["name"],
    includes: &[],
    labels: false,
};
const SPACE_LIST: ListSpec = ListSpec {
    filters: &["names", "organization_guids", "space_guids"],
    order: &["name"],
    includes: &[],
    labels: false,
};
const READ_ONLY: &str =
    "Quotas are set per organization with `windlass org set-quota`, not through this API";

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/organization_quotas", get(list).post(read_only))
        .route(
            "/v3/organization_quotas/{guid}",
            get(show).patch(read_only).delete(read_only),
        )
        .route(
            "/v3/organization_quotas/{guid}/relationships/organizations",
            post(read_only),
        )
        .route(
            "/v3/space_quotas",
            get(list_space_quotas).post(no_space_quotas),
        )
        .route("/v3/space_quotas/{guid}", get(no_space_quota))
}

/// Guid of the quota of an organization.
pub(crate) fn guid(organization: &OrganizationId) -> String {
    Uuid::new_v5(&NAMESPACE, organization.as_str().as_bytes()).to_string()
}

fn to_wire(row: &Organization, urls: &Urls) -> Value {
    let guid = guid(&row.id);
    json!({
        "guid": guid,
        "created_at": time::rfc3339(row.stamps.created_at),
        "updated_at": time::rfc3339(row.stamps.updated_at),
        "name": row.name,
        "apps": {
            "total_memory_in_mb": row.quota.memory_mb,
            "per_process_memory_in_mb": null,
            "total_instances": row.quota.instances,
            "per_app_tasks": row.quota.tasks,
            "log_rate_limit_in_bytes_per_second": null,
        },
        "services": {
            "paid_services_allowed": true,
            "total_service_instances": null,
            "total_service_keys": null,
        },
        "routes": { "total_routes": null, "total_reserved_ports": null },
        "domains": { "total_domains": null },
        "relationships": { "organizations": to_many([row.id.as_str()]) },
        "links": { "self": urls.href(&format!("/v3/organization_quotas/{guid}")) },
    })
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let mut all = visible(&cf, &caller).await?;
    all.retain(|row| {
        query.accepts_row(&guid(&row.id), row.stamps, None)
            && query.accepts_ignoring_case("names", &row.name)
            && query.accepts("organization_guids", row.id.as_str())
    });
    query.sort(&mut all, |row| row.stamps, |row, _| row.name.to_lowercase());
    let part = Page::cut(all, &query);
    let rows = part
        .rows
        .iter()
        .map(|row| to_wire(row, cf.urls()))
        .collect();
    Ok(Json(page::list(
        cf.urls(),
        "/v3/organization_quotas",
        &query,
        part.total,
        rows,
        None,
    )))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(wanted): Guid,
) -> ApiResult<Json<Value>> {
    let all = visible(&cf, &caller).await?;
    let row = all.iter().find(|row| guid(&row.id) == wanted);
    let row = row.ok_or_else(|| ApiError::not_found("Organization quota"))?;
    Ok(Json(to_wire(row, cf.urls())))
}

async fn list_space_quotas(
    State(cf): State<CfState>,
    _caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &SPACE_LIST)?;
    Ok(Json(page::empty(cf.urls(), "/v3/space_quotas", &query)))
}

async fn no_space_quota(_caller: Authenticated) -> ApiError {
    ApiError::not_found("Space quota")
}

async fn no_space_quotas(_caller: Authenticated) -> ApiError {
    ApiError::not_supported(READ_ONLY)
}

async fn read_only(caller: Authenticated) -> ApiResult<()> {
    caller.require_admin()?;
    Err(ApiError::not_supported(READ_ONLY))
}

async fn visible(cf: &CfState, caller: &Authenticated) -> ApiResult<Vec<Organization>> {
    let everything =
        ListQuery::parse(Some("per_page=5000"), &LIST)?.question(&[("names", Column::Name)]);
    Ok(cf
        .tenancy()
        .list_organizations(&caller.grants, everything)
        .await?
        .rows)
}
