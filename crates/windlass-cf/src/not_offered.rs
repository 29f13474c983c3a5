//! What clients can ask for that this platform does not offer at all: each is refused with the
//! reason, which `cf` prints. Lists of these things are there and empty.

use axum::Router;
use axum::routing::{patch, post};

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::server::CfState;

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/isolation_segments", post(no_segments))
        .route("/v3/security_groups", post(no_groups))
        .route("/v3/service_brokers", post(no_brokers))
        .route("/v3/service_route_bindings", post(no_route_services))
        .route("/v3/stacks", post(one_stack))
        .route("/v3/stacks/{guid}", patch(one_stack).delete(one_stack))
}

/// 403: `cf` takes a 422 for a segment that is there already, and says that all is well.
async fn no_segments(caller: Authenticated) -> ApiResult<()> {
    caller.require_admin()?;
    Err(ApiError::feature_disabled(
        "isolation_segments",
        Some("Isolation segments are not offered: apps are kept apart on one machine"),
    ))
}

async fn no_groups(caller: Authenticated) -> ApiResult<()> {
    refuse(
        &caller,
        "Security groups are not offered: the network of apps is the machine's",
    )
}

async fn no_brokers(caller: Authenticated) -> ApiResult<()> {
    refuse(
        &caller,
        "Service brokers are not offered: services are user-provided",
    )
}

async fn no_route_services(caller: Authenticated) -> ApiResult<()> {
    refuse(
        &caller,
        "Route services are not offered: requests go from the router to the app",
    )
}

async fn one_stack(caller: Authenticated) -> ApiResult<()> {
    refuse(
        &caller,
        "There is one stack, the machine's own, which can't be changed",
    )
}

/// Only administrators are told why.
fn refuse(caller: &Authenticated, reason: &str) -> ApiResult<()> {
    caller.require_admin()?;
    Err(ApiError::not_supported(reason))
}
