//! `/files`: the content of files by its SHA-1, before a deployment names them.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use axum::{Json, extract::Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use windlass_control::Error;
use windlass_control::blobs::Sha1Digest;

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::place;
use crate::query::Pairs;
use crate::server::VercelState;

/// Names of the header with the SHA-1, 40 hex digits: clients use either.
const DIGEST: [&str; 2] = ["x-vercel-digest", "x-now-digest"];
/// Names of the header with the size, bytes.
const SIZE: [&str; 2] = ["x-vercel-size", "x-now-size"];

pub(crate) fn routes() -> Router<VercelState> {
    Router::new().route("/files", post(upload))
}

/// Takes one file, whether it is here already or not. Clients take 200 for a success and nothing
/// else.
async fn upload(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    request: Request,
) -> ApiResult<Json<Value>> {
    let team = place::team(&state, &caller, &query).await?;
    team.writable()?;
    let headers = request.headers();
    let digest: Sha1Digest = first(headers, &DIGEST)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| ApiError::bad_request("The digest is not valid: 40 hexadecimal digits"))?;
    let bad_size = || ApiError::bad_request("The file size is not valid");
    let announced =
        first(headers, &SIZE).or_else(|| text(headers, header::CONTENT_LENGTH.as_str()));
    let size_bytes: Option<u64> = announced
        .map(|text| text.parse().map_err(|_| bad_size()))
        .transpose()?;
    let organization = &team.organization.id;
    let mut incoming = state.control.begin_file(organization).await?;
    let mut body: Body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::bad_request("the request body broke off"))?;
        if let Ok(piece) = frame.into_data() {
            incoming.push(piece).await?;
        }
    }
    incoming
        .finish(digest, size_bytes)
        .await
        .map_err(|error| match error {
            Error::Invalid { field, .. } if field == "size" => bad_size(),
            Error::Invalid { .. } => ApiError::bad_request("The digest is not valid"),
            other => other.into(),
        })?;
    Ok(Json(json!({"urls": []})))
}

fn first<'a>(headers: &'a HeaderMap, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| text(headers, name))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
