//! The endpoints of what lies in spaces: apps, deployments, tasks, source, routes, services, logs.

use super::line::{Form, Line, Needs};

const fn line(needs: Needs, call: &'static str, at: &'static str) -> Line {
    Line::of(needs, call, at)
}

use Needs::{Operate, Secrets, See, Token, Variables, Write};

const METADATA: &str = r#"{"metadata": {"labels": {"a": "b<n>"}}}"#;
const ENABLED: &str = r#"{"enabled": true}"#;
const DROPLET: &str = r#"{"data": {"guid": "<droplet>"}}"#;
const DESTINATIONS: &str = r#"{"destinations": [{"app": {"guid": "<app>"}}]}"#;

/// Apps and their processes.
#[rustfmt::skip]
pub(crate) const APPS: &[Line] = &[
    line(Token, "GET /v3/apps", "/v3/apps?include=space.organization"),
    line(Token, "GET /v3/apps", "/v3/apps?guids=<app>").missing("app", 200),
    line(Write, "POST /v3/apps", "/v3/apps").good(201).unseen(422)
        .body(r#"{"name": "a<n>", "relationships": {"space": {"data": {"guid": "<space>"}}}}"#),
    line(See, "GET /v3/apps/{guid}", "/v3/apps/<app>?include=space.organization"),
    line(Write, "PATCH /v3/apps/{guid}", "/v3/apps/<app>").body(METADATA),
    line(Write, "DELETE /v3/apps/{guid}", "/v3/apps/<app>").good(202).spends(),
    line(See, "GET /v3/apps/{guid}/permissions", "/v3/apps/<app>/permissions"),
    line(See, "GET /v3/apps/{guid}/ssh_enabled", "/v3/apps/<app>/ssh_enabled"),
    line(Variables, "GET /v3/apps/{guid}/env", "/v3/apps/<app>/env"),
    line(Variables, "GET /v3/apps/{guid}/environment_variables", "/v3/apps/<app>/environment_variables"),
    line(Operate, "PATCH /v3/apps/{guid}/environment_variables", "/v3/apps/<app>/environment_variables")
        .body(r#"{"var": {"A": "b"}}"#),
    line(See, "GET /v3/apps/{guid}/features", "/v3/apps/<app>/features"),
    line(See, "GET /v3/apps/{guid}/features/{name}", "/v3/apps/<app>/features/ssh"),
    line(Write, "PATCH /v3/apps/{guid}/features/{name}", "/v3/apps/<app>/features/ssh").body(ENABLED),
    line(Operate, "PATCH /v3/apps/{guid}/features/{name}", "/v3/apps/<app>/features/revisions").body(ENABLED),
    line(See, "GET /v3/apps/{guid}/droplets/current", "/v3/apps/<app>/droplets/current"),
    line(See, "GET /v3/apps/{guid}/relationships/current_droplet", "/v3/apps/<app>/relationships/current_droplet"),
    line(Operate, "PATCH /v3/apps/{guid}/relationships/current_droplet",
        "/v3/apps/<app>/relationships/current_droplet").body(DROPLET).missing("droplet", 422),
    line(Secrets, "GET /v3/apps/{guid}/manifest", "/v3/apps/<app>/manifest"),
    line(Write, "POST /v3/spaces/{guid}/actions/apply_manifest", "/v3/spaces/<space>/actions/apply_manifest")
        .good(202).form(Form::Yaml).body("applications: [{name: m<n>}]"),
    line(Write, "POST /v3/spaces/{guid}/manifest_diff", "/v3/spaces/<space>/manifest_diff")
        .good(201).form(Form::Yaml).body("applications: [{name: m<n>}]"),
    line(Operate, "POST /v3/apps/{guid}/actions/start", "/v3/apps/<app>/actions/start"),
    line(Operate, "POST /v3/apps/{guid}/actions/restart", "/v3/apps/<app>/actions/restart"),
    line(Operate, "POST /v3/apps/{guid}/actions/stop", "/v3/apps/<app>/actions/stop").spends(),
    line(Operate, "POST /v3/apps/{guid}/actions/clear_buildpack_cache", "/v3/apps/<app>/actions/clear_buildpack_cache")
        .good(202),

    line(Token, "GET /v3/processes", "/v3/processes"),
    line(Token, "GET /v3/processes", "/v3/processes?app_guids=<app>").missing("app", 200),
    line(See, "GET /v3/apps/{guid}/processes", "/v3/apps/<app>/processes"),
    line(See, "GET /v3/processes/{guid}", "/v3/processes/<process>"),
    line(See, "GET /v3/apps/{guid}/processes/{type}", "/v3/apps/<app>/processes/web"),
    line(Operate, "PATCH /v3/processes/{guid}", "/v3/processes/<process>").body(METADATA),
    line(Operate, "PATCH /v3/apps/{guid}/processes/{type}", "/v3/apps/<app>/processes/web").body(METADATA),
    line(Operate, "POST /v3/processes/{guid}/actions/scale", "/v3/processes/<process>/actions/scale")
        .good(202).body(r#"{"instances": 1}"#),
    line(Operate, "POST /v3/apps/{guid}/processes/{type}/actions/scale", "/v3/apps/<app>/processes/web/actions/scale")
        .good(202).body(r#"{"instances": 1}"#),
    line(See, "GET /v3/processes/{guid}/stats", "/v3/processes/<process>/stats"),
    line(See, "GET /v3/apps/{guid}/processes/{type}/stats", "/v3/apps/<app>/processes/web/stats"),
    line(See, "GET /v3/processes/{guid}/process_instances", "/v3/processes/<process>/process_instances"),
    line(See, "GET /v3/apps/{guid}/processes/{type}/process_instances",
        "/v3/apps/<app>/processes/web/process_instances"),
    line(Operate, "DELETE /v3/processes/{guid}/instances/{index}", "/v3/processes/<process>/instances/0").good(204),
    line(Operate, "DELETE /v3/apps/{guid}/processes/{type}/instances/{index}",
        "/v3/apps/<app>/processes/web/instances/0").good(204),
    line(See, "GET /v3/apps/{guid}/sidecars", "/v3/apps/<app>/sidecars"),
    line(See, "GET /v3/processes/{guid}/sidecars", "/v3/processes/<process>/sidecars"),
    line(Write, "POST /v3/apps/{guid}/sidecars", "/v3/apps/<app>/sidecars").good(201)
        .body(r#"{"name": "s<n>", "command": "./s", "process_types": ["web"]}"#),
    line(See, "GET /v3/sidecars/{guid}", "/v3/sidecars/<sidecar>"),
    line(Write, "PATCH /v3/sidecars/{guid}", "/v3/sidecars/<sidecar>").body(r#"{"command": "./t"}"#),
    line(Write, "DELETE /v3/sidecars/{guid}", "/v3/sidecars/<sidecar>").good(204).spends(),

    line(See, "GET /api/v1/read/{source_id}", "/api/v1/read/<app>"),
    line(See, "GET /v1/read/{source_id}", "/v1/read/<app>"),
];

/// Deployments, revisions, tasks.
#[rustfmt::skip]
pub(crate) const DEPLOYMENTS: &[Line] = &[
    line(Token, "GET /v3/deployments", "/v3/deployments"),
    line(Token, "GET /v3/deployments", "/v3/deployments?app_guids=<app>").missing("app", 200),
    line(Operate, "POST /v3/deployments", "/v3/deployments").good(201).unseen(422).denied(422).spends()
        .body(r#"{"relationships": {"app": {"data": {"guid": "<app>"}}}, "droplet": {"guid": "<droplet>"}}"#),
    line(Operate, "POST /v3/deployments", "/v3/deployments").good(201).unseen(422).denied(422).spends()
        .body(r#"{"relationships": {"app": {"data": {"guid": "<app>"}}}, "revision": {"guid": "<revision>"}}"#),
    line(See, "GET /v3/deployments/{guid}", "/v3/deployments/<canary>"),
    line(Write, "PATCH /v3/deployments/{guid}", "/v3/deployments/<canary>").body(METADATA),
    // Who may not is told that there is none, also when they see it.
    line(Operate, "POST /v3/deployments/{guid}/actions/cancel", "/v3/deployments/<canary>/actions/cancel")
        .denied(404).spends(),
    line(Operate, "POST /v3/deployments/{guid}/actions/continue", "/v3/deployments/<canary>/actions/continue")
        .denied(404).spends(),

    line(See, "GET /v3/apps/{guid}/revisions", "/v3/apps/<app>/revisions"),
    line(See, "GET /v3/apps/{guid}/revisions/deployed", "/v3/apps/<app>/revisions/deployed"),
    line(See, "GET /v3/revisions/{guid}", "/v3/revisions/<revision>"),
    line(Write, "PATCH /v3/revisions/{guid}", "/v3/revisions/<revision>").body(METADATA),
    line(Secrets, "GET /v3/revisions/{guid}/environment_variables", "/v3/revisions/<revision>/environment_variables"),

    line(Token, "GET /v3/tasks", "/v3/tasks"),
    line(Token, "GET /v3/tasks", "/v3/tasks?app_guids=<app>").missing("app", 200),
    line(See, "GET /v3/apps/{guid}/tasks", "/v3/apps/<app>/tasks"),
    line(Write, "POST /v3/apps/{guid}/tasks", "/v3/apps/<app>/tasks").good(202)
        .body(r#"{"command": "true", "droplet_guid": "<droplet>"}"#),
    line(Write, "POST /v3/apps/{guid}/tasks", "/v3/apps/<app>/tasks").good(202)
        .body(r#"{"command": "true", "template": {"process": {"guid": "<process>"}}}"#),
    line(See, "GET /v3/tasks/{guid}", "/v3/tasks/<task>"),
    line(Write, "PATCH /v3/tasks/{guid}", "/v3/tasks/<task>").body(METADATA),
    line(Operate, "POST /v3/tasks/{guid}/actions/cancel", "/v3/tasks/<task>/actions/cancel").good(202).spends(),
    line(Operate, "PUT /v3/tasks/{guid}/cancel", "/v3/tasks/<task>/cancel").good(202).spends(),
];

/// Packages, builds, droplets.
#[rustfmt::skip]
pub(crate) const SOURCE: &[Line] = &[
    line(Token, "GET /v3/packages", "/v3/packages"),
    line(Token, "GET /v3/packages", "/v3/packages?app_guids=<app>").missing("app", 200),
    line(See, "GET /v3/apps/{guid}/packages", "/v3/apps/<app>/packages"),
    line(Write, "POST /v3/packages", "/v3/packages").good(201).unseen(422)
        .body(r#"{"type": "bits", "relationships": {"app": {"data": {"guid": "<app>"}}}}"#),
    line(Write, "POST /v3/packages", "/v3/packages?source_guid=<package>").good(201).unseen(422)
        .body(r#"{"relationships": {"app": {"data": {"guid": "<app>"}}}}"#),
    line(See, "GET /v3/packages/{guid}", "/v3/packages/<package>"),
    line(Write, "PATCH /v3/packages/{guid}", "/v3/packages/<package>").body(METADATA),
    line(Write, "DELETE /v3/packages/{guid}", "/v3/packages/<loose_package>").good(202).spends(),
    // It has its bits already: said to those who may upload some.
    line(Write, "POST /v3/packages/{guid}/upload", "/v3/packages/<package>/upload").good(400)
        .form(Form::Upload).body("bits"),
    line(Secrets, "GET /v3/packages/{guid}/download", "/v3/packages/<package>/download"),
    line(See, "GET /v3/packages/{guid}/droplets", "/v3/packages/<package>/droplets"),
    line(Token, "POST /v3/resource_matches", "/v3/resource_matches").good(201).body(r#"{"resources": [{
        "checksum": {"value": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}, "size_in_bytes": 1}]}"#),

    line(Token, "GET /v3/builds", "/v3/builds"),
    line(Token, "GET /v3/builds", "/v3/builds?app_guids=<app>").missing("app", 200),
    line(See, "GET /v3/apps/{guid}/builds", "/v3/apps/<app>/builds"),
    line(Operate, "POST /v3/builds", "/v3/builds").good(201).unseen(422).denied(422).spends()
        .body(r#"{"package": {"guid": "<package>"}}"#),
    line(See, "GET /v3/builds/{guid}", "/v3/builds/<build>"),
    line(Write, "PATCH /v3/builds/{guid}", "/v3/builds/<build>").body(METADATA),

    line(Token, "GET /v3/droplets", "/v3/droplets"),
    line(Token, "GET /v3/droplets", "/v3/droplets?app_guids=<app>").missing("app", 200),
    line(See, "GET /v3/apps/{guid}/droplets", "/v3/apps/<app>/droplets"),
    line(Write, "POST /v3/droplets", "/v3/droplets").good(201).unseen(422)
        .body(r#"{"relationships": {"app": {"data": {"guid": "<app>"}}}, "process_types": {"web": "x"}}"#),
    line(Write, "POST /v3/droplets", "/v3/droplets?source_guid=<droplet>").good(201)
        .body(r#"{"relationships": {"app": {"data": {"guid": "<app>"}}}}"#),
    line(See, "GET /v3/droplets/{guid}", "/v3/droplets/<droplet>"),
    line(Write, "PATCH /v3/droplets/{guid}", "/v3/droplets/<droplet>").body(METADATA),
    line(Write, "DELETE /v3/droplets/{guid}", "/v3/droplets/<other_droplet>").good(202).spends(),
    line(Write, "POST /v3/droplets/{guid}/upload", "/v3/droplets/<droplet>/upload").good(422)
        .form(Form::Upload).body("bits"),
    line(Secrets, "GET /v3/droplets/{guid}/download", "/v3/droplets/<droplet>/download"),
];

/// Routes, services.
#[rustfmt::skip]
pub(crate) const ROUTES: &[Line] = &[
    line(Token, "GET /v3/routes", "/v3/routes?include=domain,space,space.organization"),
    line(Token, "GET /v3/routes", "/v3/routes?space_guids=<space>").missing("space", 200),
    line(See, "GET /v3/apps/{guid}/routes", "/v3/apps/<app>/routes"),
    line(Operate, "POST /v3/routes", "/v3/routes").good(201).unseen(422)
        .body(r#"{"host": "h<n>", "relationships": {
            "space": {"data": {"guid": "<space>"}}, "domain": {"data": {"guid": "<domain>"}}}}"#),
    line(See, "GET /v3/routes/{guid}", "/v3/routes/<route>?include=domain,space,space.organization"),
    line(Operate, "PATCH /v3/routes/{guid}", "/v3/routes/<route>").body(METADATA),
    line(Operate, "DELETE /v3/routes/{guid}", "/v3/routes/<route>").good(202).spends(),
    line(Operate, "DELETE /v3/spaces/{guid}/routes", "/v3/spaces/<space>/routes?unmapped=true").good(202).spends(),
    line(See, "GET /v3/routes/{guid}/relationships/shared_spaces", "/v3/routes/<route>/relationships/shared_spaces"),
    line(See, "POST /v3/routes/{guid}/relationships/shared_spaces",
        "/v3/routes/<route>/relationships/shared_spaces").good(403),
    line(See, "DELETE /v3/routes/{guid}/relationships/shared_spaces/{space}",
        "/v3/routes/<route>/relationships/shared_spaces/nothing").good(403),
    line(See, "PATCH /v3/routes/{guid}/relationships/space", "/v3/routes/<route>/relationships/space").good(403),
    line(See, "GET /v3/routes/{guid}/destinations", "/v3/routes/<route>/destinations"),
    line(Operate, "POST /v3/routes/{guid}/destinations", "/v3/routes/<route>/destinations")
        .body(DESTINATIONS).missing("app", 422),
    line(Operate, "PATCH /v3/routes/{guid}/destinations", "/v3/routes/<route>/destinations")
        .body(DESTINATIONS).missing("app", 422).spends(),
    line(Operate, "PATCH /v3/routes/{guid}/destinations/{destination}",
        "/v3/routes/<route>/destinations/<destination>").body(r#"{"protocol": "http1"}"#)
        .missing("destination", 422),
    line(Operate, "DELETE /v3/routes/{guid}/destinations/{destination}",
        "/v3/routes/<route>/destinations/<destination>").good(204).missing("destination", 422).spends(),

    line(Token, "GET /v3/service_offerings", "/v3/service_offerings"),
    line(Token, "GET /v3/service_plans", "/v3/service_plans"),
    line(Token, "GET /v3/service_brokers", "/v3/service_brokers"),
    line(Token, "GET /v3/service_route_bindings", "/v3/service_route_bindings"),
    line(Token, "GET /v3/service_instances", "/v3/service_instances"),
    line(Token, "GET /v3/service_instances", "/v3/service_instances?space_guids=<space>").missing("space", 200),
    line(Write, "POST /v3/service_instances", "/v3/service_instances").good(201).unseen(422)
        .body(r#"{"type": "user-provided", "name": "s<n>", "relationships": {"space": {"data": {"guid": "<space>"}}}}"#),
    line(See, "GET /v3/service_instances/{guid}", "/v3/service_instances/<service>"),
    line(Write, "PATCH /v3/service_instances/{guid}", "/v3/service_instances/<service>").body(METADATA),
    line(Write, "DELETE /v3/service_instances/{guid}", "/v3/service_instances/<loose_service>").good(204).spends(),
    line(Secrets, "GET /v3/service_instances/{guid}/credentials", "/v3/service_instances/<service>/credentials"),
    line(See, "POST /v3/service_instances/{guid}/relationships/shared_spaces",
        "/v3/service_instances/<service>/relationships/shared_spaces").good(422),
    line(See, "GET /v3/service_instances/{guid}/relationships/shared_spaces",
        "/v3/service_instances/<service>/relationships/shared_spaces"),
    line(Token, "GET /v3/service_credential_bindings", "/v3/service_credential_bindings?include=app,service_instance"),
    line(Token, "GET /v3/service_credential_bindings", "/v3/service_credential_bindings?app_guids=<app>")
        .missing("app", 200),
    line(Write, "POST /v3/service_credential_bindings", "/v3/service_credential_bindings").good(201).unseen(422).spends()
        .body(r#"{"type": "app", "relationships": {
            "app": {"data": {"guid": "<app>"}}, "service_instance": {"data": {"guid": "<loose_service>"}}}}"#),
    line(See, "GET /v3/service_credential_bindings/{guid}", "/v3/service_credential_bindings/<binding>"),
    line(Secrets, "GET /v3/service_credential_bindings/{guid}/details",
        "/v3/service_credential_bindings/<binding>/details"),
    line(Write, "PATCH /v3/service_credential_bindings/{guid}", "/v3/service_credential_bindings/<binding>")
        .body(METADATA),
    line(Write, "DELETE /v3/service_credential_bindings/{guid}", "/v3/service_credential_bindings/<binding>")
        .good(204).spends(),
];
