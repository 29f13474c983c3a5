//! Numbered revisions of apps.

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::listing::{Cell, Column, Filter, Page};
use windlass_control::numbered_revisions::{Content, Recorded};
use windlass_engine::app::{AppState, RunState};
use windlass_engine::id::NumberedRevisionId;
use windlass_engine::records::{ArtifactState, AuditEvent, NumberedRevision};

use crate::apps::access::{self, Place};
use crate::apps::document::Document;
use crate::apps::request::update_metadata;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::path::Guid;
use crate::processes::model::{self, Process};
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;

pub(crate) mod view;

/// Newest revisions among which the one of a process is looked for.
const LOOKED_THROUGH: u32 = 100;

const LIST: ListSpec = ListSpec::with_filters(&["versions", "deployable"]);

const DEPLOYED_LIST: ListSpec = ListSpec::with_filters(&[]);

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/revisions/{guid}", get(show).patch(update))
        .route(
            "/v3/revisions/{guid}/environment_variables",
            get(environment),
        )
        .route("/v3/apps/{guid}/revisions", get(list))
        .route("/v3/apps/{guid}/revisions/deployed", get(list_deployed))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let wanted = deployable_filter(&query)?;
    let place = access::find(&cf, &caller, &guid)?;
    let mut question = query.question(&[]);
    if let Some(numbers) = query.values("versions") {
        let numbers = numbers
            .iter()
            .filter_map(|number| number.parse::<i64>().ok());
        question.filters.push(Filter::In(
            Column::Number,
            numbers.map(Cell::from).collect(),
        ));
    }
    let path = format!("/v3/apps/{}/revisions", place.app.id);
    let Some(wanted) = wanted else {
        let found = cf
            .control
            .list_numbered_revisions(&place.app.id, question)
            .await?;
        let total = usize::try_from(found.total).unwrap_or(usize::MAX);
        let rows = to_wire_all(&cf, &found.rows)?;
        return Ok(Json(page::list(
            cf.urls(),
            &path,
            &query,
            total,
            rows,
            None,
        )));
    };
    // Whether one is deployable is known only from its droplet; an app keeps few revisions.
    question.page = Page::first(Page::MAX_LIMIT);
    let mut kept = Vec::new();
    for revision in cf
        .control
        .list_numbered_revisions(&place.app.id, question)
        .await?
        .rows
    {
        if is_deployable(&cf, &revision)? == wanted {
            kept.push(revision);
        }
    }
    let cut = page::Page::cut(kept, &query);
    let rows = to_wire_all(&cf, &cut.rows)?;
    Ok(Json(page::list(
        cf.urls(),
        &path,
        &query,
        cut.total,
        rows,
        None,
    )))
}

async fn list_deployed(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &DEPLOYED_LIST)?;
    let place = access::find(&cf, &caller, &guid)?;
    let state = place.state(&cf)?;
    let mut deployed: Vec<NumberedRevision> = Vec::new();
    if state.run == RunState::Started {
        let newest = cf
            .control
            .newest_numbered_revisions(&place.app.id, LOOKED_THROUGH)?;
        for process in model::processes(&state, place.app.stamps) {
            if let Some(found) = matching(&newest, &state, &process)
                && !deployed.iter().any(|known| known.id == found.id)
            {
                deployed.push(found.clone());
            }
        }
    }
    deployed.retain(|it| query.accepts_row(it.id.as_str(), it.stamps, Some(&it.metadata)));
    query.sort(&mut deployed, |it| it.stamps, |it, _| it.id.to_string());
    let cut = page::Page::cut(deployed, &query);
    let rows = to_wire_all(&cf, &cut.rows)?;
    let path = format!("/v3/apps/{}/revisions/deployed", place.app.id);
    Ok(Json(page::list(
        cf.urls(),
        &path,
        &query,
        cut.total,
        rows,
        None,
    )))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (_, revision) = find(&cf, &caller, &guid)?;
    Ok(Json(to_wire(&cf, &revision)?))
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let patch = update_metadata(&body)?;
    let (place, revision) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = patch.apply(&revision.metadata)?;
    let revision = cf
        .control
        .update_numbered_revision(&revision.id, metadata)
        .await?;
    Ok(Json(to_wire(&cf, &revision)?))
}

async fn environment(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (place, revision) = find(&cf, &caller, &guid)?;
    if !place.access.read_secrets {
        return Err(ApiError::not_authorized());
    }
    let shown = "audit.app.revision.environment_variables.show";
    let told = place.event(&caller, shown, event_data(&revision));
    cf.control.write_audit(vec![told]).await?;
    let own = format!("/v3/revisions/{}", revision.id);
    Ok(Json(json!({
        "var": cf.control.environment_of_revision(&revision)?,
        "links": {
            "self": cf.urls().href(&format!("{own}/environment_variables")),
            "revision": cf.urls().href(&own),
            "app": cf.urls().href(&format!("/v3/apps/{}", place.app.id)),
        },
    })))
}

/// Guid of the numbered revision that a process runs, while the app keeps revisions.
pub(crate) fn of_process(
    cf: &CfState,
    place: &Place,
    state: &AppState,
    process: &Process,
) -> ApiResult<Option<String>> {
    if !Document::of(&place.app).revisions || place.app.last_revision_number == 0 {
        return Ok(None);
    }
    let newest = cf
        .control
        .newest_numbered_revisions(&place.app.id, LOOKED_THROUGH)?;
    Ok(matching(&newest, state, process).map(|revision| revision.id.to_string()))
}

/// The newest numbered revision with the content that a process runs.
fn matching<'a>(
    newest_first: &'a [NumberedRevision],
    state: &AppState,
    process: &Process,
) -> Option<&'a NumberedRevision> {
    let id = process.revision.as_ref().or(state.base.as_ref())?;
    let running = Content::of(&state.revisions.get(id)?.configuration);
    newest_first
        .iter()
        .find(|revision| Content::of_revision(revision) == running)
}

/// The row of the audit trail of a new revision, if one was made.
pub(crate) fn created(
    caller: &Authenticated,
    place: &Place,
    recorded: Option<&Recorded>,
) -> Option<AuditEvent> {
    let revision = &recorded.filter(|it| it.is_new)?.revision;
    Some(place.event(caller, "audit.app.revision.create", event_data(revision)))
}

fn event_data(revision: &NumberedRevision) -> Value {
    json!({"revision_guid": revision.id, "revision_version": revision.number})
}

fn deployable_filter(query: &ListQuery) -> ApiResult<Option<bool>> {
    match query.values("deployable") {
        None => Ok(None),
        Some([word]) if word == "true" => Ok(Some(true)),
        Some([word]) if word == "false" => Ok(Some(false)),
        Some(_) => Err(ApiError::bad_query("Deployable must be a boolean")),
    }
}

fn to_wire_all(cf: &CfState, revisions: &[NumberedRevision]) -> ApiResult<Vec<Value>> {
    revisions
        .iter()
        .map(|revision| to_wire(cf, revision))
        .collect()
}

fn to_wire(cf: &CfState, revision: &NumberedRevision) -> ApiResult<Value> {
    Ok(view::revision(
        cf.urls(),
        revision,
        is_deployable(cf, revision)?,
    ))
}

fn is_deployable(cf: &CfState, revision: &NumberedRevision) -> ApiResult<bool> {
    let Some(id) = &revision.artifact else {
        return Ok(false);
    };
    let droplet = cf.control.find_artifact(id)?;
    Ok(droplet.is_some_and(|droplet| droplet.state == ArtifactState::Staged))
}

fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<(Place, NumberedRevision)> {
    let revision = cf
        .control
        .numbered_revision(&NumberedRevisionId::from(guid))?
        .ok_or_else(|| ApiError::not_found("Revision"))?;
    let place = access::find_for(cf, caller, &revision.app, "Revision")?;
    Ok((place, revision))
}
