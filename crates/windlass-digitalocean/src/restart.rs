//! `/v2/apps/{id}/restart`: the same app in new processes, as a deployment of its own.
//!
//! New instances come up beside the old ones and take over when they are ready, so that a restart
//! is no outage either. They are those of all components, also when only some are named.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::routing::post;
use serde_json::json;
use windlass_engine::id::ReleaseId;

use crate::auth::Authenticated;
use crate::body::{self, JsonObject};
use crate::deployments;
use crate::deployments::view::serving;
use crate::document::{By, Cause, Detail};
use crate::error::{ApiError, ApiResult};
use crate::once::{Attempt, Made};
use crate::path::Params;
use crate::place;
use crate::server::DoState;
use crate::submit;

pub(crate) fn routes() -> Router<DoState> {
    Router::new().route("/v2/apps/{id}/restart", post(restart))
}

async fn restart(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    JsonObject { object, bytes }: JsonObject,
) -> ApiResult {
    let place = place::app(&state, &caller, &params)?;
    place.require_operate()?;
    let attempt = Attempt::of(&caller, &method, uri.path(), &headers, &bytes);
    if let Some(answer) = attempt.repeated(&state, &caller).await? {
        return Ok(answer);
    }
    let active = serving(&state, &place.app.id)
        .await?
        .ok_or_else(|| ApiError::precondition_failed("the app has no active deployment"))?;
    let named = body::texts(&object, "components")?;
    let detail = Detail::of(&active).ok_or_else(|| ApiError::not_found("deployment"))?;
    for name in &named {
        if !detail.components.iter().any(|known| known.name == *name) {
            return Err(ApiError::not_found("component"));
        }
    }
    let release = ReleaseId::new(uuid::Uuid::new_v4().to_string());
    let mut extra = place.audit(
        &caller,
        "audit.app.restart",
        json!({ "deployment": release }),
    );
    extra.once = Some(attempt.makes(&Made::Deployment {
        app: place.app.id.to_string(),
        deployment: release.to_string(),
    }));
    let cause = Cause::Restart(By::of(&caller));
    let done = async {
        let (_, record) =
            submit::repeat(&state, &place.app, &active, cause, None, release, extra).await?;
        Ok(deployments::answer(&state, record).await?)
    };
    attempt.answer(&state, &caller, done.await).await
}
