//! `/v2/apps/{id}/deployments`.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::commands::cancel_deployment::Cancel;
use windlass_control::history::ReleaseRecord;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Order};
use windlass_engine::release::Outcome;
use windlass_wire::cancel_headers;

use crate::auth::Authenticated;
use crate::body::{self, JsonObject};
use crate::document::{By, Cause, Detail};
use crate::error::{ApiError, ApiResult};
use crate::once::{Attempt, Made};
use crate::page::Page;
use crate::path::Params;
use crate::place;
use crate::query::Pairs;
use crate::server::DoState;
use crate::submit::{self, Sources};

pub(crate) mod cause;
pub(crate) mod phase;
pub(crate) mod progress;
pub(crate) mod view;

use phase::Phase;
use view::{Shown, serving};

/// Words of the filter `deployment_types`.
const TYPES: [&str; 7] = [
    "MANUAL",
    "DEPLOY_ON_PUSH",
    "MAINTENANCE",
    "MANUAL_ROLLBACK",
    "AUTO_ROLLBACK",
    "UPDATE_DATABASE_TRUSTED_SOURCES",
    "AUTOSCALED",
];

pub(crate) fn routes() -> Router<DoState> {
    Router::new()
        .route("/v2/apps/{id}/deployments", get(list).post(create))
        .route("/v2/apps/{id}/deployments/{deployment}", get(show))
        .route(
            "/v2/apps/{id}/deployments/{deployment}/cancel",
            post(cancel),
        )
        // Ours: there is no such call over there, where deployments never pause.
        .route(
            "/v2/apps/{id}/deployments/{deployment}/continue",
            post(continue_),
        )
}

async fn list(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let place = place::app(&state, &caller, &params)?;
    let page = Page::parse(&query)?;
    let kinds: Vec<&str> = query.values("deployment_types").collect();
    if let Some(unknown) = kinds.iter().find(|kind| !TYPES.contains(kind)) {
        return Err(ApiError::bad_request(format!(
            "deployment_types: unknown type {:?}",
            unknown.chars().take(40).collect::<String>()
        )));
    }
    let mut question = ListQuery::filtered(vec![Filter::is(Column::App, place.app.id.as_str())])
        .ordered(Order::descending(Column::CreatedCommit));
    if kinds.is_empty() {
        question = question.page(windlass_control::listing::Page {
            limit: page.rows,
            offset: page.offset(),
        });
    }
    let found = state
        .control
        .list_releases(&Visibility::All, question)
        .await?;
    let (rows, total) = if kinds.is_empty() {
        (found.rows, found.total)
    } else {
        filtered(found.rows, &kinds, &page)
    };
    let serving = serving(&state, &place.app.id).await?;
    let serving = serving.map(|record| record.release.id);
    let own = place.state(&state)?;
    let mut deployments = Vec::with_capacity(rows.len());
    for record in rows {
        let shown = Shown::read(&state, record, serving.as_ref(), Some(&own))?;
        deployments.push(shown.to_wire());
    }
    let address = format!("/v2/apps/{}/deployments", place.app.id);
    let (links, meta) = page.around(&state.urls().at(&address), total);
    Ok(Json(
        json!({"deployments": deployments, "links": links, "meta": meta}),
    ))
}

/// Retention keeps the deployments of an app few enough to be looked through.
fn filtered(rows: Vec<ReleaseRecord>, kinds: &[&str], page: &Page) -> (Vec<ReleaseRecord>, u64) {
    let fits = |record: &ReleaseRecord| {
        Detail::of(record).is_some_and(|detail| kinds.contains(&cause::kind(&detail.cause)))
    };
    let all: Vec<_> = rows.into_iter().filter(fits).collect();
    let total = all.len() as u64;
    let offset = usize::try_from(page.offset()).unwrap_or(usize::MAX);
    let limit = usize::try_from(page.rows).unwrap_or(usize::MAX);
    (all.into_iter().skip(offset).take(limit).collect(), total)
}

async fn show(State(state): State<DoState>, caller: Authenticated, params: Params) -> ApiResult {
    let (_, record) = place::deployment(&state, &caller, &params)?;
    answer(&state, record).await
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
    let order = submit::Order {
        cause: Cause::Manual(By::of(&caller)),
        sources: Sources::Newest,
        force_build: body::truth(&object, "force_build")?,
        made: |app, deployment| Made::Deployment { app, deployment },
    };
    let done = async {
        let (_, record) = submit::deploy(&state, &caller, &place, None, order, &attempt).await?;
        Ok(answer(&state, record).await?)
    };
    attempt.answer(&state, &caller, done.await).await
}

/// Cancels a deployment in any phase in which it is not over. Repeated on a canceled one it
/// answers the same again.
async fn cancel(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    headers: HeaderMap,
) -> ApiResult {
    let (place, record) = place::deployment(&state, &caller, &params)?;
    place.require_operate()?;
    let cancel = Cancel {
        reason: cancel_headers::reason(&headers)?,
        urgency: cancel_headers::urgency(&headers)?,
        ..Cancel::default()
    };
    let data = json!({ "deployment": record.release.id });
    let extra = place.audit(&caller, "audit.app.deployment.cancel", data);
    let id = record.release.id.clone();
    let done = state
        .control
        .cancel_deployment(&id, cancel, &caller.caller(), extra)
        .await;
    let (record, time_to_safe_us) = match done {
        Ok(done) => (done.record, done.time_to_safe_us),
        Err(windlass_control::Error::Rejected(
            windlass_engine::rejection::Rejection::NotCancelable { .. },
        )) => over(&state, &id).await?,
        Err(error) => return Err(error.into()),
    };
    let mut response = answer(&state, record).await?;
    if let Some(micros) = time_to_safe_us {
        let value = HeaderValue::from(micros.div_ceil(1_000));
        response
            .headers_mut()
            .insert(cancel_headers::TIME_TO_SAFE_MS, value);
    }
    Ok(response)
}

/// A deployment that is over: the same answer again when it was canceled, else a refusal that
/// names its phase.
async fn over(
    state: &DoState,
    id: &windlass_engine::id::ReleaseId,
) -> ApiResult<(ReleaseRecord, Option<u64>)> {
    let record = state.control.release(id)?;
    if matches!(record.release.outcome(), Some(Outcome::Canceled(_))) {
        let restore = record.release.restore.as_ref();
        let micros = restore.and_then(|restore| restore.time_to_safe_us);
        return Ok((record, micros));
    }
    let serving = serving(state, &record.app).await?;
    let serves = serving.is_some_and(|serving| serving.release.id == *id);
    let phase = Phase::of(&record, serves);
    Err(ApiError::bad_request(format!(
        "deployment {id} is {} and cannot be canceled",
        phase.as_str()
    )))
}

/// Continues a canary that waits at a step.
async fn continue_(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    headers: HeaderMap,
) -> ApiResult {
    let (place, record) = place::deployment(&state, &caller, &params)?;
    place.require_operate()?;
    let data = json!({ "deployment": record.release.id });
    let extra = place.audit(&caller, "audit.app.deployment.continue", data);
    let record = state
        .control
        .continue_deployment(
            &record.release.id,
            cancel_headers::reason(&headers)?,
            &caller.caller(),
            extra,
        )
        .await?;
    answer(&state, record).await
}

/// `{deployment}`.
pub(crate) async fn answer(state: &DoState, record: ReleaseRecord) -> ApiResult<Response> {
    let serving = serving(state, &record.app).await?;
    let serving = serving.map(|record| record.release.id);
    let shown = Shown::read(state, record, serving.as_ref(), None)?;
    Ok(Json(json!({ "deployment": shown.to_wire() })).into_response())
}
