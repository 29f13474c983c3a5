//! `/v2/account`: who the token belongs to.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::place;
use crate::server::DoState;

pub(crate) fn routes() -> Router<DoState> {
    Router::new().route("/v2/account", get(show))
}

async fn show(State(state): State<DoState>, caller: Authenticated) -> ApiResult<Json<Value>> {
    let user = &caller.principal.user;
    let mut account = json!({
        "uuid": user.id,
        "email": user.name,
        "email_verified": true,
        "name": user.name,
        "status": "active",
        "status_message": "",
        "droplet_limit": 0,
        "floating_ip_limit": 0,
        "reserved_ip_limit": 0,
        "volume_limit": 0,
    });
    // Who has no team yet is somebody all the same.
    if let Ok(home) = place::home(&state, &caller, None).await {
        account["team"] = json!({
            "uuid": home.organization.id,
            "name": home.organization.name,
        });
    }
    Ok(Json(json!({ "account": account })))
}
