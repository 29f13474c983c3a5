//! The router of this dialect, and what holds for every request: an id, a place in the rate
//! limit, no panic that gets out, this API's own answer for paths that do not exist.
//!
//! Clients name versions at will and leave them out at will (`/v13/deployments`,
//! `/now/deployments`): the router knows plain paths, and a request's path is made plain first.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower::ServiceExt;
use windlass_control::{Control, clock};
use windlass_wire::bearer::bearer;
use windlass_wire::delivery;
use windlass_wire::endpoints::{self, Endpoint};
use windlass_wire::rate::{RateLimits, Standing};
use windlass_wire::unread::Unread;

use crate::error::ApiError;
use crate::path;

/// Header that names a request in answers and logs.
pub const REQUEST_ID: &str = "x-vercel-id";
/// The one place that there is, as request ids and deployments name it.
pub(crate) const REGION: &str = "lcl1";

/// What the dialect is told when it is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Requests of one token in an hour.
    pub requests_per_hour: u32,
}

/// What every handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VercelState {
    /// The use cases.
    pub control: Control,
    limits: Arc<RateLimits>,
}

impl VercelState {
    /// State of a dialect over `control`.
    pub fn new(control: Control, settings: &Settings) -> Self {
        Self {
            control,
            limits: Arc::new(RateLimits::new(settings.requests_per_hour)),
        }
    }
}

/// The whole dialect.
pub fn router(state: VercelState) -> Router {
    let plain = resources()
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .with_state(state.clone());
    Router::new()
        .fallback(move |request: Request| forward(plain, request))
        .layer(from_fn_with_state(state, every_request))
}

/// The endpoints of all resources, without versions.
fn resources() -> Router<VercelState> {
    Router::new()
        .merge(crate::user::routes())
        .merge(crate::teams::routes())
        .merge(crate::tokens::routes())
        .merge(crate::projects::routes())
        .merge(crate::env::routes())
        .merge(crate::files::routes())
        .merge(crate::deployments::routes())
        .merge(crate::checks::routes())
        .merge(crate::promotions::routes())
        .merge(crate::rolling_releases::routes())
        .merge(crate::aliases::routes())
        .merge(crate::runtime_logs::routes())
}

/// All endpoints of the dialect, sorted: for tests that want to miss none.
pub fn endpoints() -> Vec<Endpoint> {
    let mut all = endpoints::of(&resources());
    // An empty router that was merged shows its own, for fallbacks.
    all.retain(|endpoint| endpoint.path != "/");
    all
}

async fn unknown() -> ApiError {
    ApiError::unknown_path()
}

async fn other_method() -> ApiError {
    ApiError::method_unknown()
}

/// Hands a request on under its plain path.
async fn forward(plain: Router, mut request: Request) -> Response {
    let Some((version, uri)) = path::plain_uri(request.uri()) else {
        return ApiError::unknown_path().into_response();
    };
    if let Some(version) = version {
        request.extensions_mut().insert(version);
    }
    *request.uri_mut() = uri;
    match plain.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Wraps each request: gives it an id, counts it, turns a panic into a 500, reads what the handler
/// left of the body.
async fn every_request(
    State(state): State<VercelState>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = format!("{REGION}::{}", uuid::Uuid::new_v4().simple());
    let now_secs = u64::try_from(clock::wall().0 / 1_000).unwrap_or(0);
    let standing = state.limits.count(bearer(request.headers()), now_secs);
    let mut response = if let Some(secs) = standing.retry_after_secs {
        ApiError::rate_limited(standing.limit, standing.reset_at_secs, secs).into_response()
    } else {
        let unread = Unread::keep(&mut request);
        let response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => ApiError::panicked(&id, &*panic).into_response(),
        };
        if let Some(unread) = unread {
            unread.discard().await;
        }
        response
    };
    put_headers(&mut response, &id, &standing);
    delivery::watch(&state.control, response)
}

fn put_headers(response: &mut Response, id: &str, standing: &Standing) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert("x-ratelimit-limit", HeaderValue::from(standing.limit));
    headers.insert(
        "x-ratelimit-remaining",
        HeaderValue::from(standing.remaining),
    );
    headers.insert(
        "x-ratelimit-reset",
        HeaderValue::from(standing.reset_at_secs),
    );
}
