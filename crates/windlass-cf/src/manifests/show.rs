//! An app as a manifest shows it.

use serde_json::{Map, Value, json};
use windlass_control::identity::Visibility;
use windlass_control::listing::{Column, Filter, ListQuery as Question};
use windlass_engine::configuration::{ComponentConfig, HealthCheck, HealthKind};
use windlass_engine::id::AppId;
use windlass_engine::records::{Protocol, Route};

use super::sizes;
use crate::apps::access::Place;
use crate::apps::document::Document;
use crate::error::ApiResult;
use crate::metadata;
use crate::server::CfState;
use crate::services;

/// Routes that lead to an app.
pub(super) async fn routes_of(cf: &CfState, app: &AppId) -> ApiResult<Vec<Route>> {
    let question = Question::filtered(vec![Filter::is(Column::App, app.as_str())]);
    Ok(cf
        .control
        .list_routes(&Visibility::All, question)
        .await?
        .rows)
}

/// A process in the words of `/v3/processes`, as bodies of changes have them.
pub(super) fn process(kind: &str, config: &ComponentConfig, instances: u32) -> Map<String, Value> {
    let rate = config.log_bytes_per_second;
    let fields = json!({
        "type": kind,
        "instances": instances,
        "memory_in_mb": config.memory_mb,
        "disk_in_mb": config.disk_mb,
        "log_rate_limit_in_bytes_per_second": rate.map_or(json!(-1), |rate| json!(rate)),
        "command": config.command,
        "user": config.user,
        "health_check": check(&config.health),
        "readiness_health_check": check(&config.readiness),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn kind_word(kind: &HealthKind) -> &'static str {
    match kind {
        HealthKind::Process => "process",
        HealthKind::Port => "port",
        HealthKind::Http { .. } => "http",
    }
}

fn check(check: &HealthCheck) -> Value {
    let endpoint = match &check.kind {
        HealthKind::Http { endpoint } => Some(endpoint),
        HealthKind::Process | HealthKind::Port => None,
    };
    json!({
        "type": kind_word(&check.kind),
        "data": {
            "timeout": check.start_timeout_secs,
            "invocation_timeout": check.invocation_timeout_secs,
            "interval": check.interval_secs,
            "endpoint": endpoint,
        },
    })
}

/// The app in the words of a manifest, with one spelling of all keys.
pub(super) async fn application(cf: &CfState, place: &Place) -> ApiResult<Map<String, Value>> {
    let state = place.state(cf)?;
    let document = Document::of(&place.app);
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| shown.insert(key.to_owned(), value);
    put("name", json!(place.app.name));
    put("lifecycle", json!("buildpack"));
    if !document.lifecycle.buildpacks.is_empty() {
        put("buildpacks", json!(document.lifecycle.buildpacks));
    }
    put("stack", json!(document.lifecycle.stack));
    put(
        "features",
        json!({
            "ssh": document.ssh,
            "revisions": document.revisions,
            "service-binding-k8s": false,
            "file-based-vcap-services": false,
        }),
    );
    let env = cf.control.environment_of(&place.app.id)?;
    if !env.is_empty() {
        put("env", json!(env));
    }
    let bound = services::names_of(cf, place).await?;
    if !bound.is_empty() {
        put("services", json!(bound));
    }
    let routes = routes_of(cf, &place.app.id).await?;
    if !routes.is_empty() {
        let routes = routes.iter().map(|it| route(&place.app.id, it));
        put("routes", routes.collect());
    }
    let labels = metadata::to_wire(&place.app.metadata);
    if labels != json!({"labels": {}, "annotations": {}}) {
        put("metadata", labels);
    }
    let processes = state.configuration.components.iter();
    let processes = processes.map(|(name, config)| {
        Value::Object(manifest_process(
            name.as_str(),
            config,
            state.scale_of(name),
        ))
    });
    put("processes", processes.collect());
    let sidecars = state.configuration.sidecars.iter().map(|(name, sidecar)| {
        let mut shown = json!({
            "name": name,
            "process_types": sidecar.components,
            "command": sidecar.command,
        });
        if let Some(mb) = sidecar.memory_mb {
            shown["memory"] = sizes::shown_mebibytes(mb);
        }
        shown
    });
    let sidecars: Vec<Value> = sidecars.collect();
    if !sidecars.is_empty() {
        put("sidecars", json!(sidecars));
    }
    Ok(shown)
}

fn route(app: &AppId, route: &Route) -> Value {
    let protocol = route.destinations.iter().find(|it| it.app == *app);
    let protocol = match protocol.map(|it| it.protocol) {
        Some(Protocol::Http2) => "http2",
        Some(Protocol::Http1) | None => "http1",
    };
    let mut shown = json!({
        "route": format!("{}{}", route.full_host, route.path),
        "protocol": protocol,
    });
    if !route.options.is_empty() {
        shown["options"] = json!(route.options);
    }
    shown
}

fn manifest_process(kind: &str, config: &ComponentConfig, instances: u32) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut put = |key: &str, value: Value| {
        if !value.is_null() {
            shown.insert(key.to_owned(), value);
        }
    };
    put("type", json!(kind));
    put("instances", json!(instances));
    put("memory", sizes::shown_mebibytes(config.memory_mb));
    put("disk-quota", sizes::shown_mebibytes(config.disk_mb));
    put(
        "log-rate-limit-per-second",
        sizes::shown_rate(config.log_bytes_per_second),
    );
    put("command", json!(config.command));
    put("user", json!(config.user));
    put("timeout", json!(config.health.start_timeout_secs));
    for (prefix, check) in [
        ("health-check", &config.health),
        ("readiness-health-check", &config.readiness),
    ] {
        put(&format!("{prefix}-type"), json!(kind_word(&check.kind)));
        if let HealthKind::Http { endpoint } = &check.kind {
            put(&format!("{prefix}-http-endpoint"), json!(endpoint));
        }
        let timeout = json!(check.invocation_timeout_secs);
        put(&format!("{prefix}-invocation-timeout"), timeout);
        put(&format!("{prefix}-interval"), json!(check.interval_secs));
    }
    shown
}
