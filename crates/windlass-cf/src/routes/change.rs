//! Changing the destinations of a route.

use std::collections::BTreeSet;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, patch};
use axum::{Json, Router};
use serde_json::{Map, Value};
use windlass_control::routes::{
    ChangeDestinations, NewDestination, RouteError, RouteRefusal, with_inserted, with_replaced,
};
use windlass_engine::id::{AppId, ComponentName, DestinationId};
use windlass_engine::records::{Destination, Route};

use super::destinations::{self, Change};
use super::{Found, find, refusal, view};
use crate::apps::access;
use crate::auth::{Authenticated, require_in_space};
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::path::{Guid, Params};
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;

const LIST: ListSpec = ListSpec {
    filters: &["app_guids"],
    order: &[],
    includes: &[],
    labels: false,
};

pub(super) fn routes() -> Router<CfState> {
    Router::new()
        .route(
            "/v3/routes/{guid}/destinations",
            get(list).post(insert).patch(replace),
        )
        .route(
            "/v3/routes/{guid}/destinations/{destination}",
            patch(update).delete(delete),
        )
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let found = find(&cf, &caller, &guid)?;
    let shown: Vec<&Destination> = found
        .route
        .destinations
        .iter()
        .filter(|it| query.accepts("guids", it.id.as_str()))
        .filter(|it| query.accepts("app_guids", it.app.as_str()))
        .collect();
    Ok(Json(view::destinations(cf.urls(), &found.route, &shown)))
}

pub(crate) async fn insert(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    change_all(&cf, &caller, &guid, &body, Change::Insert).await
}

async fn replace(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    change_all(&cf, &caller, &guid, &body, Change::Replace).await
}

async fn change_all(
    cf: &CfState,
    caller: &Authenticated,
    guid: &str,
    body: &Map<String, Value>,
    change: Change,
) -> ApiResult<Json<Value>> {
    let wanted = destinations::destinations(body, change)?;
    let found = find(cf, caller, guid)?;
    require_in_space(&found.access, |access| access.operate)?;
    let wanted: Vec<NewDestination> = wanted
        .into_iter()
        .map(|new| NewDestination {
            app: AppId::new(new.app_guid),
            component: ComponentName::new(new.process_type),
            weight: new.weight,
            port: new.port,
            protocol: new.protocol,
        })
        .collect();
    check_apps(cf, caller, &found, &wanted)?;
    let rule: ChangeDestinations = Box::new(move |before| {
        let mut id = new_id;
        match change {
            Change::Insert => with_inserted(before, &wanted, &mut id),
            Change::Replace => with_replaced(before, &wanted, &mut id),
        }
    });
    let route = apply(cf, caller, &found, rule).await?;
    let all: Vec<&Destination> = route.destinations.iter().collect();
    Ok(Json(view::destinations(cf.urls(), &route, &all)))
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let protocol = destinations::update(&body)?;
    let found = find(&cf, &caller, params.get("guid")?)?;
    require_in_space(&found.access, |access| access.operate)?;
    let id = DestinationId::from(params.get("destination")?);
    let wanted = id.clone();
    let rule: ChangeDestinations = Box::new(move |before| {
        let mut after = before.to_vec();
        let destination = after.iter_mut().find(|it| it.id == wanted);
        let destination = destination.ok_or(RouteRefusal::NoSuchDestination)?;
        if let Some(protocol) = protocol {
            destination.protocol = protocol;
        }
        Ok(after)
    });
    let route = apply(&cf, &caller, &found, rule).await?;
    let destination = route.destinations.iter().find(|it| it.id == id);
    let destination = destination.ok_or_else(|| ApiError::not_found("Destination"))?;
    Ok(Json(view::single_destination(
        cf.urls(),
        &route,
        destination,
    )))
}

pub(crate) async fn delete(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult {
    let found = find(&cf, &caller, params.get("guid")?)?;
    require_in_space(&found.access, |access| access.operate)?;
    let wanted = DestinationId::from(params.get("destination")?);
    let rule: ChangeDestinations = Box::new(move |before| {
        let destination = before.iter().find(|it| it.id == wanted);
        let destination = destination.ok_or(RouteRefusal::NoSuchDestination)?;
        if destination.weight.is_some() {
            return Err(RouteRefusal::DeleteOfWeighted);
        }
        Ok(before
            .iter()
            .filter(|it| it.id != wanted)
            .cloned()
            .collect())
    });
    apply(&cf, &caller, &found, rule).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn apply(
    cf: &CfState,
    caller: &Authenticated,
    found: &Found,
    rule: ChangeDestinations,
) -> ApiResult<Route> {
    let actor = caller.principal.actor();
    let changed = cf
        .control
        .change_destinations(&actor, &found.route.id, rule)
        .await;
    changed.map_err(|error| refused(error, found))
}

/// An error of a change, in Cloud Foundry's words.
pub(super) fn refused(error: RouteError, found: &Found) -> ApiError {
    match error {
        RouteError::Refused(refusal) => refusal::of_destinations(&refusal, found),
        RouteError::Other(error) => ApiError::from(error),
    }
}

/// Apps that do not exist, or that the caller does not see, are named all together.
fn check_apps(
    cf: &CfState,
    caller: &Authenticated,
    found: &Found,
    wanted: &[NewDestination],
) -> ApiResult<()> {
    let ids: BTreeSet<&AppId> = wanted.iter().map(|new| &new.app).collect();
    let mut missing = Vec::new();
    let mut is_elsewhere = false;
    for id in ids {
        match access::look_up(cf, caller, id)? {
            Some(place) => is_elsewhere |= place.app.space != found.route.space,
            None => missing.push(crate::checks::echo(id.as_str())),
        }
    }
    if !missing.is_empty() {
        let list = missing.join("\", \"");
        return Err(ApiError::unprocessable(format!(
            "App(s) with guid(s) \"{list}\" do not exist or you do not have access."
        )));
    }
    if is_elsewhere {
        return Err(refusal::of_destinations(&RouteRefusal::AppElsewhere, found));
    }
    Ok(())
}

fn new_id() -> DestinationId {
    DestinationId::new(uuid::Uuid::new_v4().to_string())
}
