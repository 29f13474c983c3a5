//! `/v2/apps/{id}/health`: how the components of an app are.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::instances::InstanceUsage;
use windlass_engine::app::AppState;
use windlass_engine::configuration::ComponentRole;
use windlass_engine::id::ComponentName;

use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::path::Params;
use crate::place;
use crate::server::DoState;

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more")]
const MIB: f64 = (1024_u64 * 1024) as f64;

pub(crate) fn routes() -> Router<DoState> {
    Router::new().route("/v2/apps/{id}/health", get(show))
}

async fn show(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::app(&state, &caller, &params)?;
    let own = place.state(&state)?;
    let seen = state.control.seen_instances(&own).await?;
    let mut components = Vec::new();
    for name in serving_components(&own) {
        let usage: Vec<InstanceUsage> = own
            .instances
            .values()
            .filter(|instance| instance.component == name && instance.is_routable())
            .filter_map(|instance| seen.get(&instance.id)?.usage)
            .collect();
        components.push(object(&own, &name, &usage));
    }
    Ok(Json(json!({"app_health": {"components": components}})))
}

/// Components of what serves that have instances.
fn serving_components(state: &AppState) -> Vec<ComponentName> {
    let revision = state.base.as_ref().and_then(|id| state.revisions.get(id));
    revision
        .into_iter()
        .flat_map(|revision| &revision.configuration.components)
        .filter(|(_, config)| matches!(config.role, ComponentRole::Routed | ComponentRole::Worker))
        .map(|(name, _)| name.clone())
        .collect()
}

fn object(state: &AppState, name: &ComponentName, usage: &[InstanceUsage]) -> Value {
    let desired = state.scale_of(name);
    let ready = state
        .base
        .as_ref()
        .map_or(0, |base| state.routable(base, name));
    let health = match (ready, desired) {
        (_, 0) => "UNKNOWN",
        (ready, desired) if ready >= desired => "HEALTHY",
        _ => "UNHEALTHY",
    };
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(name));
    if let Some((cpu, memory)) = percentages(state, name, usage) {
        object.insert("cpu_usage_percent".to_owned(), json!(cpu));
        object.insert("memory_usage_percent".to_owned(), json!(memory));
    }
    object.insert("replicas_desired".to_owned(), json!(desired));
    object.insert("replicas_ready".to_owned(), json!(ready));
    object.insert("state".to_owned(), json!(health));
    Value::Object(object)
}

/// Means over the instances, percent of one processor and of the memory of the size.
#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more")]
fn percentages(
    state: &AppState,
    name: &ComponentName,
    usage: &[InstanceUsage],
) -> Option<(f64, f64)> {
    let count = usage.len() as f64;
    if usage.is_empty() {
        return None;
    }
    let config = state
        .revisions
        .get(state.base.as_ref()?)?
        .configuration
        .components
        .get(name)?;
    let limit_bytes = config.memory_mb as f64 * MIB;
    let cpu: f64 = usage.iter().map(|usage| usage.cpu * 100.0).sum();
    let memory: f64 = usage.iter().map(|usage| usage.memory_bytes as f64).sum();
    let percent = if limit_bytes > 0.0 {
        memory / count / limit_bytes * 100.0
    } else {
        0.0
    };
    Some((cpu / count, percent))
}
