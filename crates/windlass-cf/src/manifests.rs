//! Manifests: apps with all that belongs to them, in one YAML document.
//!
//! A manifest can do nothing of its own: it is read into the bodies of the endpoints that it
//! stands for, all of them are checked, and then those endpoints' own handlers are called.

use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::apps::access;
use crate::auth::{Authenticated, require_in_space};
use crate::body::LimitedBytes;
use crate::error::{ApiError, ApiResult};
use crate::path::Guid;
use crate::server::CfState;
use crate::{jobs, spaces};

mod apply;
mod diff;
pub(crate) mod document;
mod processes;
mod routing;
mod show;
mod sizes;
pub(crate) mod yaml;

/// Type of manifests on the wire.
const YAML: &str = "application/x-yaml";

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/spaces/{guid}/actions/apply_manifest", post(apply))
        .route("/v3/spaces/{guid}/manifest_diff", post(compare))
        .route("/v3/apps/{guid}/manifest", get(show_manifest))
}

/// The entries of `applications` in a YAML body.
struct Applications(Vec<Map<String, Value>>);

impl<S: Send + Sync> FromRequest<S> for Applications {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE);
        let is_yaml = kind
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.to_ascii_lowercase().contains("yaml"));
        if !is_yaml {
            return Err(ApiError::bad_request("Content-Type must be yaml"));
        }
        let LimitedBytes(bytes) = LimitedBytes::from_request(request, state).await?;
        yaml::read(&bytes)
            .and_then(document::applications)
            .map(Self)
    }
}

async fn apply(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    Applications(applications): Applications,
) -> ApiResult {
    let (_, space, access) = spaces::find(&cf, &caller, &guid)?;
    require_in_space(&access, |access| access.write)?;
    let manifests = document::read_all(&applications)?;
    // All apps are there before the first is filled: one may name another.
    for manifest in &manifests {
        apply::ensure_app(&cf, &caller, &space, manifest).await?;
    }
    for manifest in &manifests {
        apply::fill_app(&cf, &caller, &space, manifest).await?;
    }
    jobs::accepted_done(&cf, &caller, "space.apply_manifest", space.id.as_str()).await
}

async fn compare(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    Applications(applications): Applications,
) -> ApiResult {
    let (_, space, access) = spaces::find(&cf, &caller, &guid)?;
    require_in_space(&access, |access| access.write)?;
    let manifests = document::read_all(&applications)?;
    let mut changes = Vec::new();
    for (index, (sent, manifest)) in applications.iter().zip(&manifests).enumerate() {
        let now = match apply::find_app(&cf, &caller, &space, &manifest.name).await? {
            Some(place) => show::application(&cf, &place).await?,
            None => Map::new(),
        };
        diff::changes(&format!("/applications/{index}"), sent, &now, &mut changes);
    }
    Ok((StatusCode::CREATED, Json(json!({"diff": changes}))).into_response())
}

async fn show_manifest(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult {
    let place = access::find(&cf, &caller, &guid)?;
    if !place.access.read_secrets {
        return Err(ApiError::not_authorized());
    }
    let manifest = json!({"applications": [show::application(&cf, &place).await?]});
    let mut response = Response::new(yaml::write(&manifest).into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(YAML));
    Ok(response)
}
