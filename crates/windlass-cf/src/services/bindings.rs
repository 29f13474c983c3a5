//! `/v3/service_credential_bindings`: service instances of apps.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::Error;
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery as Question};
use windlass_control::services::NewBinding;
use windlass_engine::id::BindingId;
use windlass_engine::records::{AuditEvent, Metadata, ServiceBinding, Target};

use super::{BINDINGS, instances, request, view};
use crate::apps;
use crate::apps::access::{self, Place};
use crate::apps::request::update_metadata;
use crate::auth::Authenticated;
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::metadata::MetadataPatch;
use crate::page;
use crate::path::Guid;
use crate::query::ListQuery;
use crate::server::CfState;

pub(super) fn routes() -> Router<CfState> {
    let one = "/v3/service_credential_bindings/{guid}";
    Router::new()
        .route("/v3/service_credential_bindings", get(list).post(create))
        .route(one, get(show).patch(update).delete(delete))
        .route(&format!("{one}/details"), get(details))
}

fn event(caller: &Authenticated, place: &Place, verb: &str, row: &ServiceBinding) -> AuditEvent {
    let data = json!({"request": {
        "app_guid": row.app,
        "service_instance_guid": row.service_instance,
    }});
    let target = Target {
        id: row.id.to_string(),
        kind: "service_binding".to_owned(),
        name: row.name.clone().unwrap_or_default(),
    };
    AuditEvent {
        target,
        ..place.event(caller, &format!("audit.service_binding.{verb}"), data)
    }
}

/// The rows about bindings that go with an app.
pub(crate) async fn deleted_with(
    cf: &CfState,
    caller: &Authenticated,
    place: &Place,
) -> ApiResult<Vec<AuditEvent>> {
    let bound = of_app(cf, place).await?;
    Ok(bound
        .iter()
        .map(|row| event(caller, place, "delete", row))
        .collect())
}

fn find(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<(Place, ServiceBinding)> {
    let binding = cf.control.binding(&BindingId::from(guid))?;
    let place = access::find_for(cf, caller, &binding.app, "Service credential binding")?;
    Ok((place, binding))
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &BINDINGS)?;
    let mut filters = Vec::new();
    for (name, column) in [
        ("app_guids", Column::App),
        ("service_instance_guids", Column::ServiceInstance),
    ] {
        if let Some(values) = query.values(name) {
            filters.push(Filter::one_of(column, values.iter().map(String::as_str)));
        }
    }
    let mut rows = if query.accepts("type", "app") && !super::asks_for_plans(&query) {
        let visible = caller.grants.visible_spaces();
        cf.control.bindings_in_force(&visible, filters).await?
    } else {
        Vec::new()
    };
    let mut kept = Vec::new();
    for row in rows.drain(..) {
        let passes = query.accepts_row(row.id.as_str(), row.stamps, Some(&row.metadata))
            && query.accepts_optional("names", row.name.as_deref())
            && has_names(&cf, &query, &row)?;
        if passes {
            kept.push(row);
        }
    }
    query.sort(
        &mut kept,
        |row| row.stamps,
        |row, _| row.name.clone().unwrap_or_default(),
    );
    let cut = page::Page::cut(kept, &query);
    let included = included(&cf, &caller, &query, &cut.rows)?;
    let wire = cut
        .rows
        .iter()
        .map(|row| view::binding(cf.urls(), row))
        .collect();
    let path = "/v3/service_credential_bindings";
    Ok(Json(page::list(
        cf.urls(),
        path,
        &query,
        cut.total,
        wire,
        included,
    )))
}

/// Filters by the names of what a binding binds.
fn has_names(cf: &CfState, query: &ListQuery, row: &ServiceBinding) -> ApiResult<bool> {
    if query.values("app_names").is_some() {
        let app = cf.control.find_app(&row.app)?;
        if !app.is_some_and(|app| query.accepts("app_names", &app.name)) {
            return Ok(false);
        }
    }
    if query.values("service_instance_names").is_some() {
        let instance = cf.control.service_instance(&row.service_instance)?;
        return Ok(query.accepts("service_instance_names", &instance.name));
    }
    Ok(true)
}

fn included(
    cf: &CfState,
    caller: &Authenticated,
    query: &ListQuery,
    rows: &[ServiceBinding],
) -> ApiResult<Option<Value>> {
    let mut included = json!({});
    if query.includes("app") {
        let mut found = BTreeMap::new();
        for row in rows {
            if let Some(place) = access::look_up(cf, caller, &row.app)? {
                found.insert(&row.app, apps::shown(cf, &place)?);
            }
        }
        included["apps"] = found.into_values().collect();
    }
    if query.includes("service_instance") {
        let mut found = BTreeMap::new();
        for row in rows {
            let instance = cf.control.service_instance(&row.service_instance)?;
            found.insert(&row.service_instance, view::instance(cf.urls(), &instance));
        }
        included["service_instances"] = found.into_values().collect();
    }
    Ok((!query.include.is_empty()).then_some(included))
}

async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let request = request::create_binding(&body)?;
    let missing = |what: &str, guid: &str| {
        let guid = crate::checks::echo(guid);
        ApiError::unprocessable(format!("The {what} could not be found: '{guid}'"))
    };
    let found = instances::find(&cf, &caller, request.instance.as_str())
        .map_err(|_| missing("service instance", request.instance.as_str()))?;
    let place = access::look_up(&cf, &caller, &request.app)?
        .ok_or_else(|| missing("app", request.app.as_str()))?;
    place.require_write()?;
    if found.instance.space != place.app.space {
        return Err(ApiError::unprocessable(
            "The service instance and the app are in different spaces",
        ));
    }
    let binding = make(&cf, &caller, &place, request).await?;
    Ok((
        StatusCode::CREATED,
        Json(view::binding(cf.urls(), &binding)),
    )
        .into_response())
}

async fn make(
    cf: &CfState,
    caller: &Authenticated,
    place: &Place,
    request: request::CreateBinding,
) -> ApiResult<ServiceBinding> {
    let new = NewBinding {
        app: request.app,
        service_instance: request.instance,
        name: request.name,
        metadata: request.metadata.apply(&Metadata::default())?,
    };
    let (teller, told) = (caller.clone(), place.clone());
    cf.control
        .create_binding(&caller.principal, new, move |made| {
            event(&teller, &told, "create", made)
        })
        .await
        .map_err(|error| match error {
            Error::Taken {
                what: "service binding",
                ..
            } => ApiError::unprocessable("The app is already bound to the service instance"),
            Error::Taken { value, .. } => ApiError::unprocessable(format!(
                "The binding name is invalid. App binding names must be unique. The app already \
                 has a binding with name '{value}'."
            )),
            other => other.into(),
        })
}

/// Binds an app to the service instance of a name, unless it is so already.
pub(crate) async fn ensure_bound(
    cf: &CfState,
    caller: &Authenticated,
    place: &Place,
    instance: &str,
    name: Option<&str>,
) -> ApiResult<()> {
    let same = vec![
        Filter::is(Column::Name, instance),
        Filter::is(Column::Space, place.space.id.as_str()),
    ];
    let found = cf
        .control
        .list_service_instances(&Visibility::All, Question::filtered(same))
        .await?
        .rows
        .into_iter()
        .next();
    let Some(found) = found else {
        let instance = crate::checks::echo(instance);
        return Err(ApiError::unprocessable(format!(
            "Service instance '{instance}' not found"
        )));
    };
    let bound = of_app(cf, place).await?;
    if bound.iter().any(|it| it.service_instance == found.id) {
        return Ok(());
    }
    let request = request::CreateBinding {
        app: place.app.id.clone(),
        instance: found.id,
        name: name.map(str::to_owned),
        metadata: MetadataPatch::default(),
    };
    make(cf, caller, place, request).await.map(drop)
}

/// Names of the service instances that an app is bound to.
pub(crate) async fn names_of(cf: &CfState, place: &Place) -> ApiResult<Vec<String>> {
    let mut names = Vec::new();
    for binding in of_app(cf, place).await? {
        names.push(cf.control.service_instance(&binding.service_instance)?.name);
    }
    names.sort();
    Ok(names)
}

async fn of_app(cf: &CfState, place: &Place) -> ApiResult<Vec<ServiceBinding>> {
    let own = vec![Filter::is(Column::App, place.app.id.as_str())];
    Ok(cf.control.bindings_in_force(&Visibility::All, own).await?)
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &BINDINGS)?;
    let (_, binding) = find(&cf, &caller, &guid)?;
    let mut answer = view::binding(cf.urls(), &binding);
    if let Some(included) = included(&cf, &caller, &query, std::slice::from_ref(&binding))? {
        answer["included"] = included;
    }
    Ok(Json(answer))
}

async fn details(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let (place, binding) = find(&cf, &caller, &guid)?;
    if !place.access.read_secrets {
        return Err(ApiError::not_authorized());
    }
    let entry = cf.control.entry_of(&binding)?;
    let told = event(&caller, &place, "show", &binding);
    cf.control.write_audit(vec![told]).await?;
    Ok(Json(json!({
        "credentials": entry["credentials"],
        "syslog_drain_url": entry["syslog_drain_url"],
        "volume_mounts": [],
    })))
}

async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let (place, binding) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = update_metadata(&body)?.apply(&binding.metadata)?;
    let told = event(&caller, &place, "update", &binding);
    let changed = cf
        .control
        .update_binding(&binding.id, metadata, told)
        .await?;
    Ok(Json(view::binding(cf.urls(), &changed)))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let (place, binding) = find(&cf, &caller, &guid)?;
    place.require_write()?;
    let told = event(&caller, &place, "delete", &binding);
    cf.control
        .delete_binding(&caller.principal, &binding.id, told)
        .await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
