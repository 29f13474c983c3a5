//! `/v3/apps`.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::commands::Caller;
use windlass_control::commands::apps::NewApp;
use windlass_control::listing::Column;
use windlass_control::numbered_revisions::{Recorded, Recording};
use windlass_engine::app::ConcurrencyPolicy;
use windlass_engine::configuration::{ComponentConfig, ComponentRole};
use windlass_engine::id::{AppId, ComponentName, SpaceId};
use windlass_engine::records::{AppRecord, AuditEvent, Dialect, Metadata};

use crate::auth::{Authenticated, require_in_space};
use crate::body::JsonObject;
use crate::error::{ApiError, ApiResult};
use crate::guid::WEB;
use crate::path::Guid;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;
use crate::{jobs, page, spaces};

pub(crate) mod access;
pub(crate) mod current_droplet;
pub(crate) mod document;
pub(crate) mod droplet;
pub(crate) mod environment;
pub(crate) mod features;
pub(crate) mod lifecycle;
pub(crate) mod request;
pub(crate) mod view;

use access::Place;
use document::Document;

const LIST: ListSpec = ListSpec {
    filters: &[
        "names",
        "organization_guids",
        "space_guids",
        "stacks",
        "lifecycle_type",
    ],
    order: &["name", "state"],
    includes: &["space", "org", "space.organization"],
    labels: true,
};

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/v3/apps", get(list).post(create))
        .route("/v3/apps/{guid}", get(show).patch(update).delete(delete))
        .route("/v3/apps/{guid}/actions/start", post(start))
        .route("/v3/apps/{guid}/actions/stop", post(stop))
        .route("/v3/apps/{guid}/actions/restart", post(restart))
        .route(
            "/v3/apps/{guid}/actions/clear_buildpack_cache",
            post(clear_buildpack_cache),
        )
        .route("/v3/apps/{guid}/permissions", get(permissions))
        .merge(current_droplet::routes())
        .merge(environment::routes())
        .merge(features::routes())
}

async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let question = query.question(&[
        ("names", Column::Name),
        ("organization_guids", Column::Organization),
        ("space_guids", Column::Space),
    ]);
    let found = cf
        .control
        .list_apps(&caller.grants.visible_spaces(), of_own_apps(question))
        .await?;
    let mut rows = Vec::with_capacity(found.rows.len());
    for app in &found.rows {
        if let Some(state) = cf.control.state(&app.id)? {
            rows.push(view::app(cf.urls(), app, &state));
        }
    }
    let included = included(&cf, &query, &found.rows)?;
    let total = usize::try_from(found.total).unwrap_or(usize::MAX);
    Ok(Json(page::list(
        cf.urls(),
        "/v3/apps",
        &query,
        total,
        rows,
        included,
    )))
}

/// Spaces and organizations of apps, where they were asked for.
fn included(cf: &CfState, query: &ListQuery, apps: &[AppRecord]) -> ApiResult<Option<Value>> {
    let wants_organizations = query.includes("org") || query.includes("space.organization");
    let wants_spaces = query.includes("space") || query.includes("space.organization");
    if !wants_organizations && !wants_spaces {
        return Ok(None);
    }
    let ids: std::collections::BTreeSet<&SpaceId> = apps.iter().map(|app| &app.space).collect();
    let (mut found_spaces, mut found) = (Vec::new(), BTreeMap::new());
    for id in ids {
        if let Some((organization, space)) = cf.tenancy().space(id)? {
            found_spaces.push(spaces::to_wire(&space, cf.urls()));
            let wire = crate::organizations::to_wire(&organization, cf.urls());
            found.insert(organization.id, wire);
        }
    }
    let mut included = json!({});
    if wants_spaces {
        included["spaces"] = Value::Array(found_spaces);
    }
    if wants_organizations {
        included["organizations"] = found.into_values().collect();
    }
    Ok(Some(included))
}

async fn show(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let parameters = only_parameters(raw.as_deref(), &["include"])?;
    let place = access::find(&cf, &caller, &guid)?;
    let mut answer = shown(&cf, &place)?;
    if let Some(asked) = parameters.get("include") {
        let query = ListQuery::parse(Some(&format!("include={asked}")), &LIST)?;
        if let Some(included) = included(&cf, &query, std::slice::from_ref(&place.app))? {
            answer["included"] = included;
        }
    }
    Ok(Json(answer))
}

pub(crate) async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let request = request::create(&body)?;
    let space = cf
        .tenancy()
        .space_access(&caller.grants, &SpaceId::from(request.space_guid.as_str()))?;
    let Some((organization, space, space_access)) = space else {
        return Err(ApiError::unprocessable(
            "Invalid space. Ensure that the space exists and you have access to it.",
        ));
    };
    require_in_space(&space_access, |access| access.write)?;
    request.lifecycle.offered()?;
    let document = Document {
        lifecycle: lifecycle::Lifecycle::default().patched(&request.lifecycle),
        ..Document::default()
    };
    check_buildpacks(&cf, &document.lifecycle.buildpacks)?;
    let id = AppId::new(uuid::Uuid::new_v4().to_string());
    let env = request
        .variables
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
    let web = (ComponentConfig::new(ComponentRole::Routed), 1);
    let new = NewApp {
        id: id.clone(),
        space: space.id.clone(),
        name: request.name.clone(),
        dialect: Dialect::CloudFoundry,
        policy: ConcurrencyPolicy::SupersedeNow,
        metadata: request.metadata.apply(&Metadata::default())?,
        document: document.to_value(),
        components: BTreeMap::from([(ComponentName::from(WEB), web)]),
        env,
        settings: None,
    };
    let app = AppRecord {
        id: id.clone(),
        organization: organization.id.clone(),
        space: space.id.clone(),
        name: request.name,
        dialect: Dialect::CloudFoundry,
        deleted: false,
        metadata: Metadata::default(),
        document: Value::Null,
        last_task_sequence: 0,
        last_revision_number: 0,
        stamps: windlass_engine::records::Stamps::default(),
    };
    let mut place = Place {
        app,
        organization,
        space,
        access: space_access,
    };
    let data = json!({"request": {"name": place.app.name, "environment_variables": HIDDEN}});
    let extra = place.audit(&caller, "audit.app.create", data);
    place.app = cf.control.create_app(new, extra).await?;
    // A first line, so that clients that follow the log need not wait for the first envelope.
    say(&cf, &place, "Created app").await;
    Ok((StatusCode::CREATED, Json(shown(&cf, &place)?)).into_response())
}

/// Writes a line into the log of an app: what somebody has had done.
pub(crate) async fn say(cf: &CfState, place: &Place, what: &str) {
    let id = &place.app.id;
    let text = format!("{what} with guid {id}");
    cf.control.write_log(id, "API", text).await;
}

/// What stands for secrets in the audit trail.
pub(crate) const HIDDEN: &str = "[PRIVATE DATA HIDDEN]";

pub(crate) async fn update(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    JsonObject(body): JsonObject,
) -> ApiResult<Json<Value>> {
    let request = request::update(&body)?;
    let mut place = access::find(&cf, &caller, &guid)?;
    place.require_write()?;
    let metadata = request.metadata.apply(&place.app.metadata)?;
    let mut document = Document::of(&place.app);
    if let Some(lifecycle) = &request.lifecycle {
        lifecycle.offered()?;
        document.lifecycle = document.lifecycle.patched(lifecycle);
        check_buildpacks(&cf, &document.lifecycle.buildpacks)?;
    }
    let extra = place.audit(&caller, "audit.app.update", json!({"request": body}));
    let lifecycle = document.lifecycle;
    let change = move |app: &mut AppRecord| {
        if let Some(name) = request.name {
            app.name = name;
        }
        app.metadata = metadata;
        Document::change(app, |document| document.lifecycle = lifecycle);
    };
    place.app = cf.control.update_app(&place.app.id, change, extra).await?;
    Ok(Json(shown(&cf, &place)?))
}

async fn delete(State(cf): State<CfState>, caller: Authenticated, Guid(guid): Guid) -> ApiResult {
    let place = access::find(&cf, &caller, &guid)?;
    place.require_write()?;
    let data = json!({"request": {"recursive": true}});
    let mut extra = place.audit(&caller, "audit.app.delete-request", data);
    let state = place.state(&cf)?;
    for name in state.configuration.components.keys() {
        let guid = crate::guid::process(&place.app.id, name);
        let data = json!({"process_guid": guid, "process_type": name});
        let event = place.event(&caller, "audit.app.process.delete", data);
        extra.audit.push(event);
    }
    let unbound = crate::services::deleted_with(&cf, &caller, &place).await?;
    extra.audit.extend(unbound);
    let by = Caller::from(&caller.principal);
    let operation = cf.control.delete_app(&place.app.id, &by, extra).await?;
    Ok(jobs::accepted(&cf, &operation))
}

async fn start(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = runnable(&cf, &caller, &guid)?;
    let events = run_events(&caller, &place, "audit.app.start");
    cf.control
        .start_app_recorded(&place.app.id, recording(&place), events)
        .await?;
    say(&cf, &place, "Starting app").await;
    Ok(Json(shown(&cf, &place)?))
}

async fn restart(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = runnable(&cf, &caller, &guid)?;
    let events = run_events(&caller, &place, "audit.app.restart");
    cf.control
        .restart_app_recorded(&place.app.id, recording(&place), events)
        .await?;
    say(&cf, &place, "Restarted app").await;
    Ok(Json(shown(&cf, &place)?))
}

async fn stop(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, &guid)?;
    place.require_operate()?;
    let extra = place.audit(&caller, "audit.app.stop", json!({}));
    cf.control.stop_app(&place.app.id, extra).await?;
    say(&cf, &place, "Stopping app").await;
    Ok(Json(shown(&cf, &place)?))
}

async fn clear_buildpack_cache(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult {
    let place = access::find(&cf, &caller, &guid)?;
    place.require_operate()?;
    cf.control.clear_build_cache(&place.app.id).await?;
    let kind = "app.clear_buildpack_cache";
    jobs::accepted_done(&cf, &caller, kind, place.app.id.as_str()).await
}

async fn permissions(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
) -> ApiResult<Json<Value>> {
    let place = access::find(&cf, &caller, &guid)?;
    let secrets = place.access.read_secrets;
    Ok(Json(
        json!({"read_basic_data": true, "read_sensitive_data": secrets}),
    ))
}

/// An app that the caller may run and that has a droplet.
fn runnable(cf: &CfState, caller: &Authenticated, guid: &str) -> ApiResult<Place> {
    let place = access::find(cf, caller, guid)?;
    if place.state(cf)?.configuration.artifact.is_none() {
        return Err(ApiError::unprocessable(
            "Assign a droplet before starting this app.",
        ));
    }
    place.require_operate()?;
    Ok(place)
}

/// Rows of the audit trail of a start or restart: itself, and the revision that it made.
fn run_events(
    caller: &Authenticated,
    place: &Place,
    kind: &'static str,
) -> impl FnOnce(Option<&Recorded>) -> Vec<AuditEvent> + Send + 'static {
    let (caller, place) = (caller.clone(), place.clone());
    move |recorded| {
        let run = place.event(&caller, kind, json!({}));
        std::iter::once(run)
            .chain(crate::revisions::created(&caller, &place, recorded))
            .collect()
    }
}

/// Whether starts and deployments of an app become numbered revisions.
pub(crate) fn recording(place: &Place) -> Recording {
    if Document::of(&place.app).revisions {
        Recording::On {
            rolled_back_to: None,
        }
    } else {
        Recording::Off
    }
}

/// The app as it is now.
pub(crate) fn shown(cf: &CfState, place: &Place) -> ApiResult<Value> {
    Ok(view::app(cf.urls(), &place.app, &place.state(cf)?))
}

/// Refuses buildpacks that do not exist.
pub(crate) fn check_buildpacks(cf: &CfState, names: &[String]) -> ApiResult<()> {
    cf.control.buildpacks().check(names).map_err(|_| {
        let is_known = |name: &&String| {
            let name = std::slice::from_ref(*name);
            cf.control.buildpacks().check(name).is_ok()
        };
        let unknown = names.iter().find(|name| !is_known(name));
        ApiError::unprocessable(format!(
            "Buildpack \"{}\" must be an existing admin buildpack or a valid git URI",
            crate::checks::echo(unknown.map_or("", String::as_str))
        ))
    })
}
