//! `/user/tokens`: API tokens of the caller.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::clock;
use windlass_engine::records::Token;

use crate::auth::Authenticated;
use crate::body::{self, JsonObject};
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::server::VercelState;

/// Stands for the token of the request itself.
const CURRENT: &str = "current";

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route("/user/tokens", post(create).get(list))
        .route("/user/tokens/{token}", get(show).delete(delete))
}

async fn create(
    State(state): State<VercelState>,
    caller: Authenticated,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let name = body::text(&object, "name")?.ok_or_else(|| body::kind("name", "a string"))?;
    let ttl_seconds = match object.get("expiresAt") {
        None | Some(Value::Null) => None,
        Some(value) => {
            let ends_ms = value
                .as_i64()
                .ok_or_else(|| body::kind("expiresAt", "a number"))?;
            let left_ms = ends_ms.saturating_sub(clock::wall().0);
            if left_ms < 1_000 {
                return Err(ApiError::bad_request("`expiresAt` must lie in the future"));
            }
            Some(left_ms / 1_000)
        }
    };
    let user = &caller.principal.user.id;
    let made = state
        .control
        .identity()
        .create_token(user, &name, ttl_seconds)
        .await?;
    Ok(Json(
        json!({"token": to_wire(&made.token), "bearerToken": made.text}),
    ))
}

async fn list(State(state): State<VercelState>, caller: Authenticated) -> ApiResult<Json<Value>> {
    let tokens = own(&state, &caller).await?;
    let times = || tokens.iter().map(|token| token.stamps.created_at.0);
    // There are few enough for one page.
    let pagination = json!({"count": tokens.len(), "next": null, "prev": times().max()});
    let tokens: Vec<Value> = tokens.iter().map(to_wire).collect();
    Ok(Json(json!({"tokens": tokens, "pagination": pagination})))
}

async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let token = find(&state, &caller, params.get("token")).await?;
    Ok(Json(json!({"token": to_wire(&token)})))
}

async fn delete(
    State(state): State<VercelState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let token = find(&state, &caller, params.get("token")).await?;
    state.control.identity().delete_token(&token.id).await?;
    Ok(Json(json!({"tokenId": token.id})))
}

async fn own(state: &VercelState, caller: &Authenticated) -> ApiResult<Vec<Token>> {
    let user = &caller.principal.user.id;
    Ok(state.control.identity().tokens(user).await?)
}

/// A token of the caller. Access tokens of the token endpoint have no row: they end by themselves.
async fn find(state: &VercelState, caller: &Authenticated, id: &str) -> ApiResult<Token> {
    let is_it = |token: &Token| match id {
        CURRENT => token.sha256 == caller.token_sha256,
        id => token.id.as_str() == id,
    };
    let found = own(state, caller).await?.into_iter().find(is_it);
    found.ok_or_else(|| ApiError::not_found("Token"))
}

fn to_wire(token: &Token) -> Value {
    let created = token.stamps.created_at.0;
    let mut wire = json!({
        "id": token.id,
        "name": token.name,
        "type": "token",
        "origin": "manual",
        "scopes": [{"type": "user", "origin": "manual", "createdAt": created}],
        // When a token was last used is not kept.
        "activeAt": created,
        "createdAt": created,
    });
    if let Some(end) = token.expires_at {
        wire["expiresAt"] = end.0.into();
    }
    wire
}
