//! `/v3/domains` (route reservations are with the routes).

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete as delete_method, get};
use axum::{Json, Router};
use serde_json::Value;
use windlass_control::error::Error;
use windlass_control::listing::{Column, ListQuery as Question};
use windlass_control::routes::RouteError;
use windlass_engine::id::{DomainId, OrganizationId};
use windlass_engine::records::Domain;

use crate::auth::{Authenticated, require_manager};
use crate::body::{JsonObject, Validator};
use crate::error::{ApiError, ApiResult};
use crate::links::to_many;
use crate::path::{Guid, Params};
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::{feature_flags, jobs, organizations, page};

mod request;
mod view;

pub(crate) use view::domain as to_wire;

pub(crate) const LIST: ListSpec = ListSpec::with_filters(&["names", "organization_guids"]);

pub(crate) fn routes() -> Router<CfState> {
    let shared = "/v3/domains/{guid}/relationships/shared_organizations";
    Router::new()
        .route("/v3/domains", get(list).post(create))
        .route("/v3/domains/{guid}", get(show).patch(update).delete(delete))
        .route(shared, get(list_shares).post(share))
        .route(
            &format!("{shared}/{{organization}}"),
            delete_method(unshare),
        )
}

/// The question that control takes.
pub(crate) fn question(query: &ListQuery) -> Question {
    query.question(&[
        ("names", Column::Name),
        ("organization_guids", Column::Organization),
    ])
}

/// The domain, if the caller sees it.
pub(crate) fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Domain> {
    cf.tenancy()
        .domain(&caller.grants, &DomainId::from(guid))?
        .ok_or_else(|| ApiError::not_found("Domain"))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let found = cf
        .tenancy()
        .list_domains(&caller.grants, question(&query))
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|row| to_wire(row, cf.urls(), &caller.grants))
        .collect();
    Ok(Json(page::answer(
        cf.urls(),
        "/v3/domains",
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
    Ok(Json(to_wire(
        &find(&cf, &caller, &guid)?,
        cf.urls(),
        &caller.grants,
    )))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let new = request::create(&body)?;
    match &new.organization {
        None => caller.require_admin()?,
        Some(organization) => {
            let (_, access) = organizations::find(&cf, &caller, organization.as_str())
                .map_err(|_| invalid_organization(organization))?;
            require_manager(&access)?;
            if !caller.principal.is_admin() {
                feature_flags::require(&cf, "private_domain_creation")?;
            }
        }
    }
    for organization in &new.shared_with {
        manageable(&cf, &caller, organization)?;
    }
    let domain = cf
        .tenancy()
        .create_domain(&caller.principal.actor(), new)
        .await?;
    Ok((
        StatusCode::CREATED,
        Json(to_wire(&domain, cf.urls(), &caller.grants)),
    )
        .into_response())
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let domain = find(&cf, &caller, &guid)?;
    require_owner(&cf, &caller, &domain)?;
    let mut check = Validator::new();
    check.known_fields(&body, "", &["metadata"]);
    let patch = check.metadata(&body);
    check.finish()?;
    let changed = cf
        .tenancy()
        .update_domain(&domain.id, patch.apply(&domain.metadata)?)
        .await?;
    Ok(Json(to_wire(&changed, cf.urls(), &caller.grants)))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let domain = find(&cf, &caller, &guid)?;
    require_owner(&cf, &caller, &domain)?;
    if !domain.shared_with.is_empty() {
        return Err(ApiError::unprocessable(
            "This domain is shared with other organizations. Unshare before deleting.",
        ));
    }
    let done = cf
        .control
        .delete_domain(&caller.principal.actor(), &domain.id)
        .await;
    let operation = done.map_err(|error| match error {
        RouteError::Other(error) => ApiError::from(error),
        RouteError::Refused(refusal) => ApiError::unprocessable(refusal.to_string()),
    })?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn list_shares(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let domain = find(&cf, &caller, &guid)?;
    Ok(Json(to_many(view::visible_shares(&domain, &caller.grants))))
}

async fn share(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let domain = find(&cf, &caller, &guid)?;
    let mut check = Validator::new();
    let guids = check.to_many_body(&body);
    check.finish()?;
    require_owner(&cf, &caller, &domain)?;
    let organizations: Vec<OrganizationId> = guids.into_iter().map(OrganizationId::from).collect();
    for organization in &organizations {
        manageable(&cf, &caller, organization)?;
    }
    let changed = cf.tenancy().share_domain(&domain.id, organizations).await.map_err(|error| {
        match error {
            Error::Conflict(_) => {
                ApiError::unprocessable("Domains can not be shared with other organizations unless they are scoped to an organization.")
            }
            other => other.into(),
        }
    })?;
    Ok(Json(to_many(view::visible_shares(
        &changed,
        &caller.grants,
    ))))
}

async fn unshare(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Response> {
    let domain = find(&cf, &caller, params.get("guid")?)?;
    let organization = OrganizationId::from(params.get("organization")?);
    if require_owner(&cf, &caller, &domain).is_err() {
        manageable(&cf, &caller, &organization)?;
    }
    cf.tenancy()
        .unshare_domain(&domain.id, &organization)
        .await
        .map_err(|error| match error {
            Error::Conflict(_) => ApiError::unprocessable(format!(
                "Unable to unshare domain from organization with name '{organization}'. Ensure the \
             domain is shared to this organization."
            )),
            other => other.into(),
        })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Shared domains belong to the administrators, private ones to the managers of their owner.
fn require_owner(cf: &CfState, caller: &Authenticated, domain: &Domain) -> ApiResult<()> {
    match &domain.organization {
        None => caller.require_admin(),
        Some(owner) => {
            let (_, access) = organizations::find(cf, caller, owner.as_str())
                .map_err(|_| ApiError::not_authorized())?;
            require_manager(&access)
        }
    }
}

fn manageable(cf: &CfState, caller: &Authenticated, id: &OrganizationId) -> ApiResult<()> {
    let found = organizations::find(cf, caller, id.as_str());
    match found {
        Ok((_, access)) if access.manage => Ok(()),
        _ => Err(invalid_organization(id)),
    }
}

fn invalid_organization(id: &OrganizationId) -> ApiError {
    ApiError::unprocessable(format!(
        "Organization with guid '{id}' does not exist or you do not have access to it."
    ))
}
