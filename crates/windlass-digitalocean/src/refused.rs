//! Calls that this API has and that this installation does not offer: 501, never a success that
//! is none. Whoever may not see the app is told that there is none.

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::routing::{get, post};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place;
use crate::server::DoState;

pub(crate) fn routes() -> Router<DoState> {
    Router::new()
        .route("/v2/apps/buildpacks", get(general))
        .route("/v2/apps/detect", post(general))
        .route("/v2/apps/metrics/bandwidth_daily", post(general))
        .route("/v2/apps/{id}/components/{component}/exec", get(of_app))
        .route(
            "/v2/apps/{id}/deployments/{deployment}/components/{component}/exec",
            get(console),
        )
        .route("/v2/apps/{id}/job-invocations", get(of_app))
        .route("/v2/apps/{id}/job-invocations/{invocation}", get(of_app))
        .route(
            "/v2/apps/{id}/job-invocations/{invocation}/cancel",
            post(of_app),
        )
        .route(
            "/v2/apps/{id}/jobs/{job}/invocations/{invocation}/logs",
            get(of_app),
        )
        .route("/v2/apps/{id}/events", get(of_app))
        .route("/v2/apps/{id}/events/{event}", get(of_app))
        .route("/v2/apps/{id}/events/{event}/cancel", post(of_app))
        .route("/v2/apps/{id}/events/{event}/logs", get(of_app))
        .route("/v2/apps/{id}/metrics/bandwidth_daily", get(of_app))
        .route("/v2/apps/{id}/upgrade_buildpack", post(of_app))
        .route("/v2/apps/{id}/database_connection_details", get(of_app))
        .route(
            "/v2/apps/{id}/components/{component}/reset_password",
            post(of_app),
        )
        .route(
            "/v2/apps/{id}/components/{component}/trusted_sources",
            post(of_app),
        )
}

async fn general(_: Authenticated, uri: Uri) -> ApiError {
    ApiError::not_implemented(uri.path())
}

async fn of_app(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<()> {
    place::app(&state, &caller, &params)?;
    Err(ApiError::not_implemented("this call"))
}

/// Refused here and not at a WebSocket: a console whose address can't be dialled hangs the client.
async fn console(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<()> {
    place::deployment(&state, &caller, &params)?;
    Err(ApiError::not_implemented("a console"))
}
