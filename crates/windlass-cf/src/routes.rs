//! `/v3/routes`: addresses and where they lead.

use std::collections::BTreeSet;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::identity::SpaceAccess;
use windlass_control::listing::{Cell, Column, Filter, ListQuery as Question};
use windlass_control::routes::{NewRoute, RouteError};
use windlass_engine::id::{DomainId, RouteId, SpaceId};
use windlass_engine::records::{Domain, Metadata, Route, RouteOptions};

use crate::apps::access;
use crate::auth::{Authenticated, require_in_space};
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::path::Guid;
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::{domains, feature_flags, jobs, page, spaces};

pub(crate) mod change;
pub(crate) mod destinations;
mod refusal;
pub(crate) mod request;
mod sharing;
pub(crate) mod view;

const LIST: ListSpec = ListSpec {
    filters: &[
        "hosts",
        "space_guids",
        "organization_guids",
        "domain_guids",
        "paths",
        "app_guids",
        "ports",
        "service_instance_guids",
    ],
    order: &[],
    includes: &["domain", "space", "space.organization"],
    labels: true,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/routes", get(list).post(create))
        .route("/v3/routes/{guid}", get(show).patch(update).delete(delete))
        .route("/v3/apps/{guid}/routes", get(list_of_app))
        .route(
            "/v3/spaces/{guid}/routes",
            axum::routing::delete(delete_unmapped),
        )
        .route("/v3/domains/{guid}/route_reservations", get(reservation))
        .merge(change::routes())
        .merge(sharing::routes())
}

/// A route, and what the caller may do with it.
struct Found {
    route: Route,
    access: SpaceAccess,
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let mut question = question(&query);
    if let Some(apps) = query.values("app_guids") {
        question
            .filters
            .push(Filter::one_of(Column::App, apps.iter().map(String::as_str)));
    }
    answer(&cf, &caller, &query, question, "/v3/routes").await
}

async fn list_of_app(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let place = access::find(&cf, &caller, &guid)?;
    let mut question = question(&query);
    question
        .filters
        .push(Filter::is(Column::App, place.app.id.as_str()));
    let path = format!("/v3/apps/{}/routes", place.app.id);
    answer(&cf, &caller, &query, question, &path).await
}

fn question(query: &ListQuery) -> Question {
    let mut question = query.question(&[
        ("space_guids", Column::Space),
        ("organization_guids", Column::Organization),
        ("domain_guids", Column::Domain),
    ]);
    // An empty element means "no host" and "no path", which rows keep as empty texts.
    for (name, column) in [("hosts", Column::Host), ("paths", Column::Path)] {
        if let Some(values) = query.values(name) {
            let cells = values
                .iter()
                .map(|value| Cell::from(value.to_lowercase().as_str()));
            let exact = values.iter().map(|value| Cell::from(value.as_str()));
            let cells = if column == Column::Host {
                cells.collect()
            } else {
                exact.collect()
            };
            question.filters.push(Filter::In(column, cells));
        }
    }
    // HTTP routes have no ports, and nothing is bound to a service.
    let is_without = query
        .values("ports")
        .is_some_and(|ports| !ports.iter().any(|port| port.is_empty() || port == "0"));
    if is_without || query.values("service_instance_guids").is_some() {
        question.filters.push(Filter::Any(Vec::new()));
    }
    question
}

async fn answer(
    cf: &CfState,
    caller: &Authenticated,
    query: &ListQuery,
    question: Question,
    path: &str,
) -> ApiResult<Json<Value>> {
    let found = cf
        .control
        .list_routes(&caller.grants.visible_spaces(), question)
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|route| view::route(cf.urls(), route))
        .collect();
    let included = included(cf, caller, query, &found.rows)?;
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(
        cf.urls(),
        path,
        query,
        total,
        rows,
        included,
    )))
}

fn included(
    cf: &CfState,
    caller: &Authenticated,
    query: &ListQuery,
    routes: &[Route],
) -> ApiResult<Option<Value>> {
    if query.include.is_empty() {
        return Ok(None);
    }
    let mut included = json!({});
    if query.includes("domain") {
        let ids: BTreeSet<&DomainId> = routes.iter().map(|route| &route.domain).collect();
        let mut found = Vec::new();
        for id in ids {
            if let Some(domain) = cf.tenancy().domain(&caller.grants, id)? {
                found.push(domains::to_wire(&domain, cf.urls(), &caller.grants));
            }
        }
        included["domains"] = Value::Array(found);
    }
    if query.includes("space") || query.includes("space.organization") {
        let ids: BTreeSet<&SpaceId> = routes.iter().map(|route| &route.space).collect();
        let (mut of_spaces, mut of_organizations) = (Vec::new(), Vec::new());
        for id in ids {
            if let Some((organization, space)) = cf.tenancy().space(id)? {
                of_spaces.push(spaces::to_wire(&space, cf.urls()));
                let wire = crate::organizations::to_wire(&organization, cf.urls());
                if !of_organizations.contains(&wire) {
                    of_organizations.push(wire);
                }
            }
        }
        included["spaces"] = Value::Array(of_spaces);
        if query.includes("space.organization") {
            included["organizations"] = Value::Array(of_organizations);
        }
    }
    Ok(Some(included))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let parameters = only_parameters(raw.as_deref(), &["include"])?;
    let found = find(&cf, &caller, &guid)?;
    let mut wire = view::route(cf.urls(), &found.route);
    if let Some(asked) = parameters.get("include") {
        let query = ListQuery::parse(Some(&format!("include={asked}")), &LIST)?;
        let routes = std::slice::from_ref(&found.route);
        if let Some(included) = included(&cf, &caller, &query, routes)? {
            wire["included"] = included;
        }
    }
    Ok(Json(wire))
}

pub(crate) async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    if !caller.principal.is_admin() {
        feature_flags::require(&cf, "route_creation")?;
    }
    let request = request::create(&body)?;
    let space_id = SpaceId::from(request.space_guid.as_str());
    let Some((organization, space, access)) =
        cf.tenancy().space_access(&caller.grants, &space_id)?
    else {
        return Err(ApiError::unprocessable(
            "Invalid space. Ensure that the space exists and you have access to it.",
        ));
    };
    let domain_id = DomainId::from(request.domain_guid.as_str());
    let Some(domain) = cf.tenancy().domain(&caller.grants, &domain_id)? else {
        return Err(ApiError::unprocessable(
            "Invalid domain. Ensure that the domain exists and you have access to it.",
        ));
    };
    require_in_space(&access, |access| access.operate)?;
    check_wildcard(&caller, &domain, &request.host)?;
    if request.port.is_some_and(|port| port != 0) {
        return Err(ApiError::unprocessable(
            "Routes with protocol 'http' do not support ports.",
        ));
    }
    let new = NewRoute {
        space: space.id.clone(),
        domain: domain.id.clone(),
        host: request.host.clone(),
        path: request.path.clone(),
        options: patched(&RouteOptions::new(), request.options),
        metadata: request.metadata.apply(&Metadata::default())?,
    };
    let route = cf
        .control
        .create_route(&caller.principal.actor(), new)
        .await;
    let route = route.map_err(|error| match error {
        RouteError::Refused(refusal) => refusal::of_address(
            &refusal,
            &request.host,
            &request.path,
            &domain,
            &organization,
        ),
        RouteError::Other(error) => ApiError::from(error),
    })?;
    Ok((StatusCode::CREATED, Json(view::route(cf.urls(), &route))).into_response())
}

/// A wildcard on a shared domain would take the traffic of all tenants.
fn check_wildcard(caller: &Authenticated, domain: &Domain, host: &str) -> ApiResult<()> {
    if host == "*" && domain.organization.is_none() && !caller.principal.is_admin() {
        return Err(ApiError::unprocessable(
            "You do not have sufficient permissions to create a route with a wildcard host on a \
             domain not scoped to an organization.",
        ));
    }
    Ok(())
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let request = request::update(&body)?;
    let found = find(&cf, &caller, &guid)?;
    require_in_space(&found.access, |access| access.operate)?;
    let options = patched(&found.route.options, request.options);
    let metadata = request.metadata.apply(&found.route.metadata)?;
    let actor = caller.principal.actor();
    let route = cf
        .control
        .update_route(&actor, &found.route.id, Some(options), Some(metadata))
        .await
        .map_err(|error| change::refused(error, &found))?;
    Ok(Json(view::route(cf.urls(), &route)))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let found = find(&cf, &caller, &guid)?;
    require_in_space(&found.access, |access| access.operate)?;
    let operation = cf
        .control
        .delete_route(&caller.principal.actor(), &found.route.id)
        .await
        .map_err(|error| change::refused(error, &found))?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn delete_unmapped(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult {
    let parameters = only_parameters(raw.as_deref(), &["unmapped"])?;
    if parameters.get("unmapped").map(String::as_str) != Some("true") {
        return Err(ApiError::unprocessable(
            "Mass delete not supported for routes. Use 'unmapped' parameter to delete all \
             unmapped routes.",
        ));
    }
    let (_, space, access) = spaces::find(&cf, &caller, &guid)?;
    require_in_space(&access, |access| access.operate)?;
    let done = cf
        .control
        .delete_unmapped_routes(&caller.principal.actor(), &space.id)
        .await;
    let operation = done.map_err(|error| match error {
        RouteError::Other(error) => ApiError::from(error),
        RouteError::Refused(refusal) => ApiError::unprocessable(refusal.to_string()),
    })?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn reservation(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let asked = only_parameters(raw.as_deref(), &["host", "path", "port"])?;
    let domain = cf
        .tenancy()
        .domain(&caller.grants, &DomainId::from(guid.as_str()))?
        .ok_or_else(|| ApiError::not_found("Domain"))?;
    let part = |name: &str| asked.get(name).map_or("", String::as_str);
    let has_port = !matches!(part("port"), "" | "0");
    let host = part("host").to_lowercase();
    let route = cf.control.route_at(&domain.id, &host, part("path"))?;
    Ok(Json(
        json!({"matching_route": route.is_some() && !has_port}),
    ))
}

/// A route that the caller sees.
fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Found> {
    let missing = || ApiError::not_found("Route");
    let route = cf
        .control
        .route(&RouteId::from(guid))?
        .ok_or_else(missing)?;
    let place = cf.tenancy().space_access(&caller.grants, &route.space)?;
    let (_, _, access) = place.ok_or_else(missing)?;
    Ok(Found { route, access })
}

/// Options with changes; `None` deletes one.
fn patched(old: &RouteOptions, changes: request::Options) -> RouteOptions {
    let mut options = old.clone();
    for (name, value) in changes {
        match value {
            Some(value) => options.insert(name, value),
            None => options.remove(&name),
        };
    }
    options
}
