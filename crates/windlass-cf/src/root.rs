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
/// Version of the API of service brokers, of which there are none.
const OSBAPI_VERSION: &str = "2.15";

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
        .route("/v2/info", get(info_of_v2))
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
        "osbapi_version": OSBAPI_VERSION,
        "links": {
            "self": cf.urls().href("/v3/info"),
            "support": { "href": "" },
        },
    }))
}

/// All that is there of the older API, as servers without it have it: cf-java-client finds nowhere
/// else where to log in.
async fn info_of_v2(State(cf): State<CfState>) -> Json<Value> {
    let origin = cf.urls().origin();
    Json(json!({
        "name": "windlass",
        "build": env!("CARGO_PKG_VERSION"),
        "support": "CF API v2 is disabled",
        "version": 0,
        "description": "Windlass",
        "authorization_endpoint": origin,
        "token_endpoint": origin,
        "min_cli_version": CLI_VERSION,
        "min_recommended_cli_version": CLI_VERSION,
        "app_ssh_endpoint": null,
        "app_ssh_host_key_fingerprint": null,
        "app_ssh_oauth_client": null,
        "doppler_logging_endpoint": null,
        "api_version": "",
        "osbapi_version": OSBAPI_VERSION,
    }))
}

async fn healthz() -> &'static str {
    "OK"
}
