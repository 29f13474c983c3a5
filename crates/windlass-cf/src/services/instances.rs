//! `/v3/service_instances`: user-provided ones.

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::identity::SpaceAccess;
use windlass_control::listing::Column;
use windlass_control::services::{NewServiceInstance, ServiceInstancePatch};
use windlass_engine::id::{AuditEventId, ServiceInstanceId};
use windlass_engine::records::{
    AuditEvent, Metadata, Organization, ServiceInstance, Space, Stamps, Target,
};

use super::{LIST, request, view};
use crate::auth::{Authenticated, require_in_space};
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::page;
use crate::path::Guid;
use crate::query::ListQuery;
use crate::server::CfState;

pub(super) fn routes() -> Router<CfState> {
    let one = "/v3/service_instances/{guid}";
    Router::new()
        .route("/v3/service_instances", get(list).post(create))
        .route(one, get(show).patch(update).delete(delete))
        .route(&format!("{one}/credentials"), get(credentials))
        .route(
            &format!("{one}/relationships/shared_spaces"),
            get(shared_spaces).post(not_shared),
        )
}

/// An instance that the caller sees, and where it lies.
pub(super) struct Found {
    pub(super) instance: ServiceInstance,
    pub(super) organization: Organization,
    pub(super) space: Space,
    pub(super) access: SpaceAccess,
}

impl Found {
    fn event(&self, caller: &Authenticated, verb: &str) -> AuditEvent {
        event(
            caller,
            &self.organization,
            &self.space,
            verb,
            &self.instance,
        )
    }
}

pub(super) fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Found> {
    let instance = cf
        .control
        .service_instance(&ServiceInstanceId::from(guid))?;
    let place = cf.tenancy().space_access(&caller.grants, &instance.space)?;
    let Some((organization, space, access)) = place.filter(|place| place.2.read) else {
        return Err(ApiError::not_found("Service instance"));
    };
    Ok(Found {
        instance,
        organization,
        space,
        access,
    })
}

fn event(
    caller: &Authenticated,
    organization: &Organization,
    space: &Space,
    verb: &str,
    instance: &ServiceInstance,
) -> AuditEvent {
    AuditEvent {
        id: AuditEventId::new(uuid::Uuid::new_v4().to_string()),
        kind: format!("audit.user_provided_service_instance.{verb}"),
        actor: caller.principal.actor(),
        target: Target {
            id: instance.id.to_string(),
            kind: "user_provided_service_instance".to_owned(),
            name: instance.name.clone(),
        },
        data: json!({}),
        space: Some(space.id.clone()),
        organization: Some(organization.id.clone()),
        stamps: Stamps::default(),
    }
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let path = "/v3/service_instances";
    let included = Some(super::nothing_included());
    if !query.accepts("type", "user-provided") || super::asks_for_plans(&query) {
        return Ok(Json(page::list(
            cf.urls(),
            path,
            &query,
            0,
            Vec::new(),
            included,
        )));
    }
    let question = query.question(&[
        ("names", Column::Name),
        ("space_guids", Column::Space),
        ("organization_guids", Column::Organization),
    ]);
    let found = cf
        .control
        .list_service_instances(&caller.grants.visible_spaces(), question)
        .await?;
    let rows = found
        .rows
        .iter()
        .map(|row| view::instance(cf.urls(), row))
        .collect();
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(
        cf.urls(),
        path,
        &query,
        total,
        rows,
        included,
    )))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let request = request::create_instance(&body)?;
    let place = cf.tenancy().space_access(&caller.grants, &request.space)?;
    let Some((organization, space, access)) = place.filter(|place| place.2.read) else {
        return Err(ApiError::unprocessable(
            "Invalid space. Ensure that the space exists and you have access to it.",
        ));
    };
    require_in_space(&access, |access| access.write)?;
    let new = NewServiceInstance {
        space: space.id.clone(),
        name: request.name,
        credentials: request.credentials,
        tags: request.tags,
        metadata: request.metadata.apply(&Metadata::default())?,
    };
    let teller = caller.clone();
    let made = cf
        .control
        .create_service_instance(&caller.principal, new, move |made| {
            event(&teller, &organization, &space, "create", made)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(view::instance(cf.urls(), &made))).into_response())
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let found = find(&cf, &caller, &guid)?;
    Ok(Json(view::instance(cf.urls(), &found.instance)))
}

async fn credentials(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let found = find(&cf, &caller, &guid)?;
    if !found.access.read_secrets {
        return Err(ApiError::not_authorized());
    }
    let shown = found.event(&caller, "show");
    cf.control.write_audit(vec![shown]).await?;
    Ok(Json(Value::Object(
        cf.control.credentials_of(&found.instance)?,
    )))
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let found = find(&cf, &caller, &guid)?;
    require_in_space(&found.access, |access| access.write)?;
    let request = request::update_instance(&body)?;
    let metadata = request.metadata.apply(&found.instance.metadata)?;
    let patch = ServiceInstancePatch {
        name: request.name,
        credentials: request.credentials,
        tags: request.tags,
        metadata: Some(metadata),
    };
    let told = found.event(&caller, "update");
    let changed = cf
        .control
        .update_service_instance(&caller.principal, &found.instance.id, patch, told)
        .await?;
    Ok(Json(view::instance(cf.urls(), &changed)))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let found = find(&cf, &caller, &guid)?;
    require_in_space(&found.access, |access| access.write)?;
    let told = found.event(&caller, "delete");
    cf.control
        .delete_service_instance(&caller.principal, &found.instance.id, told)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn not_shared(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<()> {
    find(&cf, &caller, &guid)?;
    Err(ApiError::unprocessable(
        "User-provided services cannot be shared.",
    ))
}

/// User-provided instances are never shared.
async fn shared_spaces(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Response> {
    let found = find(&cf, &caller, &guid)?;
    let own = format!(
        "/v3/service_instances/{}/relationships/shared_spaces",
        found.instance.id
    );
    Ok(Json(json!({"data": [], "links": {"self": cf.urls().href(&own)}})).into_response())
}
