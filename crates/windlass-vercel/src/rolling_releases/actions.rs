//! The calls that change where a rolling release stands: start, approve a stage, complete, abort.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use windlass_control::Extra;
use windlass_control::commands::site::SiteRelease;
use windlass_control::error::Error;
use windlass_control::history::{ReleaseDetail, ReleaseRecord};
use windlass_engine::id::{BuildId, ReleaseId};
use windlass_engine::rejection::Rejection;
use windlass_engine::strategy::StageGate;
use windlass_wire::cancel_headers;

use super::config::{self, Config};
use super::rollout::Rollout;
use super::{active, cancel, changed_meanwhile, document, newest};
use crate::auth::Authenticated;
use crate::body::{self, JsonObject};
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

fn canary(object: &Map<String, Value>) -> ApiResult<BuildId> {
    let id = body::text(object, "canaryDeploymentId")?;
    id.map(BuildId::new)
        .ok_or_else(|| body::kind("canaryDeploymentId", "a string"))
}

/// Starts a rolling release to a deployment that is there. Sent again while it moves, it changes
/// nothing.
pub(super) async fn start(
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
pub(super) async fn approve_stage(
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
pub(super) async fn complete(
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
pub(super) async fn abort(
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
