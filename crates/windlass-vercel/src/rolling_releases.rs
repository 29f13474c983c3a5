//! Rolling releases: a production deployment gets its visitors stage by stage.
//!
//! The configuration is a template that releases are compiled from when they are created. One of
//! them moves at a time, the newest that came meanwhile waits behind it; who goes back to what ran
//! before aborts it.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::Extra;
use windlass_control::commands::cancel_deployment::Cancel;
use windlass_control::error::Error;
use windlass_control::history::ReleaseRecord;
use windlass_engine::id::{ReleaseId, RevisionId};
use windlass_engine::records::AppRecord;
use windlass_engine::rejection::Rejection;
use windlass_engine::release::{Outcome, Urgency};
use windlass_engine::strategy::{Stage, StageGate, Strategy};
use windlass_wire::cancel_headers;

use crate::auth::Authenticated;
use crate::body::{Ignored, JsonObject};
use crate::deployments::find::{self, Found};
use crate::deployments::state::ReadyState;
use crate::document::Document;
use crate::error::{ApiError, ApiResult};
use crate::path::Params;
use crate::place::{self, Place};
use crate::projects::view::releases;
use crate::query::Pairs;
use crate::server::VercelState;

mod actions;
mod config;
pub(crate) mod rollout;

pub(crate) use config::Config;
use rollout::{Rollout, State as RolloutState};

pub(crate) fn routes() -> Router<VercelState> {
    let below = |end: &str| format!("/projects/{{project}}/rolling-release{end}");
    Router::new()
        .route(&below(""), get(show))
        .route(&below("/billing"), get(billing))
        .route(
            &below("/config"),
            get(show_config).patch(change_config).delete(delete_config),
        )
        .route(&below("/start"), post(actions::start))
        .route(&below("/approve-stage"), post(actions::approve_stage))
        .route(&below("/complete"), post(actions::complete))
        .route(&below("/abort"), post(actions::abort))
}

/// The configuration on the wire; `null` when rolling releases are off.
pub(crate) fn config_of(document: &Document) -> Value {
    document
        .rolling_release
        .as_ref()
        .map_or(Value::Null, Config::to_wire)
}

async fn show_config(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let config = config_of(&Document::of(&place.app));
    Ok(Json(json!({"rollingRelease": config})))
}

async fn change_config(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    let before = Document::of(&place.app).rolling_release;
    let config = Config::changed(before.as_ref(), &object)?;
    put_config(&state, &caller, &place, config).await
}

/// What is being rolled out goes on as it began.
async fn delete_config(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    put_config(&state, &caller, &place, None).await
}

async fn put_config(
    state: &VercelState,
    caller: &Authenticated,
    place: &Place,
    config: Option<Config>,
) -> ApiResult<Json<Value>> {
    let wire = config.as_ref().map_or(Value::Null, Config::to_wire);
    let kind = "audit.app.rolling-release.configure";
    let extra = place.audit(caller, kind, json!({"rollingRelease": wire}));
    let names_versions = config.as_ref().is_some_and(|config| config.response_header);
    let change = Box::new(move |app: &mut AppRecord| {
        let mut document = Document::of(app);
        document.rolling_release = config;
        document.store(app);
    });
    let control = &state.control;
    control
        .change_site(&place.app.id, change, names_versions, extra)
        .await?;
    Ok(Json(json!({"rollingRelease": wire})))
}

/// There are no plans, so there is no end of slots.
async fn billing(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    place::project(&state, &caller, &query, params.get("project")).await?;
    Ok(Json(json!({
        "availableSlots": "unlimited",
        "reason": "unlimited_slots",
        "message": "Every project may use rolling releases",
    })))
}

async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    let wanted = match query.text("state") {
        None => None,
        Some(word) => {
            let mut all = RolloutState::ALL.into_iter();
            let known = all.find(|state| state.as_str() == word);
            Some(known.ok_or_else(|| {
                ApiError::bad_request(
                    "Invalid query parameter: `state` should be ACTIVE, COMPLETE or ABORTED",
                )
            })?)
        }
    };
    let all = releases(&state, &place.app).await?;
    let found = newest(&all, |rollout| {
        wanted.is_none_or(|wanted| rollout.state() == wanted)
    });
    Ok(Json(document(&state, &caller, &all, found)?))
}

/// The newest that is as it should be, one that moves first.
fn newest(releases: &[ReleaseRecord], fits: impl Fn(&Rollout<'_>) -> bool) -> Option<Rollout<'_>> {
    let rollouts = || {
        releases
            .iter()
            .filter_map(Rollout::of)
            .filter(|it| fits(it))
    };
    let moves = |rollout: &Rollout<'_>| rollout.state() == RolloutState::Active;
    rollouts().find(moves).or_else(|| rollouts().next())
}

/// The one that moves.
pub(crate) fn active(releases: &[ReleaseRecord]) -> Option<Rollout<'_>> {
    newest(releases, |rollout| rollout.state() == RolloutState::Active)
}

/// The one that a rollback to the current deployment aborts: one that moves, or that goes back
/// already and may be told so again.
pub(crate) fn abortable(releases: &[ReleaseRecord]) -> Option<ReleaseId> {
    let mut rollouts = releases.iter().filter_map(Rollout::of);
    let found = active(releases).or_else(|| {
        rollouts.find(|rollout| {
            let release = &rollout.record.release;
            release.is_restoring() && matches!(release.outcome(), Some(Outcome::Canceled(_)))
        })
    });
    found.map(|rollout| rollout.record.release.id.clone())
}

/// How a promotion proceeds. Behind one that moves it waits for its turn, whatever the
/// configuration says by now; where nothing runs there is nothing to share.
pub(crate) fn strategy(config: Option<&Config>, serves: bool, is_active: bool) -> Strategy {
    match config {
        Some(config) if serves => config.strategy(),
        None if !is_active => Strategy::Instant,
        Some(_) | None => Strategy::Stages(vec![Stage {
            percent: 100,
            gate: StageGate::Automatic,
        }]),
    }
}

fn document(
    state: &VercelState,
    caller: &Authenticated,
    releases: &[ReleaseRecord],
    rollout: Option<Rollout<'_>>,
) -> ApiResult<Value> {
    let Some(rollout) = rollout else {
        return Ok(json!({"rollingRelease": null}));
    };
    let release = &rollout.record.release;
    let mut wire = rollout.to_wire();
    let base = release.base.as_ref();
    wire["currentDeployment"] = base.map_or(Ok(Value::Null), |it| brief(state, caller, it))?;
    wire["canaryDeployment"] = brief(state, caller, &release.target)?;
    let waits = |record: &&ReleaseRecord| {
        rollout.state() == RolloutState::Active && rollout::waits(&record.release)
    };
    let queued = releases.iter().find(waits);
    wire["queuedDeploymentId"] =
        json!(queued.map(|record| find::of_version(&record.release.target)));
    Ok(json!({"rollingRelease": wire}))
}

/// A deployment as the document has it; `null` once it is deleted.
fn brief(state: &VercelState, caller: &Authenticated, version: &RevisionId) -> ApiResult<Value> {
    let Some(found) = find::by_id(state, caller, &find::of_version(version))? else {
        return Ok(Value::Null);
    };
    let Found { record, detail, .. } = &found;
    Ok(json!({
        "id": record.id,
        "name": detail.name,
        "url": detail.host,
        "target": detail.target.as_wire(),
        "source": detail.source,
        "createdAt": record.stamps.created_at.0,
        "readyState": ReadyState::of(record, None, &BTreeSet::new()).as_str(),
        "readyStateAt": record.stamps.updated_at.0,
    }))
}

/// Aborts a rolling release. When this returns it is in force, or the header is absent.
pub(crate) async fn cancel(
    state: &VercelState,
    caller: &Authenticated,
    release: &ReleaseId,
    reason: Option<String>,
    extra: Extra,
) -> ApiResult<HeaderMap> {
    let cancel = Cancel {
        reason,
        urgency: Urgency::CapacitySafe,
        once: None,
    };
    let done = state
        .control
        .cancel_deployment(release, cancel, &caller.caller(), extra)
        .await;
    let time_to_safe_us = match done {
        Ok(done) => done.time_to_safe_us,
        Err(Error::Repeated { .. }) => None,
        Err(error) => return Err(changed_meanwhile(error)),
    };
    let mut headers = HeaderMap::new();
    if let Some(micros) = time_to_safe_us {
        let value = HeaderValue::from(micros.div_ceil(1_000));
        headers.insert(cancel_headers::TIME_TO_SAFE_MS, value);
    }
    Ok(headers)
}

/// The release moved between the look at it and the commit.
fn changed_meanwhile(error: Error) -> ApiError {
    match error {
        Error::Rejected(Rejection::NotContinuable { .. } | Rejection::NotCancelable { .. }) => {
            ApiError::conflict("The rolling release has moved on: look at it again")
        }
        error => error.into(),
    }
}
