//! Cloud Foundry: one of each thing, and what a refusal looks like.

use std::collections::BTreeMap;

use axum::Router;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use windlass_cf::links::Urls;
use windlass_cf::server::{CfState, router as dialect};
use windlass_control::Control;

use super::{Asked, World};

/// Border of the parts of a form.
const BORDER: &str = "border";

pub(super) fn router(control: &Control) -> Router {
    dialect(CfState::new(
        control.clone(),
        Urls::new("https://api.windlass.test"),
    ))
}

/// The name of what stands for a parameter behind a fixed part, or a word.
pub(super) fn subject(before: &str, parameter: &str) -> &'static str {
    match (before, parameter) {
        ("organizations" | "shared_organizations", _) => "organization",
        ("spaces", _) => "space",
        ("processes", "{type}") => "web",
        ("processes", _) => "process",
        ("service_instances", _) => "service",
        ("service_credential_bindings", _) => "binding",
        ("apps" | "read", _) => "app",
        ("droplets", _) => "droplet",
        ("packages", _) => "package",
        ("deployments", _) => "deployment",
        ("tasks", _) => "task",
        ("revisions", _) => "revision",
        ("domains", _) => "domain",
        ("routes", _) => "route",
        ("destinations", _) => "destination",
        ("sidecars", _) => "sidecar",
        ("users" | "Users", _) => "user",
        ("organization_quotas", _) => "quota",
        ("instances", _) => "0",
        ("features", _) => "ssh",
        ("feature_flags", _) => "task_creation",
        ("environment_variable_groups", _) => "running",
        _ => "none",
    }
}

pub(super) fn subjects(world: &mut World) -> BTreeMap<&'static str, String> {
    let first = |world: &mut World, path: &str| world.get(path).at("/resources/0/guid");
    let organization = first(world, "/v3/organizations?names=team");
    let space = first(world, "/v3/spaces?names=home");
    let user = first(world, "/v3/users?usernames=anna");
    let quota = first(world, "/v3/organization_quotas");
    let to = |guid: &str| json!({"data": {"guid": guid}});
    let made = |world: &mut World, path: &str, body: &Value| {
        let made = world.json("POST", path, body);
        assert!(made.status < 300, "{path}: {}", made.text());
        made.at("/guid")
    };
    let of_space = |name: &str| json!({"name": name, "relationships": {"space": to(&space)}});
    let app = made(world, "/v3/apps", &of_space("shop"));
    let of_app = json!({"app": to(&app)});
    let droplet = json!({"relationships": of_app, "process_types": {"web": "./serve"}});
    let droplet = made(world, "/v3/droplets", &droplet);
    let uploaded = world.ask(Asked {
        method: "POST",
        path: &format!("/v3/droplets/{droplet}/upload"),
        kind: &format!("multipart/form-data; boundary={BORDER}"),
        body: &form("droplet.tgz", &archive()),
    });
    assert_eq!(uploaded.status, 202, "{}", uploaded.text());
    let current = format!("/v3/apps/{app}/relationships/current_droplet");
    let assigned = world.json("PATCH", &current, &to(&droplet));
    assert_eq!(assigned.status, 200, "{}", assigned.text());
    let started = world.json("POST", &format!("/v3/apps/{app}/actions/start"), &json!({}));
    assert_eq!(started.status, 200, "{}", started.text());
    let package = json!({"type": "bits", "relationships": of_app});
    let package = made(world, "/v3/packages", &package);
    let deployment = made(world, "/v3/deployments", &json!({"relationships": of_app}));
    let task = format!("/v3/apps/{app}/tasks");
    let task = made(world, &task, &json!({"command": "true"}));
    let domain = made(world, "/v3/domains", &json!({"name": "shop.windlass.test"}));
    let route = json!({"host": "h", "relationships": {"space": to(&space), "domain": to(&domain)}});
    let route = made(world, "/v3/routes", &route);
    let destinations = json!({"destinations": [{"app": {"guid": app}}]});
    let path = format!("/v3/routes/{route}/destinations");
    let destination = world.json("POST", &path, &destinations);
    let destination = destination.at("/destinations/0/guid");
    let sidecar = json!({"name": "proxy", "command": "./proxy", "process_types": ["web"]});
    let sidecar = made(world, &format!("/v3/apps/{app}/sidecars"), &sidecar);
    let process = world.get(&format!("/v3/apps/{app}/processes/web"));
    let mut service = of_space("db");
    service["type"] = "user-provided".into();
    let service = made(world, "/v3/service_instances", &service);
    let near = made(world, "/v3/apps", &of_space("near"));
    let binding = json!({"type": "app", "relationships": {
        "app": to(&near), "service_instance": to(&service)}});
    let binding = made(world, "/v3/service_credential_bindings", &binding);
    let revision = first(world, &format!("/v3/apps/{app}/revisions"));
    BTreeMap::from([
        ("organization", organization),
        ("space", space),
        ("user", user),
        ("quota", quota),
        ("app", app),
        ("droplet", droplet),
        ("package", package),
        ("deployment", deployment),
        ("task", task),
        ("domain", domain),
        ("route", route),
        ("destination", destination),
        ("sidecar", sidecar),
        ("process", process.at("/guid")),
        ("service", service),
        ("near", near),
        ("binding", binding),
        ("revision", revision),
    ])
}

/// A form with a file.
fn form(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BORDER}\r\nContent-Disposition: form-data; name=\"bits\"; filename=\"{name}\"\r\n\r\n"
    );
    [
        head.as_bytes(),
        content,
        format!("\r\n--{BORDER}--\r\n").as_bytes(),
    ]
    .concat()
}

/// A droplet with one file.
fn archive() -> Vec<u8> {
    let gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    let content = b"#!/bin/sh\n";
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    header.set_cksum();
    tar.append_data(&mut header, "app/serve", content.as_slice())
        .expect("packs");
    tar.into_inner().and_then(GzEncoder::finish).expect("packs")
}

/// Whether a document is a refusal of this API, or of its token endpoint.
pub(super) fn is_refusal(document: &Value) -> bool {
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match document["errors"].as_array() {
        Some(errors) => {
            !errors.is_empty()
                && errors.iter().all(|error| {
                    error["code"].is_u64() && is_text(&error["title"]) && is_text(&error["detail"])
                })
        }
        None => is_text(&document["error"]) && is_text(&document["error_description"]),
    }
}
