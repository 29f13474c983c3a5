//! `/deployments/{deployment}/builds`: a deployment has one.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::find;
use super::view::{Shown, Surroundings};
use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::path::Params;
use crate::query::Pairs;
use crate::server::{REGION, VercelState};

pub(super) async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let found = find::deployment(&state, &caller, &query, params.get("deployment")).await?;
    let around = Surroundings::read(&state, &found).await?;
    let shown = Shown::new(&found, &around);
    let id = found.record.id.as_str();
    let stamps = found.record.stamps;
    Ok(Json(json!({"builds": [{
        "id": format!("bld_{}", id.trim_start_matches("dpl_")),
        "deploymentId": id,
        "entrypoint": ".",
        "readyState": shown.ready.as_str(),
        "readyStateAt": stamps.updated_at.0,
        "scheduledAt": stamps.created_at.0,
        "createdAt": stamps.created_at.0,
        "createdIn": REGION,
        "use": "@vercel/build",
        "config": {},
        "output": [],
        "fingerprint": null,
    }]})))
}
