//! `/v2/apps/{id}/rollback`: back to what an earlier deployment was, and from there on or back.
//!
//! A rollback is a new deployment of what was built then. Unless it says otherwise it pins the
//! app: nothing is deployed until the rollback is committed or reverted.

use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::error::Error;
use windlass_control::history::ReleaseRecord;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Order, Page};
use windlass_engine::id::{AppId, ReleaseId};
use windlass_engine::records::AppRecord;
use windlass_engine::release::{Outcome, Release};

use crate::auth::Authenticated;
use crate::body::{self, Ignored, JsonObject};
use crate::deployments;
use crate::deployments::phase::Phase;
use crate::deployments::view::serving;
use crate::document::{By, Cause, Detail, Document, Pin};
use crate::error::{ApiError, ApiResult};
use crate::once::{ApiErrorOr, Attempt, Made};
use crate::path::Params;
use crate::place::{self, Place};
use crate::server::DoState;
use crate::submit::{self, PinChange};

/// Deployments that one can go back to.
const WINDOW: u32 = 10;

pub(crate) fn routes() -> Router<DoState> {
    Router::new()
        .route("/v2/apps/{id}/rollback", post(create))
        .route("/v2/apps/{id}/rollback/validate", post(validate))
        .route("/v2/apps/{id}/rollback/commit", post(commit))
        .route("/v2/apps/{id}/rollback/revert", post(revert))
}

/// Why one can't go back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Obstacle {
    code: &'static str,
    message: String,
    components: Vec<String>,
}

async fn validate(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let place = place::app(&state, &caller, &params)?;
    let (wanted, _) = asked(&state, &place, &object)?;
    let obstacle = obstacle(&state, &place, &wanted).await?;
    Ok(Json(match obstacle {
        None => json!({"valid": true}),
        Some(obstacle) => json!({"valid": false, "error": obstacle.to_wire()}),
    }))
}

async fn create(
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
    let (wanted, skip_pin) = asked(&state, &place, &object)?;
    if let Some(obstacle) = obstacle(&state, &place, &wanted).await? {
        return Err(ApiError::precondition_failed(format!(
            "{}: {}",
            obstacle.code, obstacle.message
        )));
    }
    let active = serving(&state, &place.app.id)
        .await?
        .ok_or_else(|| ApiError::precondition_failed("the app has no active deployment"))?;
    let release = ReleaseId::new(uuid::Uuid::new_v4().to_string());
    let pin = (!skip_pin).then(|| {
        PinChange::Set(Pin {
            deployment: release.clone(),
            before: active.release.id,
        })
    });
    let cause = Cause::Rollback(By::of(&caller));
    let again = Again {
        earlier: &wanted,
        cause,
        pin,
        release,
    };
    go(&state, &caller, &place, again, &attempt).await
}

/// The rollback stays: the app takes deployments again.
async fn commit(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Ignored(bytes): Ignored,
) -> ApiResult {
    let place = place::app(&state, &caller, &params)?;
    place.require_operate()?;
    let attempt = Attempt::of(&caller, &method, uri.path(), &headers, &bytes);
    if let Some(answer) = attempt.repeated(&state, &caller).await? {
        return Ok(answer);
    }
    let mut extra = place.audit(&caller, "audit.app.rollback.commit", json!({}));
    extra.once = Some(attempt.makes(&Made::Nothing));
    let change = Box::new(
        |record: &mut AppRecord, _: &windlass_engine::app::AppState| {
            let mut document = Document::of(record);
            if document.pin.take().is_none() {
                return Err(not_pinned());
            }
            record.document = document.to_value();
            Ok(())
        },
    );
    let done = state
        .control
        .change_app(&place.app.id, change, extra)
        .await
        .map(|_| Json(json!({})).into_response())
        .map_err(ApiErrorOr::from);
    attempt.answer(&state, &caller, done).await
}

/// Back to what was active before the rollback.
async fn revert(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Ignored(bytes): Ignored,
) -> ApiResult {
    let place = place::app(&state, &caller, &params)?;
    place.require_operate()?;
    let attempt = Attempt::of(&caller, &method, uri.path(), &headers, &bytes);
    if let Some(answer) = attempt.repeated(&state, &caller).await? {
        return Ok(answer);
    }
    let pin = Document::of(&place.app).pin.ok_or_else(not_pinned)?;
    let before = place::deployment_of(&state, &place, pin.before.as_str())?;
    let again = Again {
        earlier: &before,
        cause: Cause::Revert(By::of(&caller)),
        pin: Some(PinChange::Clear),
        release: ReleaseId::new(uuid::Uuid::new_v4().to_string()),
    };
    go(&state, &caller, &place, again, &attempt).await
}

/// A deployment of what an earlier one was.
struct Again<'a> {
    earlier: &'a ReleaseRecord,
    cause: Cause,
    pin: Option<PinChange>,
    release: ReleaseId,
}

async fn go(
    state: &DoState,
    caller: &Authenticated,
    place: &Place,
    again: Again<'_>,
    attempt: &Attempt,
) -> ApiResult {
    let Again {
        earlier,
        cause,
        pin,
        release,
    } = again;
    let data = json!({"deployment": release, "from": earlier.release.id});
    let mut extra = place.audit(caller, "audit.app.rollback", data);
    extra.once = Some(attempt.makes(&Made::Deployment {
        app: place.app.id.to_string(),
        deployment: release.to_string(),
    }));
    let done = async {
        let (_, record) =
            submit::repeat(state, &place.app, earlier, cause, pin, release, extra).await?;
        Ok(deployments::answer(state, record).await?)
    };
    attempt.answer(state, caller, done.await).await
}

fn not_pinned() -> Error {
    Error::Conflict("the app is not pinned to a rollback".to_owned())
}

fn asked(
    state: &DoState,
    place: &Place,
    object: &Map<String, Value>,
) -> ApiResult<(ReleaseRecord, bool)> {
    let id = match object.get("deployment_id") {
        Some(Value::String(id)) => id,
        Some(Value::Null) | None => {
            return Err(ApiError::bad_request("deployment_id is required"));
        }
        Some(_) => return Err(ApiError::bad_request("deployment_id must be a string")),
    };
    let record = place::deployment_of(state, place, id)?;
    Ok((record, body::truth(object, "skip_pin")?))
}

/// What stands in the way, if anything does.
async fn obstacle(
    state: &DoState,
    place: &Place,
    wanted: &ReleaseRecord,
) -> ApiResult<Option<Obstacle>> {
    let id = &wanted.release.id;
    let obstacle = |code, message: String| {
        Some(Obstacle {
            code,
            message,
            components: Vec::new(),
        })
    };
    if Document::of(&place.app).pin.is_some() {
        return Ok(obstacle(
            "app_pinned",
            "the app is pinned to a rollback; commit or revert it first".to_owned(),
        ));
    }
    let serving = serving(state, &place.app.id).await?;
    let serves = serving.is_some_and(|serving| serving.release.id == *id);
    let phase = Phase::of(wanted, serves);
    if phase.is_open() {
        let words = format!("deployment {id} is {}: it is not over", phase.as_str());
        return Ok(obstacle("incompatible_phase", words));
    }
    if !has_deployed(&wanted.release) || serves {
        let words = format!(
            "deployment {id} is {}: one can go back to a deployment that was active before",
            phase.as_str()
        );
        return Ok(obstacle("incompatible_result", words));
    }
    if !window(state, &place.app.id).await?.contains(id) {
        let words = format!("deployment {id} is not among the last {WINDOW} that were active");
        return Ok(obstacle("exceeded_revision_limit", words));
    }
    let detail = Detail::of(wanted).ok_or_else(|| ApiError::not_found("deployment"))?;
    let kept = submit::kept(state, wanted)?;
    let gone: Vec<String> = detail
        .components
        .iter()
        .filter(|component| !kept.contains(&component.name))
        .map(|component| component.name.clone())
        .collect();
    if gone.is_empty() {
        return Ok(None);
    }
    Ok(Some(Obstacle {
        code: "exceeded_revision_limit",
        message: format!("what deployment {id} ran is not kept any more"),
        components: gone,
    }))
}

fn has_deployed(release: &Release) -> bool {
    matches!(release.outcome(), Some(Outcome::Deployed))
}

/// The deployments that one can go back to.
async fn window(state: &DoState, app: &AppId) -> ApiResult<Vec<ReleaseId>> {
    let query = ListQuery::filtered(vec![
        Filter::is(Column::App, app.as_str()),
        Filter::is(Column::StatusReason, "DEPLOYED"),
    ])
    .ordered(Order::descending(Column::CreatedCommit))
    .page(Page::first(WINDOW));
    let found = state.control.list_releases(&Visibility::All, query).await?;
    Ok(found
        .rows
        .into_iter()
        .map(|record| record.release.id)
        .collect())
}

impl Obstacle {
    fn to_wire(&self) -> Value {
        let mut value = json!({"code": self.code, "message": self.message});
        if !self.components.is_empty() {
            value["components"] = json!(self.components);
        }
        value
    }
}
