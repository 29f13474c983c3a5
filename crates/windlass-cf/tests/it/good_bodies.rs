//! A good body for every endpoint that reads one.

use serde_json::{Value, json};
use windlass_wire::endpoints::Endpoint;

use crate::subjects::Subjects;

/// Endpoints with a method that may carry a body, which read none.
pub(crate) const WITHOUT_BODY: [&str; 19] = [
    "/v3/apps/{guid}/actions/clear_buildpack_cache",
    "/v3/apps/{guid}/actions/restart",
    "/v3/apps/{guid}/actions/start",
    "/v3/apps/{guid}/actions/stop",
    "/v3/buildpacks/{guid}/upload",
    "/v3/deployments/{guid}/actions/cancel",
    "/v3/deployments/{guid}/actions/continue",
    "/v3/isolation_segments",
    "/v3/routes/{guid}/relationships/shared_spaces",
    "/v3/routes/{guid}/relationships/space",
    "/v3/security_groups",
    "/v3/service_brokers",
    "/v3/service_instances/{guid}/relationships/shared_spaces",
    "/v3/service_route_bindings",
    "/v3/space_quotas",
    "/v3/stacks",
    "/v3/stacks/{guid}",
    "/v3/tasks/{guid}/actions/cancel",
    "/v3/tasks/{guid}/cancel",
];

/// Endpoints whose bodies are no JSON: they have tests of their own.
pub(crate) const OTHER_FORMS: [&str; 6] = [
    "/check_token",
    "/oauth/token",
    "/v3/droplets/{guid}/upload",
    "/v3/packages/{guid}/upload",
    "/v3/spaces/{guid}/actions/apply_manifest",
    "/v3/spaces/{guid}/manifest_diff",
];

fn metadata() -> Value {
    json!({"labels": {"a": "b"}, "annotations": {"a": "b"}})
}

/// The body; `None` = the table does not know the endpoint.
pub(crate) fn good_body(endpoint: &Endpoint, subjects: &Subjects) -> Option<Value> {
    let app = json!({"app": {"data": {"guid": subjects.app}}});
    let call = format!("{} {}", endpoint.method, endpoint.path);
    Some(match call.as_str() {
        "POST /Users" => json!({
            "userName": "u", "password": "p", "origin": "uaa", "name": {"familyName": "f"},
            "emails": [{"value": "u", "primary": true}]
        }),
        "PUT /Users/{id}/password" => json!({"password": "p", "oldPassword": "o"}),
        "POST /v3/apps" => json!({
            "name": "a", "relationships": {"space": subjects.to(&subjects.space)},
            "environment_variables": {"A": "b"},
            "lifecycle": {"type": "buildpack", "data": {
                "buildpacks": ["binary_buildpack"], "stack": "cflinuxfs4"
            }},
            "metadata": metadata()
        }),
        "PATCH /v3/apps/{guid}" => json!({
            "name": "shop", "lifecycle": {"type": "buildpack", "data": {"buildpacks": []}},
            "metadata": metadata()
        }),
        "PATCH /v3/apps/{guid}/environment_variables"
        | "PATCH /v3/environment_variable_groups/{name}" => json!({"var": {"A": "b"}}),
        "PATCH /v3/apps/{guid}/features/{name}" | "PATCH /v3/spaces/{guid}/features/{name}" => {
            json!({"enabled": true})
        }
        "PATCH /v3/apps/{guid}/processes/{type}" | "PATCH /v3/processes/{guid}" => json!({
            "command": "x", "user": "vcap", "metadata": metadata(),
            "health_check": {"type": "http", "data": {"endpoint": "/", "timeout": 1}},
            "readiness_health_check": {"type": "process", "data": {"interval": 1}}
        }),
        "POST /v3/apps/{guid}/processes/{type}/actions/scale"
        | "POST /v3/processes/{guid}/actions/scale" => json!({
            "instances": 1, "memory_in_mb": 64, "disk_in_mb": 64,
            "log_rate_limit_in_bytes_per_second": 1
        }),
        "PATCH /v3/apps/{guid}/relationships/current_droplet" => {
            json!({"data": {"guid": subjects.droplet}})
        }
        "PATCH /v3/organizations/{guid}/relationships/default_isolation_segment"
        | "PATCH /v3/spaces/{guid}/relationships/isolation_segment" => {
            json!({"data": {"guid": "none"}})
        }
        "POST /v3/apps/{guid}/sidecars" => json!({
            "name": "s", "command": "c", "process_types": ["web"], "memory_in_mb": 1
        }),
        "PATCH /v3/sidecars/{guid}" => {
            json!({"name": "t", "command": "c", "process_types": ["web"], "memory_in_mb": 1})
        }
        "POST /v3/apps/{guid}/tasks" => json!({
            "command": "true", "name": "n",
            "template": {"process": {"guid": subjects.named(&subjects.process)}},
            "droplet_guid": subjects.named(&subjects.droplet), "memory_in_mb": 1, "disk_in_mb": 1, "user": "vcap",
            "log_rate_limit_in_bytes_per_second": 1, "metadata": metadata()
        }),
        "POST /v3/buildpacks" | "PATCH /v3/buildpacks/{guid}" => {
            json!({"name": "b", "stack": "s", "position": 1, "enabled": true, "locked": false})
        }
        "POST /v3/builds" => json!({
            "package": {"guid": subjects.named(&subjects.package)}, "staging_memory_in_mb": 1, "staging_disk_in_mb": 1,
            "staging_log_rate_limit_bytes_per_second": 1, "metadata": metadata(),
            "lifecycle": {"type": "buildpack", "data": {}}
        }),
        "PATCH /v3/builds/{guid}"
        | "PATCH /v3/deployments/{guid}"
        | "PATCH /v3/domains/{guid}"
        | "PATCH /v3/packages/{guid}"
        | "PATCH /v3/revisions/{guid}"
        | "PATCH /v3/service_credential_bindings/{guid}"
        | "PATCH /v3/tasks/{guid}"
        | "PATCH /v3/users/{guid}" => json!({"metadata": metadata()}),
        "POST /v3/deployments" => json!({
            "relationships": app, "strategy": "canary",
            "droplet": {"guid": subjects.named(&subjects.droplet)},
            "options": {
                "max_in_flight": 1, "web_instances": 1, "memory_in_mb": 1, "disk_in_mb": 1,
                "log_rate_limit_in_bytes_per_second": 1,
                "canary": {"steps": [{"instance_weight": 1}]}
            },
            "metadata": metadata()
        }),
        "POST /v3/domains" => json!({
            "name": "x.windlass.test", "internal": false,
            "relationships": {
                "organization": subjects.to(&subjects.organization),
                "shared_organizations": {"data": []}
            },
            "metadata": metadata()
        }),
        "POST /v3/domains/{guid}/relationships/shared_organizations"
        | "POST /v3/organization_quotas/{guid}/relationships/organizations" => {
            json!({"data": [{"guid": "none"}]})
        }
        "POST /v3/droplets" => {
            json!({"relationships": app, "process_types": {"web": "x"}})
        }
        "PATCH /v3/droplets/{guid}" => {
            json!({"metadata": metadata(), "image": "x"})
        }
        "PATCH /v3/feature_flags/{name}" => {
            json!({"enabled": true, "custom_error_message": "x"})
        }
        "POST /v3/organization_quotas" | "PATCH /v3/organization_quotas/{guid}" => json!({
            "name": "q", "apps": {"total_memory_in_mb": 1}, "routes": {"total_routes": 1},
            "relationships": {"organizations": {"data": [{"guid": "none"}]}}
        }),
        "POST /v3/organizations" | "PATCH /v3/organizations/{guid}" => {
            json!({"name": "one", "suspended": false, "metadata": metadata()})
        }
        "POST /v3/packages" => json!({
            "type": "bits", "relationships": {"app": subjects.to(&subjects.app)}, "data": {},
            "metadata": metadata()
        }),
        "POST /v3/resource_matches" => json!({
            "resources": [{
                "path": "a", "mode": "644", "size_in_bytes": 1,
                "checksum": {"value": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}
            }]
        }),
        "POST /v3/roles" => json!({
            "type": "organization_user",
            "relationships": {
                "user": {"data": {"guid": subjects.named(&subjects.user)}},
                "organization": subjects.to(&subjects.organization)
            }
        }),
        "POST /v3/routes" => json!({
            "host": "h", "path": "/p", "options": {"loadbalancing": "round-robin"},
            "relationships": {
                "space": subjects.to(&subjects.space), "domain": subjects.to(&subjects.domain)
            },
            "metadata": metadata()
        }),
        "PATCH /v3/routes/{guid}" => {
            json!({"options": {"loadbalancing": "round-robin"}, "metadata": metadata()})
        }
        "POST /v3/routes/{guid}/destinations" | "PATCH /v3/routes/{guid}/destinations" => json!({
            "destinations": [{
                "app": {"guid": subjects.app, "process": {"type": "web"}},
                "weight": null, "port": 8080, "protocol": "http1"
            }]
        }),
        "PATCH /v3/routes/{guid}/destinations/{destination}" => json!({"protocol": "http1"}),
        "POST /v3/service_credential_bindings" => json!({
            "type": "app", "name": "b", "metadata": metadata(),
            "relationships": {
                "app": subjects.to(&subjects.app),
                "service_instance": subjects.to(&subjects.service)
            }
        }),
        "POST /v3/service_instances" => json!({
            "type": "user-provided", "name": "s", "credentials": {"a": {"b": [1]}},
            "tags": ["t"], "syslog_drain_url": null, "route_service_url": null,
            "relationships": {"space": subjects.to(&subjects.space)}, "metadata": metadata()
        }),
        "PATCH /v3/service_instances/{guid}" => json!({
            "name": "db", "credentials": {"a": {"b": [1]}}, "tags": ["t"], "metadata": metadata()
        }),
        "POST /v3/spaces" => json!({
            "name": "s", "relationships": {"organization": subjects.to(&subjects.organization)},
            "metadata": metadata()
        }),
        "PATCH /v3/spaces/{guid}" => json!({"name": "one-space", "metadata": metadata()}),
        "POST /v3/users" => {
            json!({"username": "v", "origin": "uaa", "metadata": metadata()})
        }
        _ => return None,
    })
}
