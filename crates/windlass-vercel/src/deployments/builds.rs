//! `/deployments/{deployment}/builds`: a deployment has one.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::view::{Shown, Surroundings};
use super::{find, output};
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
    let site = output::site(&state, &found, true).await?;
    let made = site.as_ref().map(output::output).unwrap_or_default();
    Ok(Json(json!({"builds": [{
        "id": output::build_id(&found.record),
        "deploymentId": id,
        "entrypoint": ".",
        "readyState": shown.ready.as_str(),
        "readyStateAt": stamps.updated_at.0,
        "scheduledAt": found.record.began_at.map(|at| at.0),
        "createdAt": stamps.created_at.0,
        "createdIn": REGION,
        "use": "@vercel/build",
        "config": {},
        "output": made,
        "fingerprint": null,
    }]})))
}
