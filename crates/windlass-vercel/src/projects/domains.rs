//! `/projects/{project}/domains`: hosts that lead to what a project runs. They lie directly below a
//! domain of the team; the first to ask for one has it.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use windlass_engine::id::ComponentName;
use windlass_engine::records::{Metadata, Route, WantedHost};

use super::view::production_hosts;
use crate::aliases::{address, refused};
use crate::auth::Authenticated;
use crate::body::{self, Ignored, JsonObject};
use crate::deployments::COMPONENT;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place::{self, Place};
use crate::query::Pairs;
use crate::server::VercelState;

/// Members that ask for something which is not there.
const NOT_OFFERED: [&str; 4] = [
    "redirect",
    "redirectStatusCode",
    "gitBranch",
    "customEnvironmentId",
];

fn to_wire(place: &Place, route: &Route) -> Value {
    let apex = route.full_host.split_once('.').map_or("", |(_, apex)| apex);
    json!({
        "name": route.full_host,
        "apexName": apex,
        "projectId": place.app.id,
        "redirect": null,
        "redirectStatusCode": null,
        "gitBranch": null,
        "customEnvironmentId": null,
        "createdAt": route.stamps.created_at.0,
        "updatedAt": route.stamps.updated_at.0,
        // Whoever may add a host below a domain has the domain.
        "verified": true,
    })
}

fn refuse_more(object: &Map<String, Value>) -> ApiResult<()> {
    let asks = |name: &&str| object.get(*name).is_some_and(|value| !value.is_null());
    match NOT_OFFERED.into_iter().find(asks) {
        Some(name) => Err(ApiError::bad_request(format!(
            "`{name}` of a domain is not offered by this Windlass"
        ))),
        None => Ok(()),
    }
}

pub(super) async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let routes = production_hosts(&state, &place.app).await?;
    let domains: Vec<Value> = routes.iter().map(|route| to_wire(&place, route)).collect();
    let count = domains.len();
    Ok(Json(json!({
        "domains": domains,
        "pagination": {"count": count, "next": null, "prev": null},
    })))
}

pub(super) async fn add(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let name = body::text(&object, "name")?.ok_or_else(|| body::kind("name", "a string"))?;
    refuse_more(&object)?;
    let route = put(&state, &caller, &place, &name).await?;
    Ok(Json(to_wire(&place, &route)))
}

/// The same as the command line sends it; its answer are all domains of the project.
pub(super) async fn add_as_alias(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let name = body::text(&object, "domain")?.ok_or_else(|| body::kind("domain", "a string"))?;
    if body::text(&object, "target")?.is_some_and(|target| target != "PRODUCTION") {
        return Err(ApiError::bad_request("`target` should be PRODUCTION"));
    }
    refuse_more(&object)?;
    put(&state, &caller, &place, &name).await?;
    let routes = production_hosts(&state, &place.app).await?;
    let targets = routes.iter().map(|route| {
        json!({
            "domain": route.full_host,
            "target": "PRODUCTION",
            "createdAt": route.stamps.created_at.0,
        })
    });
    Ok(Json(targets.collect()))
}

async fn put(
    state: &VercelState,
    caller: &Authenticated,
    place: &Place,
    name: &str,
) -> ApiResult<Route> {
    place.require_write()?;
    let (label, domain) = address(state, &place.organization, name).await?;
    let data = json!({"domain": format!("{label}.{}", domain.name)});
    let extra = place.audit(caller, "audit.app.domain.add", data);
    let host = WantedHost {
        domain: domain.id,
        label,
        component: ComponentName::from(COMPONENT),
        metadata: Metadata::default(),
    };
    let actor = caller.principal.actor();
    let added = state.control.add_host(&actor, &place.app.id, host, extra);
    added.await.map_err(refused)
}

/// The domain of a project that a path names.
async fn named(
    state: &VercelState,
    caller: &Authenticated,
    query: &Pairs,
    params: &Params,
) -> ApiResult<(Place, Route)> {
    let place = place::project(state, caller, query, params.get("project")).await?;
    let name = params.get("domain").to_ascii_lowercase();
    let routes = production_hosts(state, &place.app).await?;
    let found = routes.into_iter().find(|route| route.full_host == name);
    let route = found.ok_or_else(|| ApiError::not_found("Domain"))?;
    Ok((place, route))
}

pub(super) async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let (place, route) = named(&state, &caller, &query, &params).await?;
    Ok(Json(to_wire(&place, &route)))
}

/// There is nothing of a domain that can be changed: what asks for nothing is answered.
pub(super) async fn update(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let (place, route) = named(&state, &caller, &query, &params).await?;
    place.require_write()?;
    refuse_more(&object)?;
    Ok(Json(to_wire(&place, &route)))
}

/// A domain of a project is one of its team, so it is verified.
pub(super) async fn verify(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let (place, route) = named(&state, &caller, &query, &params).await?;
    Ok(Json(to_wire(&place, &route)))
}

pub(super) async fn remove(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let (place, route) = named(&state, &caller, &query, &params).await?;
    place.require_write()?;
    let actor = caller.principal.actor();
    let removed = state.control.delete_route(&actor, &route.id).await;
    removed.map_err(refused)?;
    Ok(Json(json!({})))
}
