//! Routes of several spaces, and routes that move to another: neither is there. It is refused as
//! where an operator has switched it off, which is what clients know.

use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get, patch};
use serde_json::{Value, json};

use super::find;
use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::server::CfState;

pub(super) fn routes() -> Router<CfState> {
    let shared = "/v3/routes/{guid}/relationships/shared_spaces";
    Router::new()
        .route(shared, get(none).post(refuse))
        .route(&format!("{shared}/{{space}}"), delete(refuse))
        .route("/v3/routes/{guid}/relationships/space", patch(refuse))
}

async fn none(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<axum::Json<Value>> {
    let found = find(&cf, &caller, params.get("guid")?)?;
    let path = format!("/v3/routes/{}/relationships/shared_spaces", found.route.id);
    Ok(axum::Json(json!({
        "data": [],
        "links": { "self": cf.urls().href(&path) },
    })))
}

async fn refuse(State(cf): State<CfState>, caller: Authenticated, params: Params) -> ApiResult<()> {
    find(&cf, &caller, params.get("guid")?)?;
    Err(ApiError::feature_disabled("route_sharing", None))
}
