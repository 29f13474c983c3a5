//! What the token endpoint tells about itself and its tokens.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use windlass_control::identity::{PublicKey, jwt};

use super::error::UaaError;
use super::form;
use crate::auth::{bearer, user_agent};
use crate::body::LimitedBytes;
use crate::error::ApiError;
use crate::path::Params;
use crate::server::CfState;

/// The version of UAA whose calls these are. `cf` asks nothing that a later one would refuse, and
/// refuses itself to send `--origin` to one before 4.26.
const UAA_VERSION: &str = "77.0.0";

/// `GET /login`, `GET /info`: each prompt has exactly two parts; `cf` ends with fewer.
pub(super) async fn login(State(cf): State<CfState>) -> Json<Value> {
    let origin = cf.urls().origin();
    Json(json!({
        "app": { "version": UAA_VERSION },
        "links": { "uaa": origin, "login": origin },
        "zone_name": "uaa",
        "entityID": origin,
        "commit_id": "",
        "timestamp": "",
        "prompts": {
            "username": ["text", "Email"],
            "password": ["password", "Password"],
        },
    }))
}

/// `GET /token_keys`.
pub(super) async fn token_keys(State(cf): State<CfState>) -> Result<Json<Value>, UaaError> {
    let keys = cf.identity().public_keys()?;
    Ok(Json(
        json!({ "keys": keys.iter().map(key).collect::<Vec<_>>() }),
    ))
}

/// `GET /token_key`: the one that signs now.
pub(super) async fn token_key(State(cf): State<CfState>) -> Result<Json<Value>, UaaError> {
    let keys = cf.identity().public_keys()?;
    Ok(Json(keys.first().map_or(Value::Null, key)))
}

fn key(key: &PublicKey) -> Value {
    json!({
        "kty": "EC",
        "crv": "P-256",
        "use": "sig",
        "alg": jwt::ALGORITHM,
        "kid": key.id,
        "x": key.x,
        "y": key.y,
        "value": key.pem,
    })
}

/// `GET /userinfo`.
pub(super) async fn userinfo(
    State(cf): State<CfState>,
    headers: HeaderMap,
) -> Result<Json<Value>, UaaError> {
    let token = bearer(&headers).map_err(|_| UaaError::unauthenticated())?;
    let principal = cf
        .identity()
        .authenticate(token, user_agent(&headers))
        .map_err(|_| UaaError::invalid_token("The token expired, was revoked, or is unknown"))?;
    let user = &principal.user;
    Ok(Json(json!({
        "user_id": user.id.as_str(),
        "sub": user.id.as_str(),
        "user_name": user.name,
        "name": user.name,
        "email": user.name,
        "email_verified": false,
        "origin": user.origin,
    })))
}

/// `POST /check_token` with `token=…`: its claims, for other services.
pub(super) async fn check_token(
    State(cf): State<CfState>,
    headers: HeaderMap,
    body: Result<LimitedBytes, ApiError>,
) -> Result<Json<Value>, UaaError> {
    let LimitedBytes(bytes) =
        body.map_err(|_| UaaError::invalid_request("The form is too large"))?;
    let (id, secret) = form::basic(&headers)?.ok_or_else(UaaError::unauthenticated)?;
    // Only a client that can log in may ask; its own token is not needed.
    cf.identity()
        .login_client(&id, &secret)
        .await
        .map_err(|_| UaaError::invalid_client())?;
    let fields = form::parse(&bytes)?;
    let token = fields
        .get("token")
        .ok_or_else(|| UaaError::invalid_request("Missing token"))?;
    let claims = cf
        .identity()
        .check_access_token(token)?
        .ok_or_else(|| UaaError::invalid_token("The token is invalid or has ended"))?;
    Ok(Json(json!(claims)))
}

/// `DELETE /oauth/token/revoke/{jti}`. Access tokens end by themselves within the hour; what can
/// be taken back at once are the refresh tokens, so a logout does that.
pub(super) async fn revoke(
    State(cf): State<CfState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, UaaError> {
    let token = bearer(&headers).map_err(|_| UaaError::unauthenticated())?;
    params
        .get("jti")
        .map_err(|_| UaaError::invalid_request("Missing token id"))?;
    let principal = cf
        .identity()
        .authenticate(token, user_agent(&headers))
        .map_err(|_| UaaError::invalid_token("The token expired, was revoked, or is unknown"))?;
    cf.identity()
        .revoke_refresh_tokens(&principal.user.id)
        .await?;
    Ok(StatusCode::OK.into_response())
}
