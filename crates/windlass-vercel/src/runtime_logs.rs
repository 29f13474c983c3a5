//! What the functions of deployments print, live and looked back at.
//!
//! The launcher of functions says which request each line belongs to and how the request ended.
//! Files are served without any of it: requests for them are not in these logs.

use axum::Router;
use axum::routing::{get, post};

use crate::server::VercelState;

mod events;
mod filter;
mod history;
mod live;
mod printed;

/// Where lines come from, as clients name it.
const SOURCE: &str = "serverless";

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route(
            "/projects/{project}/deployments/{deployment}/runtime-logs",
            get(live::follow),
        )
        .route("/api/logs/request-logs", get(history::list))
        .route("/observability/events", post(events::query))
}
