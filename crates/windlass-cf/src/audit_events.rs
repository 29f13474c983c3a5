//! `/v3/audit_events`.

use axum::extract::{RawQuery, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::listing::{Cell, Column, Filter};
use windlass_engine::id::AuditEventId;
use windlass_engine::records::AuditEvent;

use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::links::Urls;
use crate::path::Guid;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;
use crate::{page, time};

const NOT_TARGETS: &str = "target_guids[not]";
const LIST: ListSpec = ListSpec {
    filters: &[
        "types",
        "target_guids",
        NOT_TARGETS,
        "space_guids",
        "organization_guids",
    ],
    order: &[],
    includes: &[],
    labels: false,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/audit_events", get(list))
        .route("/v3/audit_events/{guid}", get(show))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let mut question = query.question(&[
        ("types", Column::Kind),
        ("target_guids", Column::Target),
        ("space_guids", Column::Space),
        ("organization_guids", Column::Organization),
    ]);
    if let Some(values) = query.values(NOT_TARGETS) {
        let cells = values
            .iter()
            .map(|value| Cell::from(value.as_str()))
            .collect();
        question.filters.push(Filter::NotIn(Column::Target, cells));
    }
    let found = cf.tenancy().list_events(&caller.grants, question).await?;
    let rows = found
        .rows
        .iter()
        .map(|row| to_wire(row, cf.urls()))
        .collect();
    Ok(Json(page::answer(
        cf.urls(),
        "/v3/audit_events",
        &query,
        found.total,
        rows,
    )))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let event = cf
        .tenancy()
        .event(&caller.grants, &AuditEventId::from(guid))?;
    let event = event.ok_or_else(|| ApiError::not_found("Event"))?;
    Ok(Json(to_wire(&event, cf.urls())))
}

fn to_wire(event: &AuditEvent, urls: &Urls) -> Value {
    let guid = |id: Option<&str>| id.map(|id| json!({ "guid": id }));
    json!({
        "guid": event.id.as_str(),
        "created_at": time::rfc3339(event.stamps.created_at),
        "updated_at": time::rfc3339(event.stamps.updated_at),
        "type": event.kind,
        "actor": {
            "guid": event.actor.id,
            "type": event.actor.kind,
            "name": event.actor.name,
        },
        "target": {
            "guid": event.target.id,
            "type": event.target.kind,
            "name": event.target.name,
        },
        "data": event.data,
        "space": guid(event.space.as_ref().map(windlass_engine::id::SpaceId::as_str)),
        "organization":
            guid(event.organization.as_ref().map(windlass_engine::id::OrganizationId::as_str)),
        "links": { "self": urls.href(&format!("/v3/audit_events/{}", event.id)) },
    })
}
