//! `/user`: who the token belongs to.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_engine::records::User;

use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::server::VercelState;
use crate::{host, place};

pub(crate) fn routes() -> Router<VercelState> {
    Router::new().route("/user", get(show))
}

async fn show(State(state): State<VercelState>, caller: Authenticated) -> ApiResult<Json<Value>> {
    let user = &caller.principal.user;
    let team = place::default_team(&state, &caller).await?;
    // There is no personal scope: `northstar` tells clients to use the default team.
    Ok(Json(json!({"user": {
        "id": user.id,
        "uid": user.id,
        "email": user.name,
        "name": user.name,
        "username": name(user),
        "avatar": null,
        "defaultTeamId": team.map(|team| team.id()),
        "version": "northstar",
        "createdAt": user.stamps.created_at.0,
        "stagingPrefix": name(user),
        "softBlock": null,
        "billing": null,
        "resourceConfig": {},
        "hasTrialAvailable": false,
    }})))
}

/// The name of a user as this API writes it: small letters, digits, hyphens.
pub(crate) fn name(user: &User) -> String {
    host::part(user.name.split('@').next().unwrap_or_default())
}
