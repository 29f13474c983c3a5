//! Logs: links with short-lived tokens, and what is behind them.
//!
//! Clients follow the links without their bearer token, so each link carries one of its own. A
//! deployment that is over has a link to read, an open one a link to follow, over a WebSocket or
//! as a text that goes on.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::history::ReleaseRecord;

use crate::auth::Authenticated;
use crate::deployments::phase::Phase;
use crate::deployments::view::serving;
use crate::document::Detail;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place;
use crate::query::Pairs;
use crate::server::DoState;

mod read;
mod stream;
mod token;

pub(crate) use token::LogTokens;
use token::{Kind, Link};

/// Most lines of a tail.
const MAX_TAIL: usize = 10_000;
/// Longest name of a component that is looked at, bytes.
const MAX_NAME_BYTES: usize = 64;

pub(crate) fn routes() -> Router<DoState> {
    Router::new()
        .route("/v2/apps/{id}/logs", get(of_active))
        .route("/v2/apps/{id}/components/{component}/logs", get(of_active))
        .route(
            "/v2/apps/{id}/deployments/{deployment}/logs",
            get(of_deployment),
        )
        .route(
            "/v2/apps/{id}/deployments/{deployment}/components/{component}/logs",
            get(of_deployment),
        )
        .route("/v2/logs/live", get(stream::live))
        .route("/v2/logs/historic", get(stream::historic))
}

async fn of_active(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let place = place::app(&state, &caller, &params)?;
    let record = serving(&state, &place.app.id)
        .await?
        .ok_or_else(|| ApiError::bad_request("the app has no active deployment"))?;
    links(&state, &place, record, &params, &query).await
}

async fn of_deployment(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let (place, record) = place::deployment(&state, &caller, &params)?;
    links(&state, &place, record, &params, &query).await
}

async fn links(
    state: &DoState,
    place: &place::Place,
    record: ReleaseRecord,
    params: &Params,
    query: &Pairs,
) -> ApiResult<Json<Value>> {
    if !place.project.access.read_secrets {
        return Err(ApiError::forbidden(
            "You are not authorized to read the logs of this app",
        ));
    }
    let detail = Detail::of(&record).ok_or_else(|| ApiError::not_found("deployment"))?;
    let kind = Kind::parse(query.first("type").unwrap_or_default())?;
    let follow = query.switch("follow")?;
    let component = params
        .name("component", "component")
        .ok()
        .or_else(|| query.first("component_name"))
        .filter(|name| !name.is_empty());
    if let Some(name) = component {
        let is_known = name.len() <= MAX_NAME_BYTES
            && detail.components.iter().any(|known| known.name == name);
        if !is_known {
            return Err(ApiError::not_found("component"));
        }
    }
    let serving = serving(state, &record.app).await?;
    let serves = serving.is_some_and(|serving| serving.release.id == record.release.id);
    let phase = Phase::of(&record, serves);
    if let Some(refusal) = never_reached(kind, phase, &record) {
        return Err(refusal);
    }
    // Run logs go on as long as the deployment serves, the others as long as it is on its way.
    let goes_on = match kind {
        Kind::Run => phase.is_open() || phase == Phase::Active,
        Kind::Build | Kind::Deploy => phase.is_open(),
        Kind::RunRestarted => false,
    };
    let live = follow && goes_on;
    let link = Link {
        app: record.app.to_string(),
        deployment: record.release.id.to_string(),
        component: component.map(str::to_owned),
        kind,
        tail: tail(query)?,
    };
    let token = state.log_tokens().make(&link);
    let token = crate::query::encode(&token);
    if live {
        let address = state.urls().at(&format!("/v2/logs/live?token={token}"));
        return Ok(Json(json!({ "live_url": address })));
    }
    let address = state.urls().at(&format!("/v2/logs/historic?token={token}"));
    Ok(Json(json!({ "historic_urls": [address] })))
}

/// A stage that a deployment will never reach has no logs: 400, as clients expect it.
fn never_reached(kind: Kind, phase: Phase, record: &ReleaseRecord) -> Option<ApiError> {
    let marks = &record.marks;
    let (word, reached) = match kind {
        Kind::Build => ("build", marks.building_at.is_some()),
        Kind::Deploy => ("deploy", marks.started_at.is_some()),
        Kind::Run | Kind::RunRestarted => ("running", marks.started_at.is_some()),
    };
    if reached || phase.is_open() {
        return None;
    }
    Some(ApiError::bad_request(format!(
        "cannot get {word} logs from deployment {} in phase {}: it never reached that stage",
        record.release.id,
        phase.as_str()
    )))
}

/// Lines from the end; absent and -1 are all.
fn tail(query: &Pairs) -> ApiResult<Option<usize>> {
    let Some(text) = query.first("tail_lines").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(lines) => match usize::try_from(lines) {
            Ok(lines) => Ok(Some(lines.min(MAX_TAIL))),
            Err(_) => Err(bad_tail()),
        },
        Err(_) => Err(bad_tail()),
    }
}

fn bad_tail() -> ApiError {
    ApiError::bad_request("tail_lines must be a whole number, -1 for all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_numbers_and_minus_one_is_all() {
        let of = |raw: &str| tail(&Pairs::parse(Some(raw)).unwrap());
        assert_eq!(of(""), Ok(None));
        assert_eq!(of("tail_lines=-1"), Ok(None));
        assert_eq!(of("tail_lines=5"), Ok(Some(5)));
        assert_eq!(of("tail_lines=999999999"), Ok(Some(MAX_TAIL)));
        assert!(of("tail_lines=x").is_err());
        assert!(of("tail_lines=-2").is_err());
    }
}
