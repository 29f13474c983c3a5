//! The router of this dialect, and what holds for every request: an id, a place in the rate
//! limit, no panic that gets out, this API's own answer for paths that do not exist.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use windlass_control::{Control, clock};
use windlass_engine::id::AppId;
use windlass_wire::bearer::bearer;
use windlass_wire::endpoints::{self, Endpoint};
use windlass_wire::rate::{RateLimits, Standing};
use windlass_wire::unread::Unread;
use windlass_wire::{delivery, panics};

use crate::error::ApiError;
use crate::logs::LogTokens;
use crate::spec::secret::Vault;
use crate::urls::Urls;

/// Header that names a request in answers and logs.
pub const REQUEST_ID: &str = "x-request-id";

/// What the dialect is told when it is opened.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Origin of this API as clients reach it.
    pub api_origin: String,
    /// Origin of the router with TLS; its host is replaced by an app's.
    pub router_origin: String,
    /// Requests of one token in an hour.
    pub requests_per_hour: u32,
}

/// What every handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DoState {
    /// The use cases.
    pub control: Control,
    urls: Arc<Urls>,
    limits: Arc<RateLimits>,
    log_tokens: Arc<LogTokens>,
}

impl DoState {
    /// State of a dialect over `control`.
    pub fn new(control: Control, settings: &Settings) -> Self {
        Self {
            control,
            urls: Arc::new(Urls::new(&settings.api_origin, &settings.router_origin)),
            limits: Arc::new(RateLimits::new(settings.requests_per_hour)),
            log_tokens: Arc::new(LogTokens::new()),
        }
    }

    /// Own addresses.
    pub(crate) fn urls(&self) -> &Urls {
        &self.urls
    }

    /// What seals and opens the secrets in the specs of an app.
    pub(crate) fn vault(&self, app: &AppId) -> Vault {
        Vault::new(self.control.secrets().clone(), app.clone())
    }

    /// What makes and reads the links of logs.
    pub(crate) fn log_tokens(&self) -> &LogTokens {
        &self.log_tokens
    }
}

/// The whole dialect.
pub fn router(state: DoState) -> Router {
    resources()
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn_with_state(state.clone(), every_request))
        .with_state(state)
}

/// The endpoints of all resources. Fixed words win over `{id}` at the same place.
fn resources() -> Router<DoState> {
    Router::new()
        .merge(crate::account::routes())
        .merge(crate::apps::routes())
        .merge(crate::propose::routes())
        .merge(crate::deployments::routes())
        .merge(crate::rollback::routes())
        .merge(crate::restart::routes())
        .merge(crate::logs::routes())
        .merge(crate::instances::routes())
        .merge(crate::health::routes())
        .merge(crate::catalog::routes())
        .merge(crate::alerts::routes())
        .merge(crate::webhooks::routes())
        .merge(crate::refused::routes())
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
    ApiError::method_not_allowed()
}

/// Wraps each request: gives it an id, counts it, turns a panic into a 500, writes errors in this
/// API's form, reads what the handler left of the body.
async fn every_request(State(state): State<DoState>, mut request: Request, next: Next) -> Response {
    let id = uuid::Uuid::new_v4().to_string();
    let now_secs = u64::try_from(clock::wall().0 / 1_000).unwrap_or(0);
    let standing = state.limits.count(bearer(request.headers()), now_secs);
    let mut response = if let Some(secs) = standing.retry_after_secs {
        ApiError::too_many_requests(secs).into_response()
    } else {
        let unread = Unread::keep(&mut request);
        let response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => {
                tracing::error!(request.id = %id, "a handler panicked: {}", panics::text(&*panic));
                ApiError::internal(&id).into_response()
            }
        };
        if let Some(unread) = unread {
            unread.discard().await;
        }
        response
    };
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = error.into_answer(&id);
    }
    put_headers(&mut response, &id, &standing);
    delivery::watch(&state.control, response)
}

fn put_headers(response: &mut Response, id: &str, standing: &Standing) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert("ratelimit-limit", HeaderValue::from(standing.limit));
    headers.insert("ratelimit-remaining", HeaderValue::from(standing.remaining));
    headers.insert("ratelimit-reset", HeaderValue::from(standing.reset_at_secs));
}
