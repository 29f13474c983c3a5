//! `/v3/organizations`.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::identity::OrganizationAccess;
use windlass_control::listing::Column;
use windlass_engine::id::OrganizationId;
use windlass_engine::records::{Dialect, Organization};

use crate::auth::{Authenticated, require_manager};
use crate::body::JsonObject;
use crate::domains;
use crate::error::{ApiError, ApiResult};
use crate::feature_flags;
use crate::jobs;
use crate::page;
use crate::path::Guid;
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::users;

mod request;
mod view;

pub(crate) use view::organization as to_wire;

const LIST: ListSpec = ListSpec {
    filters: &["names"],
    order: &["name"],
    includes: &[],
    labels: true,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/organizations", get(list).post(create))
        .route(
            "/v3/organizations/{guid}",
            get(show).patch(update).delete(delete),
        )
        .route("/v3/organizations/{guid}/domains", get(list_domains))
        .route(
            "/v3/organizations/{guid}/domains/default",
            get(default_domain),
        )
        .route("/v3/organizations/{guid}/usage_summary", get(usage_summary))
        .route("/v3/organizations/{guid}/users", get(list_users))
        .route(
            "/v3/organizations/{guid}/relationships/default_isolation_segment",
            get(isolation_segment).patch(set_isolation_segment),
        )
}

/// The organization, if the caller sees it, and what they may do there.
pub(crate) fn find(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
) -> ApiResult<(Organization, OrganizationAccess)> {
    let found = cf.tenancy().organization(&OrganizationId::from(guid))?;
    found
        .map(|organization| {
            let access = caller.grants.organization(&organization);
            (organization, access)
        })
        .filter(|(_, access)| access.read)
        .ok_or_else(|| ApiError::not_found("Organization"))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let question = query.question(&[("names", Column::Name)]);
    let found = cf
        .tenancy()
        .list_organizations(&caller.grants, question)
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|row| to_wire(row, cf.urls()))
        .collect();
    Ok(Json(page::answer(
        cf.urls(),
        "/v3/organizations",
        &query,
        found.total,
        rows,
    )))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    only_parameters(raw.as_deref(), &[])?;
    let (organization, _) = find(&cf, &caller, &guid)?;
    Ok(Json(to_wire(&organization, cf.urls())))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    if !caller.principal.is_admin() && !feature_flags::is_on(&cf, "user_org_creation")? {
        return Err(ApiError::not_authorized());
    }
    let new = request::create(&body)?;
    if new.suspended {
        caller.require_admin()?;
    }
    let actor = caller.principal.actor();
    let organization = cf.tenancy().create_organization(&actor, new).await?;
    if !caller.principal.is_admin() {
        // Who creates an organization without being an administrator manages it.
        for kind in request::CREATOR_ROLES {
            cf.tenancy()
                .create_organization_role(&actor, kind, caller.grants.user(), &organization.id)
                .await?;
        }
    }
    Ok((StatusCode::CREATED, Json(to_wire(&organization, cf.urls()))).into_response())
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let (organization, access) = find(&cf, &caller, &guid)?;
    require_manager(&access)?;
    let patch = request::update(&body, &organization)?;
    if patch.suspended.is_some() {
        caller.require_admin()?;
    }
    let actor = caller.principal.actor();
    let changed = cf
        .tenancy()
        .update_organization(&actor, &organization.id, patch)
        .await?;
    Ok(Json(to_wire(&changed, cf.urls())))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let (organization, _) = find(&cf, &caller, &guid)?;
    caller.require_admin()?;
    let operation = cf
        .control
        .delete_organization(&caller.principal, Dialect::CloudFoundry, &organization.id)
        .await?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn list_domains(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let (organization, _) = find(&cf, &caller, &guid)?;
    let query = ListQuery::parse(raw.as_deref(), &domains::LIST)?;
    let question = domains::question(&query);
    let found = cf
        .tenancy()
        .list_organization_domains(&organization.id, question)
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|row| domains::to_wire(row, cf.urls(), &caller.grants))
        .collect();
    let path = format!("/v3/organizations/{guid}/domains");
    Ok(Json(page::answer(
        cf.urls(),
        &path,
        &query,
        found.total,
        rows,
    )))
}

async fn default_domain(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (organization, _) = find(&cf, &caller, &guid)?;
    let domain = cf.tenancy().default_domain(&organization.id)?;
    let domain = domain.ok_or_else(|| ApiError::not_found("Domain"))?;
    Ok(Json(domains::to_wire(&domain, cf.urls(), &caller.grants)))
}

async fn usage_summary(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (organization, _) = find(&cf, &caller, &guid)?;
    let counts = cf.tenancy().organization_counts(&organization.id).await?;
    Ok(Json(view::usage_summary(&organization, &counts, cf.urls())))
}

async fn list_users(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let (organization, _) = find(&cf, &caller, &guid)?;
    let path = format!("/v3/organizations/{guid}/users");
    users::answer_list(
        &cf,
        &caller,
        raw.as_deref(),
        &path,
        Some((organization.id, None)),
    )
    .await
}

async fn isolation_segment(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    find(&cf, &caller, &guid)?;
    Ok(Json(view::no_isolation_segment(&guid, cf.urls())))
}

/// There are no isolation segments, so only "none" can be set.
async fn set_isolation_segment(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Response> {
    let (_, access) = find(&cf, &caller, &guid)?;
    require_manager(&access)?;
    if body.get("data") == Some(&json!(null)) {
        return Ok(Json(view::no_isolation_segment(&guid, cf.urls())).into_response());
    }
    Err(ApiError::unprocessable(
        "Unable to assign isolation segment. Ensure that the isolation segment exists and you \
         have access to it.",
    ))
}
