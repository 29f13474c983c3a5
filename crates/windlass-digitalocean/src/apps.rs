//! `/v2/apps`.

use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery, Order};
use windlass_engine::records::{AppRecord, Dialect};

use crate::auth::Authenticated;
use crate::body::{self, Form, Ignored, JsonObject, Raw};
use crate::document::{By, Cause};
use crate::error::{ApiError, ApiResult};
use crate::once::{ApiErrorOr, Attempt, Made};
use crate::page::Page;
use crate::path::{Params, is_id};
use crate::place::{self, Place};
use crate::query::Pairs;
use crate::server::DoState;
use crate::submit::{self, Sources};

mod domains;
pub(crate) mod view;

/// Longest name that is looked for, bytes.
const MAX_NAME_BYTES: usize = 100;

pub(crate) fn routes() -> Router<DoState> {
    Router::new()
        .route("/v2/apps", get(list).post(create))
        // A look-up by name as clients send it that leave the id empty.
        .route("/v2/apps/", get(by_name))
        .route("/v2/apps/{id}", get(show).put(update).delete(delete))
}

async fn list(
    State(state): State<DoState>,
    caller: Authenticated,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let page = Page::parse(&query)?;
    let with_projects = query.switch("with_projects")?;
    let mut question = ListQuery::filtered(vec![Filter::is(
        Column::Dialect,
        Dialect::DigitalOcean.as_str(),
    )])
    .ordered(Order::ascending(Column::CreatedCommit))
    .page(windlass_control::listing::Page {
        limit: page.rows,
        offset: page.offset(),
    });
    if let Some(name) = query.first("name").filter(|name| !name.is_empty()) {
        question.filters.push(Filter::is(Column::Name, name));
    }
    let found = state
        .control
        .list_apps(&caller.grants.visible_spaces(), question)
        .await?;
    let mut apps = Vec::with_capacity(found.rows.len());
    for app in &found.rows {
        apps.push(view::app(&state, app, None, with_projects).await?);
    }
    let (links, meta) = page.around(&state.urls().at("/v2/apps"), found.total);
    Ok(Json(json!({"apps": apps, "links": links, "meta": meta})))
}

async fn by_name(
    State(state): State<DoState>,
    caller: Authenticated,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let missing = || ApiError::not_found("app");
    let name = query
        .first("name")
        .filter(|name| name.len() <= MAX_NAME_BYTES);
    let app = named(
        &state,
        &caller.grants.visible_spaces(),
        name.ok_or_else(missing)?,
    )
    .await?
    .ok_or_else(missing)?;
    Ok(Json(
        json!({"app": view::app(&state, &app, None, false).await?}),
    ))
}

/// The oldest app of this name among those that are visible.
pub(crate) async fn named(
    state: &DoState,
    visibility: &Visibility,
    name: &str,
) -> ApiResult<Option<AppRecord>> {
    let question = ListQuery::filtered(vec![
        Filter::is(Column::Dialect, Dialect::DigitalOcean.as_str()),
        Filter::is(Column::Name, name),
    ])
    .page(windlass_control::listing::Page::first(1));
    let found = state.control.list_apps(visibility, question).await?;
    Ok(found.rows.into_iter().next())
}

async fn show(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::app(&state, &caller, &params)?;
    Ok(Json(
        json!({"app": view::app(&state, &place.app, None, false).await?}),
    ))
}

async fn create(
    State(state): State<DoState>,
    caller: Authenticated,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    raw: Raw,
) -> ApiResult {
    let attempt = Attempt::of(&caller, &method, uri.path(), &headers, &raw.bytes);
    if let Some(answer) = attempt.repeated(&state, &caller).await? {
        return Ok(answer);
    }
    let object = match raw.form {
        Form::Json => body::object(&raw.bytes)?,
        Form::Yaml => body::yaml_object(&raw.bytes)?,
    };
    let spec = submit::spec(body::spec(&object)?)?;
    let project_id = match object.get("project_id") {
        None | Some(Value::Null) => None,
        Some(Value::String(id)) if id.is_empty() => None,
        Some(Value::String(id)) if is_id(id) => Some(id.as_str()),
        Some(_) => return Err(ApiError::not_found("project")),
    };
    let project = place::home(&state, &caller, project_id).await?;
    project.require_write()?;
    let done = async {
        let (app, release) = submit::create(&state, &caller, &project, &spec, &attempt).await?;
        let place = Place { app, project };
        let deployment = release.release.id.to_string();
        Ok(answer(&state, &place, Some(&deployment)).await?)
    };
    attempt.answer(&state, &caller, done.await).await
}

async fn update(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    JsonObject { object, bytes }: JsonObject,
) -> ApiResult {
    let place = place::app(&state, &caller, &params)?;
    place.require_write()?;
    let attempt = Attempt::of(&caller, &method, uri.path(), &headers, &bytes);
    if let Some(answer) = attempt.repeated(&state, &caller).await? {
        return Ok(answer);
    }
    let sources = if body::truth(&object, "update_all_source_versions")? {
        Sources::Newest
    } else {
        Sources::Known
    };
    let spec = submit::spec(body::spec(&object)?)?;
    let order = submit::Order {
        cause: Cause::Spec(By::of(&caller)),
        sources,
        force_build: false,
        made: |app, deployment| Made::App { app, deployment },
    };
    let done = async {
        let (app, release) =
            submit::deploy(&state, &caller, &place, Some(&spec), order, &attempt).await?;
        let place = Place {
            app,
            project: place.project,
        };
        let deployment = release.release.id.to_string();
        Ok(answer(&state, &place, Some(&deployment)).await?)
    };
    attempt.answer(&state, &caller, done.await).await
}

/// Deletes an app, durably and first: its name and host are free when this answers.
async fn delete(
    State(state): State<DoState>,
    caller: Authenticated,
    params: Params,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Ignored(bytes): Ignored,
) -> ApiResult {
    let attempt = Attempt::of(&caller, &method, uri.path(), &headers, &bytes);
    if let Some(answer) = attempt.repeated(&state, &caller).await? {
        return Ok(answer);
    }
    let place = place::app(&state, &caller, &params)?;
    place.require_write()?;
    let id = place.app.id.to_string();
    let mut extra = place.audit(&caller, "audit.app.delete-request", json!({}));
    extra.once = Some(attempt.makes(&Made::Deleted { app: id.clone() }));
    let done = state
        .control
        .delete_app(&place.app.id, &caller.caller(), extra)
        .await
        .map(|_| Json(json!({ "id": id })).into_response())
        .map_err(ApiErrorOr::from);
    attempt.answer(&state, &caller, done).await
}

/// `{app}`. In answers to a change `deployment` is the one that it made.
pub(crate) async fn answer(
    state: &DoState,
    place: &Place,
    deployment: Option<&str>,
) -> ApiResult<Response> {
    let app = view::app(state, &place.app, deployment, false).await?;
    Ok(Json(json!({ "app": app })).into_response())
}
