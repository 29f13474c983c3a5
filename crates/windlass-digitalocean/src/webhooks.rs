//! Reports of pushes from the hosts of repositories. They carry no token of ours but a signature.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, State};
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::{BodyExt, Limited};
use serde_json::json;
use windlass_control::sources::{Provider, WEBHOOK_BODY_BYTES, WebhookError};

use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::pushes;
use crate::server::DoState;

pub(crate) fn routes() -> Router<DoState> {
    Router::new().route("/webhooks/{provider}", post(report))
}

/// The body of a report.
struct Report(Bytes);

impl<S: Send + Sync> FromRequest<S> for Report {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        let limited = Limited::new(request.into_body(), WEBHOOK_BODY_BYTES);
        let collected = limited
            .collect()
            .await
            .map_err(|_| ApiError::too_large(WEBHOOK_BODY_BYTES as u64))?;
        Ok(Self(collected.to_bytes()))
    }
}

async fn report(
    State(state): State<DoState>,
    params: Params,
    headers: HeaderMap,
    Report(body): Report,
) -> ApiResult<Response> {
    let name = params.name("provider", "provider")?;
    let provider = Provider::ALL
        .into_iter()
        .find(|provider| provider.as_str() == name)
        .ok_or_else(|| ApiError::not_found("provider"))?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let pushes = state
        .control
        .sources()
        .verify_webhook(provider, header, &body)
        .map_err(|error| match error {
            WebhookError::Signature => ApiError::unauthorized(),
            WebhookError::NoSecret => ApiError::forbidden(error.to_string()),
            WebhookError::TooLarge => ApiError::too_large(WEBHOOK_BODY_BYTES as u64),
            WebhookError::Body(_) => ApiError::bad_request(error.to_string()),
        })?;
    let mut deployments = Vec::new();
    for push in &pushes {
        deployments.extend(pushes::take_in(&state, provider, push).await?);
    }
    let answer = json!({ "deployments": deployments });
    Ok((StatusCode::OK, Json(answer)).into_response())
}
