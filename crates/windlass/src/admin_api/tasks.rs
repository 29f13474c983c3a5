//! `windlass tasks` and `windlass task cancel`.

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use serde::Deserialize;
use serde_json::Value;
use windlass_control::commands::Caller;
use windlass_control::control::Extra;
use windlass_control::history::TaskRecord;
use windlass_control::order_events;
use windlass_engine::id::TaskId;
use windlass_engine::records::AppRecord;
use windlass_store::{Column, Filter, ListQuery, Order, Page, TaskRow};

use super::Admin;
use super::deployments::{checked_reason, ordered};
use super::error::{Answer, Refusal};
use super::peer::Peer;
use super::query::{RunsQuery, WaitFor, WaitQuery};
use super::record;

pub(super) async fn list(State(admin): State<Admin>, Query(query): Query<RunsQuery>) -> Answer {
    let mut filters = Vec::new();
    if let Some(name) = &query.app {
        filters.push(Filter::is(Column::App, admin.app_named(name)?.id.as_str()));
    }
    if query.active {
        filters.push(Filter::one_of(
            Column::State,
            ["PENDING", "RUNNING", "CANCELING"],
        ));
    }
    let list = ListQuery::filtered(filters)
        .ordered(Order::descending(Column::CreatedAt))
        .page(Page::first(query.limit.clamp(1, Page::MAX_LIMIT)));
    let rows = admin.control.store().read_list(move |reader| {
        let mut rows = Vec::new();
        for row in reader.list::<TaskRow>(&list)?.rows {
            let app = reader.get::<AppRecord>(&row.app)?;
            rows.push(record::task(&TaskRecord::from_row(&row)?, app.as_ref()));
        }
        Ok::<_, Refusal>(rows)
    });
    Ok(Json(Value::Array(rows.await?)))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Path(id): Path<String>,
    Query(query): Query<WaitQuery>,
) -> Answer {
    let id = TaskId::new(id);
    let read = || admin.task_of(&id);
    let is_over = |found: &(TaskRecord, Option<AppRecord>), _: WaitFor| found.0.task.is_finished();
    let ((record, app), came) = admin.wait_for(&query, read, is_over).await?;
    let mut value = record::task(&record, app.as_ref());
    if let Some(came) = came {
        value["waited"] = if came { "came" } else { "not yet" }.into();
    }
    Ok(Json(value))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelRequest {
    reason: Option<String>,
}

pub(super) async fn cancel(
    State(admin): State<Admin>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    Json(request): Json<CancelRequest>,
) -> Answer {
    let id = TaskId::new(id);
    let reason = checked_reason(request.reason)?;
    let (record, app) = admin.task_of(&id)?;
    let principal = peer.principal();
    let caller = Caller::from(&principal);
    let text = ordered("Cancelling task", id.as_str(), &caller, reason.as_deref());
    let audit = app.map_or_else(Vec::new, |app| {
        order_events::task_canceled(&app, &principal.actor(), &record.task, reason.as_deref())
    });
    let extra = Extra {
        audit,
        ..Extra::default()
    };
    admin
        .control
        .cancel_task(&id, reason, &caller, extra)
        .await?;
    admin.control.write_log(&record.app, "API", text).await;
    let (record, app) = admin.task_of(&id)?;
    Ok(Json(record::task(&record, app.as_ref())))
}

impl Admin {
    fn task_of(&self, id: &TaskId) -> Result<(TaskRecord, Option<AppRecord>), Refusal> {
        let id = id.clone();
        self.control.store().read(move |reader| {
            let row = reader
                .get::<TaskRow>(&id)?
                .ok_or_else(|| Refusal::unknown("task", id.as_str(), "tasks"))?;
            Ok((
                TaskRecord::from_row(&row)?,
                reader.get::<AppRecord>(&row.app)?,
            ))
        })
    }
}
