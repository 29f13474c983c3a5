//! `/v3/deployments`.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;
use windlass_control::Extra;
use windlass_control::commands::Caller;
use windlass_control::commands::cancel_deployment::{Cancel, Told};
use windlass_control::history::ReleaseRecord;
use windlass_control::listing::Column;
use windlass_control::order_events;
use windlass_engine::id::{AppId, ReleaseId};
use windlass_wire::cancel_headers;

use crate::apps::access::{self, Place};
use crate::apps::document::Document;
use crate::apps::request::update_metadata;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::path::Guid;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;

mod create;
mod refusal;
pub(crate) mod request;
pub(crate) mod view;
pub(crate) mod words;

const LIST: ListSpec =
    ListSpec::with_filters(&["app_guids", "states", "status_reasons", "status_values"]);

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/deployments", get(list).post(create))
        .route("/v3/deployments/{guid}", get(show).patch(update))
        .route("/v3/deployments/{guid}/actions/cancel", post(cancel))
        .route("/v3/deployments/{guid}/actions/continue", post(continue_))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let question = query.question(&[
        ("app_guids", Column::App),
        ("states", Column::State),
        ("status_reasons", Column::StatusReason),
        ("status_values", Column::StatusValue),
    ]);
    let found = cf
        .control
        .list_releases(&caller.grants.visible_spaces(), of_own_apps(question))
        .await?;
    let mut rows = Vec::with_capacity(found.rows.len());
    for record in &found.rows {
        let shows_revision = match cf.control.find_app(&record.app)? {
            Some(app) => Document::of(&app).revisions,
            None => false,
        };
        rows.push(view::deployment(cf.urls(), record, shows_revision));
    }
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(
        cf.urls(),
        "/v3/deployments",
        &query,
        total,
        rows,
        None,
    )))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (place, record) = find(&cf, &caller, &guid)?;
    Ok(Json(shown(&cf, &place, &record)))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let request = request::create(&body)?;
    let app = AppId::from(request.app_guid.as_deref().unwrap_or_default());
    let place = access::look_up(&cf, &caller, &app)?.filter(|place| place.access.operate);
    let Some(place) = place else {
        return Err(ApiError::unprocessable(
            "Unable to use app. Ensure that the app exists and you have access to it.",
        ));
    };
    place.require_active()?;
    let record = create::create(&cf, &caller, &place, request, body).await?;
    Ok((StatusCode::CREATED, Json(shown(&cf, &place, &record))).into_response())
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let (place, record) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = update_metadata(&body)?.apply(&record.detail.metadata)?;
    let change = move |detail: &mut windlass_control::history::ReleaseDetail| {
        detail.metadata = metadata;
    };
    let record = cf
        .control
        .update_deployment(&record.release.id, change)
        .await?;
    Ok(Json(shown(&cf, &place, &record)))
}

/// Cancels a deployment. The body of the request is ignored.
async fn cancel(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    headers: HeaderMap,
) -> ApiResult {
    let (place, record) = operable(&cf, &caller, &guid)?;
    let cancel = Cancel {
        reason: cancel_headers::reason(&headers)?,
        urgency: cancel_headers::urgency(&headers)?,
        once: None,
    };
    let by = Caller::from(&caller.principal);
    let text = canceling(&guid, &by, cancel.reason.as_deref());
    let (actor, app) = (caller.principal.actor(), place.app.clone());
    let events = move |told: Told<'_>| order_events::deployment_canceled(&app, &actor, &told);
    let done = cf
        .control
        .cancel_deployment_telling(&record.release.id, cancel, &by, events)
        .await?;
    cf.control.write_log(&place.app.id, "API", text).await;
    let mut answer = Json(shown(&cf, &place, &done.record)).into_response();
    let time_to_safe = done
        .record
        .release
        .restore
        .as_ref()
        .and_then(view::time_to_safe_ms);
    if let Some(time_to_safe_ms) = time_to_safe {
        let value = HeaderValue::from(time_to_safe_ms);
        answer
            .headers_mut()
            .insert(cancel_headers::TIME_TO_SAFE_MS, value);
    }
    Ok(answer)
}

/// Continues a paused deployment. The body of the request is ignored.
async fn continue_(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    headers: HeaderMap,
) -> ApiResult {
    let (place, record) = operable(&cf, &caller, &guid)?;
    let reason = cancel_headers::reason(&headers)?;
    let by = Caller::from(&caller.principal);
    let actor = caller.principal.actor();
    let extra = Extra {
        audit: order_events::deployment_continued(&place.app, &actor, &record),
        ..Extra::default()
    };
    let record = cf
        .control
        .continue_deployment(&record.release.id, reason, &by, extra)
        .await?;
    let text = format!("Continuing deployment with guid {guid}");
    cf.control.write_log(&place.app.id, "API", text).await;
    Ok(answer(&cf, &place, &record))
}

fn answer(cf: &CfState, place: &Place, record: &ReleaseRecord) -> Response {
    Json(shown(cf, place, record)).into_response()
}

fn shown(cf: &CfState, place: &Place, record: &ReleaseRecord) -> Value {
    view::deployment(cf.urls(), record, Document::of(&place.app).revisions)
}

/// A deployment that the caller sees.
fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<(Place, ReleaseRecord)> {
    let record = cf.control.release(&ReleaseId::from(guid))?;
    let place = access::find_for(cf, caller, &record.app, "Deployment")?;
    Ok((place, record))
}

/// A deployment that the caller may cancel and continue. Who may not is told that there is none,
/// also when they see it.
fn operable(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<(Place, ReleaseRecord)> {
    let (place, record) = find(cf, caller, guid)?;
    if !place.access.operate {
        return Err(ApiError::not_found("Deployment"));
    }
    place.require_active()?;
    Ok((place, record))
}

/// The line in the app's log.
fn canceling(guid: &str, by: &Caller, reason: Option<&str>) -> String {
    let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
    format!(
        "Cancelling deployment with guid {guid} for {}{reason}",
        by.name
    )
}
