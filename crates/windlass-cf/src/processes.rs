//! `/v3/processes`, and the processes of an app.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::commands::Caller;
use windlass_engine::app::AppState;
use windlass_engine::records::Metadata;

use crate::apps::HIDDEN;
use crate::apps::access::{self, Place};
use crate::apps::document::Document;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::feature_flags;
use crate::path::Params;
use crate::server::CfState;

mod change;
mod find;
mod gone;
mod homes;
mod list;
pub(crate) mod model;
pub(crate) mod request;
mod seen;
pub(crate) mod stats;
pub(crate) mod view;

pub(crate) use find::{Found, by_guid_to_read as find_to_read};
pub(crate) use homes::Homes;
use model::Process;
use view::Command;

pub(crate) fn routes() -> Router<CfState> {
    let of_type = "/v3/apps/{guid}/processes/{type}";
    Router::new()
        .route("/v3/processes", get(list::list))
        .route("/v3/apps/{guid}/processes", get(list::list_of_app))
        .route("/v3/processes/{guid}", get(show).patch(update))
        .route(of_type, get(show).patch(update))
        .route("/v3/processes/{guid}/actions/scale", post(scale))
        .route(&format!("{of_type}/actions/scale"), post(scale))
        .route("/v3/processes/{guid}/stats", get(show_stats))
        .route(&format!("{of_type}/stats"), get(show_stats))
        .route(
            "/v3/processes/{guid}/process_instances",
            get(show_instances),
        )
        .route(&format!("{of_type}/process_instances"), get(show_instances))
        .route(
            "/v3/processes/{guid}/instances/{index}",
            axum::routing::delete(terminate),
        )
        .route(
            &format!("{of_type}/instances/{{index}}"),
            axum::routing::delete(terminate),
        )
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let embeds = list::embeds_instances(raw.as_deref())?;
    let found = find::to_read(&cf, &caller, &params).await?;
    let mut answer = found_to_wire(&cf, &found)?;
    if embeds {
        answer["process_instances"] =
            json!(stats::short(&found.state, &found.process, seen::now()));
    }
    Ok(Json(answer))
}

pub(crate) async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let found = find::by_path(&cf, &caller, &params)?;
    found.place.require_operate()?;
    let request = request::update(&body)?;
    let kind = found.process.component.clone();
    let mut told = body;
    // Commands may hold secrets, and more people see events than commands.
    if let Some(command) = told.get_mut("command") {
        *command = json!(HIDDEN);
    }
    let data = json!({"process_guid": found.process.guid, "process_type": kind, "request": told});
    let extra = found.place.audit(&caller, "audit.app.process.update", data);
    let edits = change::edits(&found.process, &request)?;
    let by = Caller::from(&caller.principal);
    cf.control
        .edit_app(&found.place.app.id, edits, &by, true, extra)
        .await?;
    if !request.metadata.is_empty() {
        let old = metadata_of(&found.place, &found.process);
        let metadata = request.metadata.apply(&old)?;
        let change = move |app: &mut windlass_engine::records::AppRecord| {
            Document::change(app, |document| {
                document.process_metadata.insert(kind.to_string(), metadata);
            });
        };
        cf.control
            .update_app(
                &found.place.app.id,
                change,
                windlass_control::Extra::default(),
            )
            .await?;
    }
    Ok(Json(found_to_wire(&cf, &again(&cf, &caller, &found)?)?))
}

pub(crate) async fn scale(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
    JsonObject(body): JsonObject,
) -> ApiResult {
    feature_flags::require(&cf, "app_scaling").or_else(|error| {
        if caller.principal.is_admin() {
            Ok(())
        } else {
            Err(error)
        }
    })?;
    let found = find::by_path(&cf, &caller, &params)?;
    found.place.require_operate()?;
    let request = request::scale(&body)?;
    let kind = found.process.component.clone();
    let data = json!({"process_guid": found.process.guid, "process_type": kind, "request": body});
    let extra = found.place.audit(&caller, "audit.app.process.scale", data);
    change::scale(&cf, &caller, &found, &request, extra).await?;
    let answer = found_to_wire(&cf, &again(&cf, &caller, &found)?)?;
    Ok((StatusCode::ACCEPTED, Json(answer)).into_response())
}

async fn terminate(State(cf): State<CfState>, caller: Authenticated, params: Params) -> ApiResult {
    let found = find::by_path(&cf, &caller, &params)?;
    found.place.require_operate()?;
    let index: Option<u32> = params.get("index")?.parse().ok();
    let instance = index
        .and_then(|index| {
            model::instances(&found.state, &found.process).find(|it| it.index == index)
        })
        .ok_or_else(|| ApiError::not_found("Instance"))?;
    let data = json!({
        "process_guid": found.process.guid,
        "process_type": found.process.component,
        "process_index": index,
    });
    let extra = found
        .place
        .audit(&caller, "audit.app.process.terminate_instance", data);
    cf.control
        .restart_instance(&found.place.app.id, instance.id, extra)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn show_stats(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let found = find::to_read(&cf, &caller, &params).await?;
    let seen = seen::seen(&cf, &found.state).await?;
    let app = found.place.app.id.clone();
    let instance_guid = move |instance: &windlass_engine::instance::Instance| {
        windlass_control::launch::instance_guid(&app, instance.id, instance.run)
    };
    let host = cf.control.settings().instance_address.to_string();
    let surroundings = stats::Surroundings {
        seen: &seen,
        host: &host,
        instance_guid: &instance_guid,
        now: seen::now(),
    };
    Ok(Json(stats::stats(
        &found.state,
        &found.process,
        &surroundings,
    )))
}

async fn show_instances(
    State(cf): State<CfState>,
    caller: Authenticated,
    params: Params,
) -> ApiResult<Json<Value>> {
    let found = find::to_read(&cf, &caller, &params).await?;
    let own = format!("/v3/processes/{}", found.process.guid);
    Ok(Json(json!({
        "resources": stats::short(&found.state, &found.process, seen::now()),
        "links": {
            "self": cf.urls().href(&format!("{own}/process_instances")),
            "process": cf.urls().href(&own),
        },
    })))
}

/// A process with its command, if the caller may see that.
fn found_to_wire(cf: &CfState, found: &Found) -> ApiResult<Value> {
    let command = if found.place.access.read_secrets {
        Command::Shown
    } else {
        Command::Hidden
    };
    to_wire(cf, &found.place, &found.state, &found.process, command)
}

/// A process as it is now.
fn again(cf: &CfState, caller: &Authenticated, found: &Found) -> ApiResult<Found> {
    let place = access::find_for(cf, caller, &found.place.app.id, "Process")?;
    let state = place.state(cf)?;
    let process = model::of_type(&state, found.process.component.as_str(), place.app.stamps)
        .ok_or_else(|| ApiError::not_found("Process"))?;
    Ok(Found {
        place,
        state,
        process,
    })
}

fn to_wire(
    cf: &CfState,
    place: &Place,
    state: &AppState,
    process: &Process,
    command: Command,
) -> ApiResult<Value> {
    let droplet = match &process.artifact {
        Some(id) if command == Command::Shown => cf.control.find_artifact(id)?,
        Some(_) | None => None,
    };
    let commands = droplet.map_or_else(BTreeMap::new, |droplet| droplet.process_types);
    let revision = crate::revisions::of_process(cf, place, state, process)?;
    let metadata = metadata_of(place, process);
    let shown = view::Shown {
        process,
        app: &place.app.id,
        space: &place.space.id,
        revision: revision.as_deref(),
        droplet_commands: &commands,
        metadata: &metadata,
    };
    Ok(view::process(cf.urls(), shown, command))
}

fn metadata_of(place: &Place, process: &Process) -> Metadata {
    let mut document = Document::of(&place.app);
    document
        .process_metadata
        .remove(process.component.as_str())
        .unwrap_or_default()
}
