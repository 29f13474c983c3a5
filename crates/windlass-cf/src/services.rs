//! Services: user-provided ones, and a marketplace that is empty, said in the way that clients
//! ask for it.

use axum::extract::{RawQuery, State};
use axum::http::Uri;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::auth::Authenticated;
use crate::error::ApiResult;
use crate::page;
use crate::query::{ListQuery, ListSpec};
use crate::server::CfState;

mod bindings;
mod instances;
mod request;
mod view;

pub(crate) use bindings::{deleted_with, ensure_bound, names_of};

/// What lists of services can be asked for. `fields[…]` choose parts of what is included.
const LIST: ListSpec = ListSpec {
    filters: &[
        "names",
        "space_guids",
        "organization_guids",
        "app_guids",
        "app_names",
        "route_guids",
        "service_instance_guids",
        "service_instance_names",
        "service_plan_guids",
        "service_plan_names",
        "service_offering_guids",
        "service_offering_names",
        "service_broker_guids",
        "service_broker_names",
        "broker_catalog_ids",
        "available",
        "type",
        "include",
        "fields[space]",
        "fields[space.organization]",
        "fields[service_plan]",
        "fields[service_plan.service_offering]",
        "fields[service_plan.service_offering.service_broker]",
        "fields[service_offering.service_broker]",
        "fields[service_broker]",
    ],
    order: &["name"],
    includes: &[],
    labels: true,
};

/// What the list of bindings can be asked for.
const BINDINGS: ListSpec = ListSpec {
    filters: &[
        "names",
        "app_guids",
        "app_names",
        "service_instance_guids",
        "service_instance_names",
        "service_plan_guids",
        "service_plan_names",
        "service_offering_guids",
        "service_offering_names",
        "type",
    ],
    order: &["name"],
    includes: &["app", "service_instance"],
    labels: true,
};

pub(crate) fn routes() -> Router<CfState> {
    let empty = [
        "/v3/service_route_bindings",
        "/v3/service_offerings",
        "/v3/service_plans",
        "/v3/service_brokers",
    ]
    .into_iter()
    .fold(Router::new(), |router, path| router.route(path, get(list)));
    empty.merge(instances::routes()).merge(bindings::routes())
}

/// Whether a list is asked for what belongs to some plan: nothing does.
fn asks_for_plans(query: &ListQuery) -> bool {
    [
        "service_plan_guids",
        "service_plan_names",
        "service_offering_guids",
        "service_offering_names",
    ]
    .into_iter()
    .any(|name| query.values(name).is_some())
}

/// Clients look into these without asking whether they are there.
fn nothing_included() -> Value {
    json!({"service_offerings": [], "service_brokers": []})
}

async fn list(
    State(cf): State<CfState>,
    _caller: Authenticated,
    uri: Uri,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let included = Some(nothing_included());
    Ok(Json(page::list(
        cf.urls(),
        uri.path(),
        &query,
        0,
        Vec::new(),
        included,
    )))
}
