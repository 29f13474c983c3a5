//! `/v3/spaces` (manifests and routes of a space are elsewhere).

use std::collections::BTreeSet;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::identity::SpaceAccess;
use windlass_control::listing::Column;
use windlass_engine::id::{OrganizationId, SpaceId};
use windlass_engine::records::{Dialect, Organization, Space};

use crate::auth::{Authenticated, require_in_space, require_manager};
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::path::{Guid, Params};
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::{jobs, organizations, page, users};

mod request;
mod view;

pub(crate) use view::space as to_wire;

const LIST: ListSpec = ListSpec {
    filters: &["names", "organization_guids"],
    order: &["name"],
    includes: &["org", "organization"],
    labels: true,
};
/// Lists of things that spaces do not have here.
const NOTHING: ListSpec = ListSpec {
    filters: &["names"],
    order: &["name"],
    includes: &[],
    labels: false,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/spaces", get(list).post(create))
        .route("/v3/spaces/{guid}", get(show).patch(update).delete(delete))
        .route("/v3/spaces/{guid}/features", get(list_features))
        .route(
            "/v3/spaces/{guid}/features/{name}",
            get(show_feature).patch(update_feature),
        )
        .route("/v3/spaces/{guid}/users", get(list_users))
        .route(
            "/v3/spaces/{guid}/running_security_groups",
            get(running_security_groups),
        )
        .route(
            "/v3/spaces/{guid}/staging_security_groups",
            get(staging_security_groups),
        )
        .route(
            "/v3/spaces/{guid}/relationships/isolation_segment",
            get(isolation_segment).patch(set_isolation_segment),
        )
}

/// The space, if the caller sees it, and what they may do there.
pub(crate) fn find(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
) -> ApiResult<(Organization, Space, SpaceAccess)> {
    cf.tenancy()
        .space_access(&caller.grants, &SpaceId::from(guid))?
        .ok_or_else(|| ApiError::not_found("Space"))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let question = query.question(&[
        ("names", Column::Name),
        ("organization_guids", Column::Organization),
    ]);
    let found = cf.tenancy().list_spaces(&caller.grants, question).await?;
    let rows = found
        .rows
        .iter()
        .map(|row| to_wire(row, cf.urls()))
        .collect();
    let included = if query.include.is_empty() {
        None
    } else {
        let ids: BTreeSet<&OrganizationId> =
            found.rows.iter().map(|space| &space.organization).collect();
        Some(included_organizations(&cf, ids)?)
    };
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(
        cf.urls(),
        "/v3/spaces",
        &query,
        total,
        rows,
        included,
    )))
}

fn included_organizations<'a>(
    cf: &CfState,
    ids: impl IntoIterator<Item = &'a OrganizationId>,
) -> ApiResult<Value> {
    let mut organizations = Vec::new();
    for id in ids {
        if let Some(organization) = cf.tenancy().organization(id)? {
            organizations.push(organizations::to_wire(&organization, cf.urls()));
        }
    }
    Ok(json!({ "organizations": organizations }))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let parameters = only_parameters(raw.as_deref(), &["include"])?;
    let (organization, space, _) = find(&cf, &caller, &guid)?;
    let mut answer = to_wire(&space, cf.urls());
    match parameters.get("include").map(String::as_str) {
        None => {}
        Some("org" | "organization") => {
            answer["included"] =
                json!({ "organizations": [organizations::to_wire(&organization, cf.urls())] });
        }
        Some(other) => {
            return Err(ApiError::bad_query(format!(
                "Invalid included resource: '{other}'. Valid included resources are: 'org', \
                 'organization'"
            )));
        }
    }
    Ok(Json(answer))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let new = request::create(&body)?;
    let (_, access) =
        organizations::find(&cf, &caller, new.organization.as_str()).map_err(|_| {
            ApiError::unprocessable(
                "Invalid organization. Ensure the organization exists and you have access to it.",
            )
        })?;
    require_manager(&access)?;
    let space = cf
        .tenancy()
        .create_space(&caller.principal.actor(), new)
        .await?;
    Ok((StatusCode::CREATED, Json(to_wire(&space, cf.urls()))).into_response())
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let (_, space, access) = find(&cf, &caller, &guid)?;
    require_in_space(&access, |access| access.manage)?;
    let patch = request::update(&body, &space)?;
    let changed = cf
        .tenancy()
        .update_space(&caller.principal.actor(), &space.id, patch)
        .await?;
    Ok(Json(to_wire(&changed, cf.urls())))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let (organization, space, _) = find(&cf, &caller, &guid)?;
    require_manager(&caller.grants.organization(&organization))?;
    let operation = cf
        .control
        .delete_space(&caller.principal, Dialect::CloudFoundry, &space.id)
        .await?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn list_features(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (_, space, _) = find(&cf, &caller, &guid)?;
    Ok(Json(json!({ "resources": [view::ssh_feature(&space)] })))
}

async fn show_feature(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let (_, space, _) = find(&cf, &caller, params.get("guid")?)?;
    known_feature(params.get("name")?)?;
    Ok(Json(view::ssh_feature(&space)))
}

async fn update_feature(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let (_, space, access) = find(&cf, &caller, params.get("guid")?)?;
    known_feature(params.get("name")?)?;
    require_in_space(&access, |access| access.manage)?;
    let patch = request::feature(&body, view::SSH)?;
    let changed = cf
        .tenancy()
        .update_space(&caller.principal.actor(), &space.id, patch)
        .await?;
    Ok(Json(view::ssh_feature(&changed)))
}

fn known_feature(name: &str) -> ApiResult<()> {
    if name == view::SSH {
        Ok(())
    } else {
        Err(ApiError::not_found("Feature"))
    }
}

async fn list_users(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let (organization, space, _) = find(&cf, &caller, &guid)?;
    let path = format!("/v3/spaces/{guid}/users");
    let place = Some((organization.id, Some(space.id)));
    users::answer_list(&cf, &caller, raw.as_deref(), &path, place).await
}

async fn running_security_groups(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    no_security_groups(
        &cf,
        &caller,
        &guid,
        raw.as_deref(),
        "running_security_groups",
    )
}

async fn staging_security_groups(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    no_security_groups(
        &cf,
        &caller,
        &guid,
        raw.as_deref(),
        "staging_security_groups",
    )
}

fn no_security_groups(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
    raw: Option<&str>,
    what: &str,
) -> ApiResult<Json<Value>> {
    find(cf, caller, guid)?;
    let query = ListQuery::parse(raw, &NOTHING)?;
    Ok(Json(page::empty(
        cf.urls(),
        &format!("/v3/spaces/{guid}/{what}"),
        &query,
    )))
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
    let (_, _, access) = find(&cf, &caller, &guid)?;
    require_in_space(&access, |access| access.manage)?;
    if body.get("data") == Some(&Value::Null) {
        return Ok(Json(view::no_isolation_segment(&guid, cf.urls())).into_response());
    }
    Err(ApiError::unprocessable(
        "Unable to set isolation segment. Ensure it has been entitled to the organization that \
         this space belongs to.",
    ))
}
