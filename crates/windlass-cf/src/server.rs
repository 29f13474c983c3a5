//! The router of this dialect, and what holds for every request: an id, no panic that gets out,
//! the dialect's own answer for paths that do not exist.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use windlass_control::Control;
use windlass_control::identity::Identity;
use windlass_control::tenancy::Tenancy;
use windlass_wire::endpoints::{self, Endpoint};
use windlass_wire::panics;
use windlass_wire::unread::Unread;

use crate::error::ApiError;
use crate::links::Urls;
use crate::processes::Homes;

/// Header that names a request in answers and logs.
pub const REQUEST_ID: &str = "x-vcap-request-id";
/// Longest id that is taken over from a client, characters.
const MAX_CLIENT_ID_CHARS: usize = 64;

/// What every handler can reach. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CfState {
    /// The use cases.
    pub control: Control,
    urls: Arc<Urls>,
    homes: Arc<Homes>,
}

impl CfState {
    /// State of a dialect that is reached at `urls`.
    pub fn new(control: Control, urls: Urls) -> Self {
        Self {
            control,
            urls: Arc::new(urls),
            homes: Arc::default(),
        }
    }

    /// Users and tokens.
    pub fn identity(&self) -> &Identity {
        self.control.identity()
    }

    /// Organizations and what belongs to them.
    pub fn tenancy(&self) -> &Tenancy {
        self.control.tenancy()
    }

    /// Own addresses.
    pub fn urls(&self) -> &Urls {
        &self.urls
    }

    /// Where processes were seen.
    pub(crate) fn homes(&self) -> &Homes {
        &self.homes
    }
}

/// The whole dialect.
pub fn router(state: CfState) -> Router {
    let resources = resources()
        .fallback(unknown)
        .method_not_allowed_fallback(unknown)
        .with_state(state);
    // The outer router exists so that a path can be changed before it is matched.
    Router::new()
        .fallback_service(resources)
        .layer(from_fn(every_request))
}

/// The endpoints of all resources.
fn resources() -> Router<CfState> {
    Router::new()
        .merge(crate::root::routes())
        .merge(crate::uaa::routes())
        .merge(crate::organizations::routes())
        .merge(crate::spaces::routes())
        .merge(crate::roles::routes())
        .merge(crate::users::routes())
        .merge(crate::domains::routes())
        .merge(crate::feature_flags::routes())
        .merge(crate::quotas::routes())
        .merge(crate::jobs::routes())
        .merge(crate::audit_events::routes())
        .merge(crate::stacks::routes())
        .merge(crate::buildpacks::routes())
        .merge(crate::info::routes())
        .merge(crate::apps::routes())
        .merge(crate::processes::routes())
        .merge(crate::sidecars::routes())
        .merge(crate::packages::routes())
        .merge(crate::builds::routes())
        .merge(crate::droplets::routes())
        .merge(crate::routes::routes())
        .merge(crate::deployments::routes())
        .merge(crate::tasks::routes())
        .merge(crate::revisions::routes())
        .merge(crate::services::routes())
        .merge(crate::log_cache::routes())
        .merge(crate::manifests::routes())
        .merge(crate::not_offered::routes())
}

/// All endpoints of the dialect, sorted: for tests that want to miss none.
pub fn endpoints() -> Vec<Endpoint> {
    endpoints::of(&resources())
}

async fn unknown() -> ApiError {
    ApiError::unknown_request()
}

/// Wraps each request: gives it an id, drops a trailing slash, turns a panic into a 500, reads
/// what the handler left of the body.
async fn every_request(mut request: Request, next: Next) -> Response {
    let id = request_id(&request);
    if let Some(uri) = without_trailing_slash(request.uri()) {
        *request.uri_mut() = uri;
    }
    let unread = Unread::keep(&mut request);
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            tracing::error!(request.id = %id, "a handler panicked: {}", panics::text(&*panic));
            ApiError::internal(&id).into_response()
        }
    };
    if let Some(unread) = unread {
        unread.discard().await;
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// A new id, after the client's own when it sent one.
fn request_id(request: &Request) -> String {
    let own = uuid::Uuid::new_v4();
    let theirs = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let usable = theirs.filter(|text| {
        text.len() <= MAX_CLIENT_ID_CHARS
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    usable.map_or_else(|| own.to_string(), |text| format!("{text}::{own}"))
}

/// Some clients end collection paths with a slash.
fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if path == "/" || !path.ends_with('/') {
        return None;
    }
    let shorter = path.trim_end_matches('/');
    let shorter = if shorter.is_empty() { "/" } else { shorter };
    let text = match uri.query() {
        Some(query) => format!("{shorter}?{query}"),
        None => shorter.to_owned(),
    };
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn slashes_at_the_end_go() {
        let change =
            |text: &str| without_trailing_slash(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(
            change("/v3/buildpacks/?a=b"),
            Some("/v3/buildpacks?a=b".to_owned())
        );
        assert_eq!(change("/v3/buildpacks"), None);
        assert_eq!(change("/"), None);
        assert_eq!(change("//"), Some("/".to_owned()));
    }

    #[tokio::test]
    async fn a_panic_is_a_500_with_an_id_and_no_details() {
        async fn boom() -> &'static str {
            panic!("the password is secret")
        }
        let app = Router::new()
            .route("/", get(boom))
            .layer(from_fn(every_request));
        let request = Request::builder()
            .uri("/")
            .header(REQUEST_ID, "mine")
            .body(Body::empty())
            .unwrap();
        let response = app.oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 500);
        let id = response.headers()[REQUEST_ID].to_str().unwrap().to_owned();
        assert!(id.starts_with("mine::"));
        let body = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains(&id) && !text.contains("secret"), "{text}");
    }
}
