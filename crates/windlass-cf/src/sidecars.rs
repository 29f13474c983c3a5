//! Sidecars of apps.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::commands::Caller;
use windlass_control::listing::{ListQuery as Question, Page};
use windlass_engine::app::AppState;
use windlass_engine::configuration::{Edit, Sidecar};
use windlass_engine::id::ComponentName;

use crate::apps::access::{self, Place};
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::checks::Patch;
use crate::error::{ApiError, ApiResult};
use crate::path::Guid;
use crate::processes::find_to_read;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;
use crate::{guid, page};

pub(crate) mod request;
pub(crate) mod view;

use request::SidecarFields;

/// Most sidecars of an app.
const MAX_SIDECARS: usize = 20;

/// Apps that are looked through at a time.
const APPS_AT_A_TIME: u32 = 500;

const LIST: ListSpec = ListSpec {
    filters: &[],
    order: &[],
    includes: &[],
    labels: false,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route(
            "/v3/sidecars/{guid}",
            get(show).patch(update).delete(delete),
        )
        .route("/v3/apps/{guid}/sidecars", get(list_of_app).post(create))
        .route("/v3/processes/{guid}/sidecars", get(list_of_process))
}

/// A sidecar with its app.
struct Found {
    place: Place,
    state: AppState,
    name: String,
    sidecar: Sidecar,
}

async fn list_of_app(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let place = access::find(&cf, &caller, &guid)?;
    let state = place.state(&cf)?;
    let path = format!("/v3/apps/{}/sidecars", place.app.id);
    Ok(Json(answer(&cf, &query, &path, &place, &state, None)))
}

async fn list_of_process(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let found = find_to_read(&cf, &caller, &guid).await?;
    let path = format!("/v3/processes/{guid}/sidecars");
    let kind = Some(&found.process.component);
    Ok(Json(answer(
        &cf,
        &query,
        &path,
        &found.place,
        &found.state,
        kind,
    )))
}

fn answer(
    cf: &CfState,
    query: &ListQuery,
    path: &str,
    place: &Place,
    state: &AppState,
    kind: Option<&ComponentName>,
) -> Value {
    let rows: Vec<Value> = state
        .configuration
        .sidecars
        .iter()
        .filter(|(_, sidecar)| kind.is_none_or(|kind| sidecar.components.contains(kind)))
        .filter(|(name, _)| {
            query.accepts_row(&guid::sidecar(&place.app.id, name), place.app.stamps, None)
        })
        .map(|(name, sidecar)| view::sidecar(&place.app.id, name, sidecar, place.app.stamps))
        .collect();
    let cut = page::Page::cut(rows, query);
    page::list(cf.urls(), path, query, cut.total, cut.rows, None)
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let found = find(&cf, &caller, &guid)?;
    Ok(Json(wire(&found.place, &found.name, &found.sidecar)))
}

pub(crate) async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let place = access::find(&cf, &caller, &guid)?;
    place.require_write()?;
    let fields = request::create(&body)?;
    let state = place.state(&cf)?;
    let sidecars = &state.configuration.sidecars;
    if sidecars.len() >= MAX_SIDECARS {
        let text = format!("An app must not have more than {MAX_SIDECARS} sidecars");
        return Err(ApiError::unprocessable(text));
    }
    let name = fields.name.clone().unwrap_or_default();
    check_name(&state, &name)?;
    let sidecar = merged(None, &fields);
    check_memory(&state, &name, &sidecar)?;
    write(
        &cf,
        &caller,
        &place,
        vec![Edit::Sidecar(name.clone(), Some(sidecar.clone()))],
    )
    .await?;
    Ok((StatusCode::CREATED, Json(wire(&place, &name, &sidecar))).into_response())
}

pub(crate) async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let found = find(&cf, &caller, &guid)?;
    found.place.require_write()?;
    let fields = request::update(&body)?;
    let name = fields.name.clone().unwrap_or_else(|| found.name.clone());
    let sidecar = merged(Some(&found.sidecar), &fields);
    let mut edits = Vec::new();
    if name != found.name {
        check_name(&found.state, &name)?;
        edits.push(Edit::Sidecar(found.name.clone(), None));
    }
    check_memory(&found.state, &found.name, &sidecar)?;
    edits.push(Edit::Sidecar(name.clone(), Some(sidecar.clone())));
    write(&cf, &caller, &found.place, edits).await?;
    Ok(Json(wire(&found.place, &name, &sidecar)))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let found = find(&cf, &caller, &guid)?;
    found.place.require_write()?;
    write(
        &cf,
        &caller,
        &found.place,
        vec![Edit::Sidecar(found.name.clone(), None)],
    )
    .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn write(
    cf: &CfState,
    caller: &Authenticated,
    place: &Place,
    edits: Vec<Edit>,
) -> ApiResult<()> {
    let keys: Vec<String> = edits.iter().map(|edit| edit.key().to_string()).collect();
    let extra = place.audit(
        caller,
        "audit.app.update",
        json!({"request": {"keys": keys}}),
    );
    let by = Caller::from(&caller.principal);
    cf.control
        .edit_app(&place.app.id, edits, &by, false, extra)
        .await?;
    Ok(())
}

fn merged(old: Option<&Sidecar>, fields: &SidecarFields) -> Sidecar {
    let types = fields.process_types.as_ref();
    Sidecar {
        command: fields
            .command
            .clone()
            .or_else(|| old.map(|old| old.command.clone()))
            .unwrap_or_default(),
        components: types
            .map(|types| {
                types
                    .iter()
                    .map(|kind| ComponentName::new(kind.as_str()))
                    .collect()
            })
            .or_else(|| old.map(|old| old.components.clone()))
            .unwrap_or_default(),
        memory_mb: match fields.memory_in_mb {
            Patch::Keep => old.and_then(|old| old.memory_mb),
            Patch::Reset => None,
            Patch::Set(mb) => u64::try_from(mb).ok(),
        },
        from_user: old.is_none_or(|old| old.from_user),
    }
}

fn check_name(state: &AppState, name: &str) -> ApiResult<()> {
    if state.configuration.sidecars.contains_key(name) {
        return Err(ApiError::unprocessable(format!(
            "Sidecar with name '{name}' already exists for given app"
        )));
    }
    Ok(())
}

/// Refuses sidecars that would use up the memory of a process.
fn check_memory(state: &AppState, own_name: &str, sidecar: &Sidecar) -> ApiResult<()> {
    let Some(own_mb) = sidecar.memory_mb else {
        return Ok(());
    };
    for kind in &sidecar.components {
        let others_mb: u64 = state
            .configuration
            .sidecars
            .iter()
            .filter(|(name, other)| *name != own_name && other.components.contains(kind))
            .filter_map(|(_, other)| other.memory_mb)
            .sum();
        let process = state.configuration.components.get(kind);
        if process.is_some_and(|process| own_mb + others_mb >= process.memory_mb) {
            return Err(ApiError::unprocessable(format!(
                "The memory allocation defined is too large to run with the dependent \"{kind}\" \
                 process"
            )));
        }
    }
    Ok(())
}

fn wire(place: &Place, name: &str, sidecar: &Sidecar) -> Value {
    view::sidecar(&place.app.id, name, sidecar, place.app.stamps)
}

/// Guids of sidecars are derived and can't be turned back: look through what the caller sees.
fn find(cf: &CfState, caller: &Authenticated, wanted: &str) -> ApiResult<Found> {
    let visible = caller.grants.visible_spaces();
    let mut offset = 0;
    loop {
        let query = Question::default().page(Page {
            limit: APPS_AT_A_TIME,
            offset,
        });
        let apps = cf
            .control
            .list_apps_blocking(&visible, of_own_apps(query))?;
        let count = apps.rows.len();
        for app in apps.rows {
            let Some(state) = cf.control.state(&app.id)? else {
                continue;
            };
            let found = state
                .configuration
                .sidecars
                .iter()
                .find(|(name, _)| guid::sidecar(&app.id, name) == wanted)
                .map(|(name, sidecar)| (name.clone(), sidecar.clone()));
            if let Some((name, sidecar)) = found {
                let place = access::find_for(cf, caller, &app.id, "Sidecar")?;
                return Ok(Found {
                    place,
                    state,
                    name,
                    sidecar,
                });
            }
        }
        offset += u64::from(APPS_AT_A_TIME);
        if count < APPS_AT_A_TIME as usize {
            return Err(ApiError::not_found("Sidecar"));
        }
    }
}
