//! Environment variables of an app, and all that its instances see.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use windlass_control::commands::Caller;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery as Question};

use super::access::{self, Place};
use super::{HIDDEN, request};
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::feature_flags;
use crate::guid::WEB;
use crate::path::Guid;
use crate::server::CfState;

/// Open files that an instance may have, as it is told.
const FILE_DESCRIPTORS: u32 = 16_384;

/// Largest environment of an app, bytes: names and values together fit into the space that a
/// process has for them.
const MAX_ENVIRONMENT_BYTES: usize = 1_024 * 1_024;

pub(super) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/apps/{guid}/env", get(show_all))
        .route(
            "/v3/apps/{guid}/environment_variables",
            get(show).patch(update),
        )
}

async fn show_all(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = readable(&cf, &caller, &guid)?;
    looked_at(&cf, &caller, &place, "audit.app.environment.show").await?;
    let variables = cf.control.environment_of(&place.app.id)?;
    let system = if place.access.read_secrets {
        let bindings = place.state(&cf)?.configuration.bindings;
        json!({"VCAP_SERVICES": cf.control.vcap_services(&bindings)?})
    } else {
        json!({"redacted_message": HIDDEN})
    };
    Ok(Json(json!({
        "environment_variables": variables,
        "staging_env_json": {},
        "running_env_json": {},
        "system_env_json": system,
        "application_env_json": {"VCAP_APPLICATION": vcap_application(&cf, &place).await?},
    })))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = readable(&cf, &caller, &guid)?;
    looked_at(&cf, &caller, &place, "audit.app.environment_variables.show").await?;
    to_wire(&cf, &place)
}

pub(crate) async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, &guid)?;
    place.require_operate()?;
    let changes = request::update_variables(&body)?;
    let mut after = cf.control.environment_of(&place.app.id)?;
    for (name, value) in &changes {
        match value {
            Some(value) => after.insert(name.clone(), value.clone()),
            None => after.remove(name),
        };
    }
    let bytes: usize = after
        .iter()
        .map(|(name, value)| name.len() + value.len() + 2)
        .sum();
    if bytes > MAX_ENVIRONMENT_BYTES {
        return Err(ApiError::unprocessable(format!(
            "Var must not be larger than {MAX_ENVIRONMENT_BYTES} bytes in all"
        )));
    }
    let data = json!({"request": {"environment_variables": HIDDEN}});
    let extra = place.audit(&caller, "audit.app.update", data);
    let by = Caller::from(&caller.principal);
    cf.control
        .set_environment(&place.app.id, changes, &by, extra)
        .await?;
    to_wire(&cf, &place)
}

/// An app whose variables the caller may read: supporters may, though they see no other secrets.
fn readable(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Place> {
    feature_flags::require(cf, "env_var_visibility")?;
    let place = access::find(cf, caller, guid)?;
    if !place.access.read_secrets && !place.access.operate {
        return Err(ApiError::not_authorized());
    }
    if !caller.principal.is_admin() {
        feature_flags::require(cf, "space_developer_env_var_visibility")?;
    }
    Ok(place)
}

/// Tells the audit trail who looked, before anything is shown.
async fn looked_at(
    cf: &CfState,
    caller: &Authenticated,
    place: &Place,
    kind: &str,
) -> ApiResult<()> {
    let told = place.event(caller, kind, json!({}));
    Ok(cf.control.write_audit(vec![told]).await?)
}

fn to_wire(cf: &CfState, place: &Place) -> ApiResult<Json<Value>> {
    let own = format!("/v3/apps/{}", place.app.id);
    Ok(Json(json!({
        "var": cf.control.environment_of(&place.app.id)?,
        "links": {
            "self": cf.urls().href(&format!("{own}/environment_variables")),
            "app": cf.urls().href(&own),
        },
    })))
}

/// `VCAP_APPLICATION` without what only an instance has.
async fn vcap_application(cf: &CfState, place: &Place) -> ApiResult<Value> {
    let state = place.state(cf)?;
    let app = &place.app;
    let filter = Filter::is(Column::App, app.id.as_str());
    let routes = cf
        .control
        .list_routes(&Visibility::All, Question::filtered(vec![filter]))
        .await?;
    let uris: Vec<String> = routes
        .rows
        .iter()
        .map(|route| format!("{}{}", route.full_host, route.path))
        .collect();
    let mut limits = Map::new();
    limits.insert("fds".to_owned(), json!(FILE_DESCRIPTORS));
    if let Some(web) = state.configuration.components.get(WEB) {
        limits.insert("mem".to_owned(), json!(web.memory_mb));
        limits.insert("disk".to_owned(), json!(web.disk_mb));
    }
    Ok(json!({
        "cf_api": cf.urls().origin(),
        "limits": limits,
        "application_name": app.name,
        "application_uris": uris,
        "name": app.name,
        "space_name": place.space.name,
        "space_id": place.space.id,
        "organization_id": place.organization.id,
        "organization_name": place.organization.name,
        "uris": uris,
        "application_id": app.id,
    }))
}
