//! Rolling releases: a production deployment gets its visitors stage by stage.
//!
//! The configuration is a template that releases are compiled from when they are created. One of
//! them moves at a time, the newest that came meanwhile waits behind it; who goes back to what ran
//! before aborts it.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::Extra;
use windlass_control::commands::cancel_deployment::Cancel;
use windlass_control::commands::site::SiteRelease;
use windlass_control::error::Error;
use windlass_control::history::{ReleaseDetail, ReleaseRecord};
use windlass_engine::id::{BuildId, ReleaseId, RevisionId};
use windlass_engine::records::AppRecord;
use windlass_engine::rejection::Rejection;
use windlass_engine::release::{Outcome, Urgency};
use windlass_engine::strategy::{Stage, StageGate, Strategy};
use windlass_wire::cancel_headers;

use crate::auth::Authenticated;
use crate::body::{self, Ignored, JsonObject};
use crate::deployments::detail::Target;
use crate::deployments::find::{self, Found};
use crate::deployments::state::ReadyState;
use crate::document::Document;
use crate::error::{ApiError, ApiResult};
use crate::once::Attempt;
use crate::path::Params;
use crate::place::{self, Place};
use crate::projects::view::releases;
use crate::query::Pairs;
use crate::server::VercelState;

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
        .route(&below("/start"), post(start))
        .route(&below("/approve-stage"), post(approve_stage))
        .route(&below("/complete"), post(complete))
        .route(&below("/abort"), post(abort))
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

/// One of the calls that change where a rolling release stands.
struct Act {
    state: VercelState,
    caller: Authenticated,
    place: Place,
    attempt: Attempt,
    reason: Option<String>,
    releases: Vec<ReleaseRecord>,
}

impl Act {
    /// Reads what it needs. `None` = the repeat of one that was carried out.
    async fn read(
        state: VercelState,
        caller: Authenticated,
        query: &Pairs,
        params: &Params,
        (attempt, headers): (Attempt, &HeaderMap),
    ) -> ApiResult<(Self, bool)> {
        let place = place::project(&state, &caller, query, params.get("project")).await?;
        place.require_operate()?;
        let reason = cancel_headers::reason(headers)?;
        let is_repeat = attempt.repeated(&state)?.is_some();
        let releases = releases(&state, &place.app).await?;
        let act = Self {
            state,
            caller,
            place,
            attempt,
            reason,
            releases,
        };
        Ok((act, is_repeat))
    }

    fn extra(&self, verb: &str, canary: &BuildId) -> Extra {
        let kind = format!("audit.app.rolling-release.{verb}");
        let data = json!({ "deployment": canary });
        let mut extra = self.place.audit(&self.caller, &kind, data);
        extra.once = Some(self.attempt.makes(canary));
        extra
    }

    /// The document as it is now.
    async fn answer(self) -> ApiResult<Response> {
        let all = releases(&self.state, &self.place.app).await?;
        let found = newest(&all, |_| true);
        let wire = document(&self.state, &self.caller, &all, found)?;
        Ok(self.attempt.tracked(Json(wire).into_response()))
    }

    /// What follows from how control fared. A repeat that came while the first was carried out is
    /// answered like it.
    async fn done<T>(self, done: Result<T, Error>) -> ApiResult<Response> {
        match done {
            Ok(_) | Err(Error::Repeated { .. }) => self.answer().await,
            Err(error) => Err(changed_meanwhile(error)),
        }
    }

    /// The active one, if this is its canary.
    fn active_of(&self, canary: &BuildId) -> ApiResult<Rollout<'_>> {
        let active = active(&self.releases)
            .ok_or_else(|| ApiError::conflict("No rolling release is active"))?;
        let target = find::of_version(&active.record.release.target);
        if target != *canary {
            return Err(ApiError::conflict(format!(
                "The active rolling release is that of {target}"
            )));
        }
        Ok(active)
    }
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

fn canary(object: &Map<String, Value>) -> ApiResult<BuildId> {
    let id = body::text(object, "canaryDeploymentId")?;
    id.map(BuildId::new)
        .ok_or_else(|| body::kind("canaryDeploymentId", "a string"))
}

/// Starts a rolling release to a deployment that is there. Sent again while it moves, it changes
/// nothing.
async fn start(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    (method, uri, headers): (Method, Uri, HeaderMap),
    JsonObject { object, bytes }: JsonObject,
) -> ApiResult<Response> {
    let attempt = Attempt::of(&caller, &method, &uri, &bytes);
    let (act, is_repeat) = Act::read(state, caller, &query, &params, (attempt, &headers)).await?;
    if is_repeat {
        return act.answer().await;
    }
    let id = canary(&object)?;
    if act.active_of(&id).is_ok() {
        return act.answer().await;
    }
    let found = find::deployment(&act.state, &act.caller, &query, id.as_str()).await?;
    if found.place.app.id != act.place.app.id {
        return Err(ApiError::not_found("Deployment"));
    }
    let config = startable(&act, &found)?;
    let release = SiteRelease {
        app: act.place.app.id.clone(),
        release: ReleaseId::new(uuid::Uuid::new_v4().to_string()),
        revision: found.detail.revision.clone(),
        strategy: config.strategy(),
        releases_built: Some(true),
        may_wait: false,
        detail: ReleaseDetail::default(),
    };
    let extra = act.extra("start", &found.record.id);
    let done = act.state.control.release_site(release, extra).await;
    if let Err(Error::Rejected(Rejection::ReleaseInFlight { .. })) = done {
        // Somebody was faster: with the same canary that is what was asked for.
        let all = releases(&act.state, &act.place.app).await?;
        let act = Act {
            releases: all,
            ..act
        };
        act.active_of(&id)?;
        return act.answer().await;
    }
    act.done(done).await
}

/// Refuses what can't be rolled out.
fn startable(act: &Act, found: &Found) -> ApiResult<Config> {
    let id = &found.record.id;
    if let Some(active) = active(&act.releases) {
        let target = find::of_version(&active.record.release.target);
        return Err(ApiError::conflict(format!(
            "The rolling release of {target} is active: complete or abort it first"
        )));
    }
    let ready = ReadyState::of(&found.record, None, &BTreeSet::new());
    if ready != ReadyState::Ready {
        return Err(ApiError::unprocessable(format!(
            "The deployment {id} is not READY"
        )));
    }
    if found.detail.target != Target::Production {
        return Err(ApiError::unprocessable(format!(
            "The deployment {id} is a preview: create a production deployment from it"
        )));
    }
    let config = Document::of(&act.place.app).rolling_release;
    let config = config.ok_or_else(|| {
        ApiError::unprocessable("Rolling releases are not enabled for this project")
    })?;
    match find::serving(&act.state, &act.place.app.id)? {
        None => Err(ApiError::unprocessable(
            "There is no production deployment to share visitors with: promote this one",
        )),
        Some(serving) if serving == found.detail.revision => Err(ApiError::conflict(format!(
            "The deployment {id} is the current production deployment already"
        ))),
        Some(_) => Ok(config),
    }
}

/// Ends a stage that waits for an approval. Who approves says from which stage to which, so that
/// two who approve the same stage do not skip the next.
async fn approve_stage(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    (method, uri, headers): (Method, Uri, HeaderMap),
    JsonObject { object, bytes }: JsonObject,
) -> ApiResult<Response> {
    let attempt = Attempt::of(&caller, &method, &uri, &bytes);
    let (act, is_repeat) = Act::read(state, caller, &query, &params, (attempt, &headers)).await?;
    if is_repeat {
        return act.answer().await;
    }
    let id = canary(&object)?;
    let next = config::whole(&object, "nextStageIndex")?
        .ok_or_else(|| body::kind("nextStageIndex", "a whole number"))?;
    let from = config::whole(&object, "activeStageIndex")?;
    let active = act.active_of(&id)?;
    let stage = active.stage() as u64;
    if next != stage + 1 || from.is_some_and(|from| from != stage) {
        return Err(ApiError::conflict(format!(
            "The active stage is {stage}, the one after it {}",
            stage + 1
        )));
    }
    if active.gate() != StageGate::Manual {
        return Err(ApiError::conflict(format!(
            "Stage {stage} ends by itself, it waits for no approval"
        )));
    }
    let release = active.record.release.clone();
    let step = release.last_step;
    let (extra, reason) = (act.extra("approve-stage", &id), act.reason.clone());
    let control = &act.state.control;
    let who = act.caller.caller();
    let done = control
        .continue_deployment_from(&release.id, step, reason, &who, extra)
        .await;
    act.done(done).await
}

/// All visitors at once, whatever stages are left.
async fn complete(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    (method, uri, headers): (Method, Uri, HeaderMap),
    JsonObject { object, bytes }: JsonObject,
) -> ApiResult<Response> {
    let attempt = Attempt::of(&caller, &method, &uri, &bytes);
    let (act, is_repeat) = Act::read(state, caller, &query, &params, (attempt, &headers)).await?;
    if is_repeat {
        return act.answer().await;
    }
    let id = canary(&object)?;
    let release = act.active_of(&id)?.record.release.id.clone();
    let (extra, reason) = (act.extra("complete", &id), act.reason.clone());
    let control = &act.state.control;
    let who = act.caller.caller();
    let done = control
        .complete_deployment(&release, reason, &who, extra)
        .await;
    act.done(done).await
}

/// Sends all visitors back; the same as the rollback to the current deployment.
async fn abort(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    (method, uri, headers): (Method, Uri, HeaderMap),
    JsonObject { object, bytes }: JsonObject,
) -> ApiResult<Response> {
    let attempt = Attempt::of(&caller, &method, &uri, &bytes);
    let (act, is_repeat) = Act::read(state, caller, &query, &params, (attempt, &headers)).await?;
    if is_repeat {
        return act.answer().await;
    }
    let id = match body::text(&object, "canaryDeploymentId")? {
        Some(id) => BuildId::new(id),
        None => match active(&act.releases) {
            Some(active) => find::of_version(&active.record.release.target),
            None => return Err(ApiError::conflict("No rolling release is active")),
        },
    };
    let release = act.active_of(&id)?.record.release.id.clone();
    let extra = act.extra("abort", &id);
    let header = cancel(&act.state, &act.caller, &release, act.reason.clone(), extra).await?;
    let mut response = act.answer().await?;
    response.headers_mut().extend(header);
    Ok(response)
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
