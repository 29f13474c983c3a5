//! The documents that clients begin with. No token is needed here.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use crate::server::CfState;

/// Version of the API that is spoken here. From 3.211 on `cf` uses the cheap process list, from
/// 3.189 on canary steps; 3.224 would promise route policies.
pub(crate) const API_VERSION: &str = "3.220.0";
/// Oldest `cf` that is known to work.
const CLI_VERSION: &str = "8.0.0";

/// Collections that `/v3` links to.
const COLLECTIONS: [&str; 25] = [
    "apps",
    "audit_events",
    "buildpacks",
    "builds",
    "deployments",
    "domains",
    "droplets",
    "environment_variable_groups",
    "feature_flags",
    "info",
    "isolation_segments",
    "organizations",
    "organization_quotas",
    "packages",
    "processes",
    "resource_matches",
    "roles",
    "routes",
    "security_groups",
    "service_instances",
    "space_quotas",
    "spaces",
    "stacks",
    "tasks",
    "users",
];

pub(crate) fn routes() -> Router<CfState> {
    Router::new()
        .route("/", get(root))
        .route("/v3", get(collections))
        .route("/v3/info", get(info))
        .route("/healthz", get(healthz))
}

async fn root(State(cf): State<CfState>) -> Json<Value> {
    let here = json!({ "href": cf.urls().origin() });
    Json(json!({
        "links": {
            "self": here,
            "cloud_controller_v2": null,
            "cloud_controller_v3": {
                "href": cf.urls().at("/v3"),
                "meta": { "version": API_VERSION },
            },
            "network_policy_v0": null,
            "network_policy_v1": null,
            "login": here,
            "uaa": here,
            "credhub": null,
            "routing": null,
            "logging": null,
            "log_cache": here,
            "log_stream": null,
            "app_ssh": null,
        },
    }))
}

async fn collections(State(cf): State<CfState>) -> Json<Value> {
    let mut links = Map::new();
    links.insert("self".to_owned(), cf.urls().href("/v3"));
    for name in COLLECTIONS {
        links.insert(name.to_owned(), cf.urls().href(&format!("/v3/{name}")));
    }
    Json(json!({ "links": links }))
}

async fn info(State(cf): State<CfState>) -> Json<Value> {
    Json(json!({
        "name": "windlass",
        "build": env!("CARGO_PKG_VERSION"),
        "version": 0,
        "description": "Windlass",
        "cli_version": { "minimum": CLI_VERSION, "recommended": CLI_VERSION },
        "custom": {},
        "osbapi_version": "2.15",
        "links": {
            "self": cf.urls().href("/v3/info"),
            "support": { "href": "" },
        },
    }))
}

async fn healthz() -> &'static str {
    "OK"
}
