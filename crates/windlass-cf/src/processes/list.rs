//! Lists of processes.

use axum::Json;
use axum::extract::{RawQuery, State};
use serde_json::{Value, json};
use windlass_control::listing::{Column, Filter, ListQuery as Question};

use super::model::{self, Process};
use super::view::Command;
use super::{seen, stats, to_wire};
use crate::apps::access::{self, Place};
use crate::auth::Authenticated;
use crate::error::{ApiError, ApiResult};
use crate::page::{self, Page};
use crate::path::Guid;
use crate::query::of_own_apps;
use crate::query::{ListQuery, ListSpec, only_parameters};
use crate::server::CfState;

const LIST: ListSpec = ListSpec::with_filters(&[
    "types",
    "space_guids",
    "organization_guids",
    "app_guids",
    "embed",
]);

const APP_LIST: ListSpec = ListSpec::with_filters(&["types", "embed"]);

/// What `embed` may name.
const EMBEDDED: &str = "process_instances";

/// A process of the list, with its app.
struct Row {
    place: std::rc::Rc<(Place, windlass_engine::app::AppState)>,
    process: Process,
}

pub(super) async fn list(
    State(cf): State<CfState>,
    caller: Authenticated,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    check_embed(&query)?;
    let mut filters = Vec::new();
    for (name, column) in [
        ("space_guids", Column::Space),
        ("organization_guids", Column::Organization),
        ("app_guids", Column::Id),
    ] {
        if let Some(values) = query.values(name) {
            filters.push(Filter::one_of(column, values.iter().map(String::as_str)));
        }
    }
    let visible = caller.grants.visible_spaces();
    let apps = cf
        .control
        .list_apps(&visible, of_own_apps(Question::filtered(filters)))
        .await?;
    let mut places = Vec::with_capacity(apps.rows.len());
    for app in apps.rows {
        places.extend(access::look_up(&cf, &caller, &app.id)?);
    }
    answer(&cf, &query, "/v3/processes", places)
}

pub(super) async fn list_of_app(
    State(cf): State<CfState>,
    caller: Authenticated,
    Guid(guid): Guid,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &APP_LIST)?;
    check_embed(&query)?;
    let place = access::find(&cf, &caller, &guid)?;
    let path = format!("/v3/apps/{}/processes", place.app.id);
    answer(&cf, &query, &path, vec![place])
}

fn answer(
    cf: &CfState,
    query: &ListQuery,
    path: &str,
    places: Vec<Place>,
) -> ApiResult<Json<Value>> {
    let mut rows = Vec::new();
    for place in places {
        let state = place.state(cf)?;
        let processes = model::processes(&state, place.app.stamps);
        for process in &processes {
            cf.homes().note(&process.guid, &place.app.id);
        }
        let place = std::rc::Rc::new((place, state));
        rows.extend(
            processes
                .into_iter()
                .filter(|process| accepts(query, process))
                .map(|process| Row {
                    place: std::rc::Rc::clone(&place),
                    process,
                }),
        );
    }
    query.sort(
        &mut rows,
        |row| row.process.stamps,
        |row, _| row.process.guid.clone(),
    );
    let page = Page::cut(rows, query);
    let embeds = query.values("embed").is_some();
    let now = seen::now();
    let mut resources = Vec::with_capacity(page.rows.len());
    for row in &page.rows {
        let (place, state) = &*row.place;
        let mut wire = to_wire(cf, place, state, &row.process, Command::InList)?;
        if embeds {
            wire[EMBEDDED] = json!(stats::short(state, &row.process, now));
        }
        resources.push(wire);
    }
    Ok(Json(page::list(
        cf.urls(),
        path,
        query,
        page.total,
        resources,
        None,
    )))
}

fn accepts(query: &ListQuery, process: &Process) -> bool {
    query.accepts_row(&process.guid, process.stamps, None)
        && query.accepts("types", process.component.as_str())
}

fn check_embed(query: &ListQuery) -> ApiResult<()> {
    match query.values("embed") {
        None => Ok(()),
        Some([only]) if only == EMBEDDED => Ok(()),
        Some(values) => Err(bad_embed(values.first().map_or("", String::as_str))),
    }
}

/// Whether a request for one process embeds its instances.
pub(super) fn embeds_instances(raw: Option<&str>) -> ApiResult<bool> {
    let parameters = only_parameters(raw, &["embed"])?;
    match parameters.get("embed").map(String::as_str) {
        None => Ok(false),
        Some(EMBEDDED) => Ok(true),
        Some(other) => Err(bad_embed(other)),
    }
}

fn bad_embed(asked: &str) -> ApiError {
    ApiError::bad_query(format!(
        "Invalid embedded resource: '{}'. Valid embedded resources are: '{EMBEDDED}'",
        crate::checks::echo(asked)
    ))
}
