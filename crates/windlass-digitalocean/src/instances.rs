//! `/v2/apps/{id}/instances`: what runs of an app.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_engine::app::AppState;
use windlass_engine::configuration::ComponentRole;
use windlass_engine::instance::Instance;

use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::path::Params;
use crate::place;
use crate::server::DoState;

pub(crate) fn routes() -> Router<DoState> {
    Router::new().route("/v2/apps/{id}/instances", get(list))
}

async fn list(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::app(&state, &caller, &params)?;
    let own = place.state(&state)?;
    let mut running: Vec<&Instance> = own
        .instances
        .values()
        .filter(|instance| instance.is_routable())
        .collect();
    running.sort_by(|a, b| (&a.component, a.index, a.id).cmp(&(&b.component, b.index, b.id)));
    let instances: Vec<Value> = running
        .into_iter()
        .map(|instance| object(&own, instance))
        .collect();
    Ok(Json(json!({ "instances": instances })))
}

fn object(state: &AppState, instance: &Instance) -> Value {
    let kind = match state.role_in(&instance.revision, &instance.component) {
        Some(ComponentRole::Worker) => "WORKER",
        Some(ComponentRole::Job(_)) => "JOB",
        Some(
            ComponentRole::Routed
            | ComponentRole::Static
            | ComponentRole::OnDemand
            | ComponentRole::Template,
        )
        | None => "SERVICE",
    };
    json!({
        "component_name": instance.component,
        "component_type": kind,
        "instance_name": format!("{}-{}-{}", instance.component, instance.id, instance.run),
        "instance_alias": format!("{}-{}", instance.component, instance.index),
    })
}
