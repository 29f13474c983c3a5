//! `/v3/tasks`, and the tasks of an app.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::Extra;
use windlass_control::commands::Caller;
use windlass_control::history::TaskRecord;
use windlass_control::listing::{Cell, Column, Filter};
use windlass_control::order_events;
use windlass_engine::app::AppState;
use windlass_engine::configuration::ComponentConfig;
use windlass_engine::id::{ArtifactId, TaskId};
use windlass_engine::input::RunTaskCommand;
use windlass_engine::records::{Artifact, ArtifactState, Metadata};
use windlass_wire::cancel_headers;

use crate::apps::access::{self, Place};
use crate::apps::{HIDDEN, request as app_request};
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::disk::MAX_DISK_MB;
use crate::error::{ApiError, ApiResult};
use crate::path::Guid;
use crate::processes::model;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;
use crate::{feature_flags, page};

mod refusal;
pub(crate) mod request;
pub(crate) mod view;

use request::CreateTask;
use view::Command;

/// Memory and disk of a task that neither says nor has a template, MiB.
const DEFAULT_SIZE_MB: u64 = 1_024;

const LIST: ListSpec = ListSpec::with_filters(&[
    "names",
    "states",
    "app_guids",
    "organization_guids",
    "space_guids",
]);

const APP_LIST: ListSpec = ListSpec::with_filters(&["names", "states", "sequence_ids"]);

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/tasks", get(list))
        .route("/v3/tasks/{guid}", get(show).patch(update))
        .route("/v3/tasks/{guid}/actions/cancel", post(cancel))
        // The older form of the same, which `cf terminate-task` uses.
        .route("/v3/tasks/{guid}/cancel", put(cancel))
        .route("/v3/apps/{guid}/tasks", get(list_of_app).post(create))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let question = query.question(&[
        ("names", Column::Name),
        ("states", Column::State),
        ("app_guids", Column::App),
        ("organization_guids", Column::Organization),
        ("space_guids", Column::Space),
    ]);
    let found = cf
        .control
        .list_tasks(&caller.grants.visible_spaces(), of_own_apps(question))
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|task| wire(&cf, task, Command::Hidden))
        .collect();
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(
        cf.urls(),
        "/v3/tasks",
        &query,
        total,
        rows,
        None,
    )))
}

async fn list_of_app(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &APP_LIST)?;
    let place = access::find(&cf, &caller, &guid)?;
    let mut question = query.question(&[("names", Column::Name), ("states", Column::State)]);
    question
        .filters
        .push(Filter::is(Column::App, place.app.id.as_str()));
    if let Some(numbers) = query.values("sequence_ids") {
        let numbers = numbers
            .iter()
            .filter_map(|number| number.parse::<i64>().ok());
        question.filters.push(Filter::In(
            Column::SequenceId,
            numbers.map(Cell::from).collect(),
        ));
    }
    let found = cf
        .control
        .list_tasks(&caller.grants.visible_spaces(), of_own_apps(question))
        .await?;
    let command = Command::for_secret_reader(place.access.read_secrets);
    let rows = found
        .rows
        .iter()
        .map(|task| wire(&cf, task, command))
        .collect();
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    let path = format!("/v3/apps/{}/tasks", place.app.id);
    Ok(Json(page::list(
        cf.urls(),
        &path,
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
    let command = Command::for_secret_reader(place.access.read_secrets);
    Ok(Json(wire(&cf, &record, command)))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult {
    if !caller.principal.is_admin() {
        feature_flags::require(&cf, "task_creation")?;
    }
    let request = request::create(&body)?;
    let place = access::find(&cf, &caller, &guid)?;
    place.require_write()?;
    let state = place.state(&cf)?;
    let droplet = droplet(&cf, &place, &state, &request)?;
    if request
        .disk_in_mb
        .is_some_and(|disk_mb| disk_mb > MAX_DISK_MB)
    {
        let text = format!("Cannot request disk_in_mb greater than {MAX_DISK_MB}");
        return Err(ApiError::unprocessable(text));
    }
    let template = template(&place, &state, &request)?;
    let metadata = request.metadata.apply(&Metadata::default())?;
    let command = command(request, template.as_ref(), &droplet)?;
    let data = json!({
        "task_guid": command.task,
        "request": {
            "name": command.name,
            "memory_in_mb": command.memory_mb,
            "command": HIDDEN,
        },
    });
    let extra = place.audit(&caller, "audit.app.task.create", data);
    let record = cf
        .control
        .run_task(&place.app.id, command, metadata, extra)
        .await
        .map_err(refusal::of_create)?;
    match refusal::of_runtime(&record.task) {
        Some(refused) => Err(refused),
        None => Ok(accepted(&cf, &record)),
    }
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    // Here, unlike for deployments, the body is judged before the task is looked for.
    let patch = app_request::update_metadata(&body)?;
    let (place, record) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = patch.apply(&record.metadata)?;
    let record = cf.control.update_task(&record.task.id, metadata).await?;
    Ok(Json(wire(&cf, &record, Command::Shown)))
}

/// Cancels a task. The answer shows the command to whoever may cancel.
async fn cancel(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    headers: HeaderMap,
) -> ApiResult {
    let reason = cancel_headers::reason(&headers)?;
    let (place, record) = find(&cf, &caller, &guid)?;
    place.require_operate()?;
    let actor = caller.principal.actor();
    let audit = order_events::task_canceled(&place.app, &actor, &record.task, reason.as_deref());
    let extra = Extra {
        audit,
        ..Extra::default()
    };
    let by = Caller::from(&caller.principal);
    let record = cf
        .control
        .cancel_task(&record.task.id, reason, &by, extra)
        .await?;
    Ok(accepted(&cf, &record))
}

fn accepted(cf: &CfState, record: &TaskRecord) -> Response {
    (StatusCode::ACCEPTED, Json(wire(cf, record, Command::Shown))).into_response()
}

fn wire(cf: &CfState, record: &TaskRecord, command: Command) -> Value {
    view::task(
        cf.urls(),
        &record.app,
        &record.task,
        &record.metadata,
        command,
    )
}

fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<(Place, TaskRecord)> {
    let record = cf.control.task(&TaskId::from(guid))?;
    let place = access::find_for(cf, caller, &record.app, "Task")?;
    Ok((place, record))
}

fn droplet(
    cf: &CfState,
    place: &Place,
    state: &AppState,
    request: &CreateTask,
) -> ApiResult<Artifact> {
    let id = match &request.droplet_guid {
        Some(guid) => ArtifactId::from(guid.as_str()),
        None => state.configuration.artifact.clone().ok_or_else(|| {
            ApiError::unprocessable(
                "Task must have a droplet. Specify droplet or assign current droplet to app.",
            )
        })?,
    };
    let droplet = cf
        .control
        .find_artifact(&id)?
        .filter(|droplet| droplet.app == place.app.id);
    let droplet = droplet.ok_or_else(|| ApiError::not_found("Droplet"))?;
    if droplet.state != ArtifactState::Staged {
        return Err(ApiError::unprocessable("droplet must be in staged state"));
    }
    Ok(droplet)
}

/// Process type and configuration of the template. It must be a process of the same app.
fn template(
    place: &Place,
    state: &AppState,
    request: &CreateTask,
) -> ApiResult<Option<(String, ComponentConfig)>> {
    let Some(guid) = &request.template else {
        return Ok(None);
    };
    let found = model::processes(state, place.app.stamps)
        .into_iter()
        .find(|process| process.guid == *guid)
        .ok_or_else(|| {
            ApiError::new(
                StatusCode::NOT_FOUND,
                350_003,
                "ProcessNotFound",
                format!(
                    "The process could not be found: {}",
                    crate::checks::echo(guid)
                ),
            )
        })?;
    Ok(Some((found.component.to_string(), found.config)))
}

fn command(
    request: CreateTask,
    template: Option<&(String, ComponentConfig)>,
    droplet: &Artifact,
) -> ApiResult<RunTaskCommand> {
    let own = template.and_then(|(kind, config)| {
        config
            .command
            .clone()
            .or_else(|| droplet.process_types.get(kind).cloned())
    });
    let Some(command) = request
        .command
        .or(own)
        .filter(|command| !command.is_empty())
    else {
        return Err(ApiError::unprocessable("command presence"));
    };
    let config = template.map(|(_, config)| config);
    let size = |asked: Option<i64>, own: Option<u64>| {
        asked
            .and_then(|mb| u64::try_from(mb).ok())
            .or(own)
            .unwrap_or(DEFAULT_SIZE_MB)
    };
    let log_rate = match request.log_rate_limit_in_bytes_per_second {
        // -1 does not fit and is what it means: unlimited.
        Some(rate) => u64::try_from(rate).ok(),
        None => config.and_then(|config| config.log_bytes_per_second),
    };
    Ok(RunTaskCommand {
        task: TaskId::new(uuid::Uuid::new_v4().to_string()),
        sequence: 0,
        name: request.name.unwrap_or_else(random_name),
        command,
        user: None,
        memory_mb: size(request.memory_in_mb, config.map(|config| config.memory_mb)),
        disk_mb: size(request.disk_in_mb, config.map(|config| config.disk_mb)),
        log_bytes_per_second: log_rate,
        artifact: Some(droplet.id.clone()),
    })
}

/// Eight hexadecimal digits.
fn random_name() -> String {
    let mut digits = uuid::Uuid::new_v4().simple().to_string();
    digits.truncate(8);
    digits
}
