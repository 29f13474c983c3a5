//! The current droplet of an app.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::commands::Caller;
use windlass_engine::records::Artifact;

use super::access::{self, Place};
use super::{droplet, request, view};
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::droplets;
use crate::error::{ApiError, ApiResult};
use crate::path::Guid;
use crate::server::CfState;

pub(super) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/apps/{guid}/droplets/current", get(show))
        .route(
            "/v3/apps/{guid}/relationships/current_droplet",
            get(relationship).patch(assign),
        )
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, &guid)?;
    let droplet = current(&cf, &place)?;
    Ok(Json(droplets::view::droplet(
        cf.urls(),
        &droplet,
        place.access.read_secrets,
    )))
}

async fn relationship(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, &guid)?;
    let droplet = current(&cf, &place)?;
    Ok(Json(view::current_droplet(
        cf.urls(),
        &place.app,
        &droplet.id,
    )))
}

async fn assign(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let droplet_guid = request::assign_droplet(&body)?;
    let place = access::find(&cf, &caller, &guid)?;
    place.require_operate()?;
    let state = place.state(&cf)?;
    let droplet = droplet::assignable(&cf, &place.app.id, &droplet_guid)?;
    let mut extra = place.audit(
        &caller,
        "audit.app.droplet.mapped",
        json!({"request": {"droplet_guid": droplet.id}}),
    );
    extra.audit.extend(new_process_events(
        &caller,
        &place,
        &state.configuration,
        &droplet,
    ));
    let edits = droplet::edits(&state.configuration, &droplet);
    let by = Caller::from(&caller.principal);
    cf.control
        .edit_app(&place.app.id, edits, &by, true, extra)
        .await?;
    Ok(Json(view::current_droplet(
        cf.urls(),
        &place.app,
        &droplet.id,
    )))
}

/// One event for each process type that a droplet brings.
pub(crate) fn new_process_events(
    caller: &Authenticated,
    place: &Place,
    configuration: &windlass_engine::configuration::Configuration,
    droplet: &Artifact,
) -> Vec<windlass_engine::records::AuditEvent> {
    droplet::new_types(configuration, droplet)
        .map(|name| {
            let guid = crate::guid::process(&place.app.id, &name);
            let data = json!({"process_guid": guid, "process_type": name});
            place.event(caller, "audit.app.process.create", data)
        })
        .collect()
}

fn current(cf: &CfState, place: &Place) -> ApiResult<Artifact> {
    let missing = || ApiError::not_found("Droplet");
    let id = place
        .state(cf)?
        .configuration
        .artifact
        .ok_or_else(missing)?;
    cf.control.find_artifact(&id)?.ok_or_else(missing)
}
