//! `/projects`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use windlass_control::Extra;
use windlass_control::commands::apps::NewApp;
use windlass_control::commands::deploy_whole::OwnHost;
use windlass_control::listing::{Column, Filter};
use windlass_engine::app::ConcurrencyPolicy;
use windlass_engine::id::AppId;
use windlass_engine::records::{AppRecord, Dialect, Metadata};

use crate::auth::Authenticated;
use crate::body::{self, Ignored, JsonObject};
use crate::deployments::COMPONENT;
use crate::document::{Document, Settings};
use crate::error::{ApiError, ApiResult};
use crate::page::Page;
use crate::path::Params;
use crate::place::{self, Place, Team};
use crate::query::Pairs;
use crate::server::VercelState;
use crate::{env, host, ids};

mod domains;
mod link;
mod settings;
pub(crate) mod view;

pub(crate) use settings::name as checked_name;

/// Builds of one project at the same time.
const BUILD_SLOTS: u32 = 2;
/// Longest text that is searched for, bytes.
const MAX_SEARCH_BYTES: usize = 200;

pub(crate) fn routes() -> Router<VercelState> {
    Router::new()
        .route("/projects", get(list).post(create))
        .route(
            "/projects/{project}",
            get(show).patch(update).delete(delete),
        )
        .route(
            "/projects/{project}/custom-environments",
            get(custom_environments),
        )
        .route("/projects/{project}/alias", post(domains::add_as_alias))
        .route(
            "/projects/{project}/domains",
            get(domains::list).post(domains::add),
        )
        .route(
            "/projects/{project}/domains/{domain}",
            get(domains::show)
                .patch(domains::update)
                .delete(domains::remove),
        )
        .route(
            "/projects/{project}/domains/{domain}/verify",
            post(domains::verify),
        )
        .route(
            "/projects/{project}/link",
            post(link::connect).delete(link::disconnect),
        )
}

async fn list(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
) -> ApiResult<Json<Value>> {
    let page = Page::parse(&query)?;
    let team = place::team(&state, &caller, &query).await?;
    let filters = vec![
        Filter::is(Column::Dialect, Dialect::Vercel.as_str()),
        Filter::is(Column::Organization, team.organization.id.as_str()),
    ];
    let visible = caller.grants.visible_spaces();
    let mut question = page.question(filters);
    let search = query
        .text("search")
        .map(|text| text.chars().take(MAX_SEARCH_BYTES).collect::<String>());
    if search.is_some() {
        // Names are looked through, not looked up.
        question.page = windlass_control::listing::Page::first(u32::MAX);
    }
    let mut rows = state.control.list_apps(&visible, question).await?.rows;
    if let Some(search) = search {
        rows.retain(|app| app.name.contains(&search));
    }
    let pagination = page.cut(&mut rows, |app| app.stamps.created_at);
    let mut projects = Vec::with_capacity(rows.len());
    for app in &rows {
        projects.push(view::project(&state, &caller, app).await?);
    }
    Ok(Json(
        json!({"projects": projects, "pagination": pagination}),
    ))
}

async fn show(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    Ok(Json(view::project(&state, &caller, &place.app).await?))
}

async fn create(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    JsonObject { mut object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let team = place::team(&state, &caller, &query).await?;
    team.writable()?;
    let name = body::text(&object, "name")?.ok_or_else(|| body::kind("name", "a string"))?;
    let name = settings::name(&name)?;
    let id = ids::project();
    let mut document = Document::default();
    if let Some(variables) = object.remove("environmentVariables") {
        document.env = env::of_new_project(&state, &caller, &variables)?;
    }
    document.link = match object.remove("gitRepository") {
        None | Some(Value::Null) => None,
        Some(Value::Object(repository)) => Some(link::read(&state, &repository)?),
        Some(_) => return Err(body::kind("gitRepository", "an object")),
    };
    document.settings.take(&object)?;
    let app = create_in(&state, &caller, &team, &id, name, &document).await?;
    Ok(Json(view::project(&state, &caller, &app).await?))
}

/// Creates a project with its production host: `name` if nobody has it, else one with the team's.
pub(crate) async fn create_in(
    state: &VercelState,
    caller: &Authenticated,
    team: &Team,
    id: &str,
    name: String,
    document: &Document,
) -> ApiResult<AppRecord> {
    let space = team.writable()?;
    let domain = state
        .control
        .tenancy()
        .default_domain(&team.organization.id)?;
    let domain = domain.ok_or_else(|| {
        ApiError::conflict("there is no domain for projects: create a shared domain first")
    })?;
    let (part, slug) = (host::part(&name), team.slug());
    let labels = [
        host::label(&[&part]),
        host::label(&[&part, &slug]),
        host::label(&[&part, &ids::host_part(), &slug]),
    ];
    let hosts = labels.map(|label| OwnHost {
        label,
        domain: domain.id.clone(),
    });
    let app = NewApp {
        id: AppId::from(id),
        space: space.id.clone(),
        name,
        dialect: Dialect::Vercel,
        policy: ConcurrencyPolicy::ParallelBuilds { slots: BUILD_SLOTS },
        metadata: Metadata::default(),
        document: serde_json::to_value(document).unwrap_or_default(),
        components: BTreeMap::new(),
        env: BTreeMap::new(),
        settings: None,
    };
    let extra = Extra {
        audit: vec![created(caller, &app, team)],
        ..Extra::default()
    };
    let made = state
        .control
        .create_app_hosted(app, hosts.into(), COMPONENT.into(), extra)
        .await;
    made.map_err(|error| match error {
        windlass_control::Error::Taken {
            what: "app name",
            value,
        } => ApiError::conflict(format!(
            "Project \"{value}\" already exists, please use a new name."
        )),
        other => other.into(),
    })
}

fn created(
    caller: &Authenticated,
    app: &NewApp,
    team: &Team,
) -> windlass_engine::records::AuditEvent {
    let record = AppRecord {
        id: app.id.clone(),
        organization: team.organization.id.clone(),
        space: app.space.clone(),
        name: app.name.clone(),
        dialect: app.dialect,
        deleted: false,
        metadata: Metadata::default(),
        document: Value::Null,
        last_task_sequence: 0,
        last_revision_number: 0,
        stamps: windlass_engine::records::Stamps::default(),
    };
    place::event(caller, &record, "audit.app.create", json!({}))
}

async fn update(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    JsonObject { object, .. }: JsonObject,
) -> ApiResult<Json<Value>> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    let name = match body::text(&object, "name")? {
        Some(name) => Some(settings::name(&name)?),
        None => None,
    };
    // Checked before the commit, so that its refusal has this API's form.
    Settings::default().take(&object)?;
    let fields: Vec<&String> = object.keys().collect();
    let extra = place.audit(&caller, "audit.app.update", json!({"fields": fields}));
    let given = object.clone();
    let change = move |app: &mut AppRecord| {
        let mut document = Document::of(app);
        if document.settings.take(&given).is_ok() {
            document.store(app);
        }
        if let Some(name) = name {
            app.name = name;
        }
    };
    let asked = body::truth(&object, "autoAssignCustomDomains")?;
    let app = change_record(&state, &place, change, extra).await?;
    if let Some(releases_built) = asked {
        let control = &state.control;
        control.set_releases_built(&app.id, releases_built).await?;
    }
    Ok(Json(view::project(&state, &caller, &app).await?))
}

/// Changes the record of a project in one commit.
pub(crate) async fn change_record<F>(
    state: &VercelState,
    place: &Place,
    change: F,
    extra: Extra,
) -> ApiResult<AppRecord>
where
    F: FnOnce(&mut AppRecord) + Send + 'static,
{
    let change = Box::new(move |app: &mut AppRecord, _: &_| {
        change(app);
        Ok(())
    });
    Ok(state
        .control
        .change_app(&place.app.id, change, extra)
        .await?)
}

/// Deletes a project, durably and first: its name and hosts are free when this answers.
async fn delete(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
    _: Ignored,
) -> ApiResult<StatusCode> {
    let place = place::project(&state, &caller, &query, params.get("project")).await?;
    place.require_write()?;
    let extra = place.audit(&caller, "audit.app.delete-request", json!({}));
    state
        .control
        .delete_app(&place.app.id, &caller.caller(), extra)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// There are no environments beside production and preview.
async fn custom_environments(
    State(state): State<VercelState>,
    caller: Authenticated,
    query: Pairs,
    params: Params,
) -> ApiResult<Json<Value>> {
    place::project(&state, &caller, &query, params.get("project")).await?;
    Ok(Json(json!({"environments": []})))
}
