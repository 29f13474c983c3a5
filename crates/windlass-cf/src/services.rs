//! The marketplace: there is none, said in the way that clients ask for it.

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

pub(crate) fn routes() -> Router<CfState> {
    [
        "/v3/service_instances",
        "/v3/service_credential_bindings",
        "/v3/service_route_bindings",
        "/v3/service_offerings",
        "/v3/service_plans",
        "/v3/service_brokers",
    ]
    .into_iter()
    .fold(Router::new(), |router, path| router.route(path, get(list)))
}

async fn list(
    State(cf): State<CfState>,
    _caller: Authenticated,
    uri: Uri,
    RawQuery(raw): RawQuery,
) -> ApiResult<Json<Value>> {
    let query = ListQuery::parse(raw.as_deref(), &LIST)?;
    let included = json!({"service_offerings": [], "service_brokers": []});
    let path = uri.path();
    Ok(Json(page::list(
        cf.urls(),
        path,
        &query,
        0,
        Vec::new(),
        Some(included),
    )))
}
