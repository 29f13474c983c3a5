//! One of each thing that a path can name, and the paths of all endpoints filled in with them.

use serde_json::{Value, json};
use windlass_engine::records::AdminScope;
use windlass_wire::endpoints::Endpoint;

use crate::shop::shown_status;
use crate::world::World;

/// Guids of things that exist.
pub(crate) struct Subjects {
    pub(crate) organization: String,
    pub(crate) space: String,
    pub(crate) app: String,
    pub(crate) droplet: String,
    pub(crate) package: String,
    pub(crate) deployment: String,
    pub(crate) task: String,
    pub(crate) revision: String,
    pub(crate) domain: String,
    pub(crate) route: String,
    pub(crate) destination: String,
    pub(crate) sidecar: String,
    pub(crate) user: String,
    pub(crate) quota: String,
    pub(crate) process: String,
    pub(crate) service: String,
    pub(crate) binding: String,
    /// Whether bodies name what exists. Otherwise nothing comes of the good ones.
    pub(crate) are_named: bool,
}

impl Subjects {
    /// Makes them all in a world.
    pub(crate) async fn make(world: &mut World) -> Self {
        let user = world.user("anna", AdminScope::None).await.id.to_string();
        let (organization, space) = world.tenant("one").await;
        let (app, droplet) = world.running_app("admin", &space, "shop", 1).await;
        let of_app = json!({"app": {"data": {"guid": app}}});
        let make = async |path: &str, body: Value| {
            let made = world.post("admin", path, &body).await;
            assert!(made.status < 300, "{path}: {:?}", made.body);
            made.guid()
        };
        let package = make(
            "/v3/packages",
            json!({"type": "bits", "relationships": of_app}),
        )
        .await;
        let deployment = world.deploy("admin", &app, &json!({})).await;
        assert_eq!(shown_status(&deployment.body), "ACTIVE/DEPLOYING");
        let deployment = deployment.guid();
        world
            .until_status("admin", &deployment, "FINALIZED/DEPLOYED")
            .await;
        let task = make(&format!("/v3/apps/{app}/tasks"), json!({"command": "true"})).await;
        let revisions = world
            .get("admin", &format!("/v3/apps/{app}/revisions"))
            .await;
        let domain = make("/v3/domains", json!({"name": "shop.windlass.test"})).await;
        let route = make(
            "/v3/routes",
            json!({"host": "h", "relationships": {
                "space": {"data": {"guid": space}}, "domain": {"data": {"guid": domain}}}}),
        )
        .await;
        let destinations = format!("/v3/routes/{route}/destinations");
        let body = json!({"destinations": [{"app": {"guid": app}}]});
        let added = world.post("admin", &destinations, &body).await.body;
        let destination = added["destinations"][0]["guid"].as_str().expect("a guid");
        let sidecar = make(
            &format!("/v3/apps/{app}/sidecars"),
            json!({"name": "proxy", "command": "./proxy", "process_types": ["web"]}),
        )
        .await;
        let web = world
            .get("admin", &format!("/v3/apps/{app}/processes/web"))
            .await;
        let service = make(
            "/v3/service_instances",
            json!({"type": "user-provided", "name": "db",
                   "relationships": {"space": {"data": {"guid": space}}}}),
        )
        .await;
        let near = world.app("admin", &space, "near").await;
        let binding = make(
            "/v3/service_credential_bindings",
            json!({"type": "app", "relationships": {
                "app": {"data": {"guid": near}},
                "service_instance": {"data": {"guid": service}}}}),
        )
        .await;
        let quotas = world.get("admin", "/v3/organization_quotas").await;
        Self {
            destination: destination.to_owned(),
            revision: revisions.column("guid").remove(0),
            quota: quotas.column("guid").remove(0),
            process: web.guid(),
            service,
            binding,
            are_named: false,
            organization,
            space,
            app,
            droplet,
            package,
            deployment,
            task,
            domain,
            route,
            sidecar,
            user,
        }
    }

    /// The guid in a body, if bodies name what exists.
    pub(crate) fn named<'a>(&self, guid: &'a str) -> &'a str {
        if self.are_named { guid } else { "none" }
    }

    /// The same as a relationship.
    pub(crate) fn to(&self, guid: &str) -> Value {
        json!({"data": {"guid": self.named(guid)}})
    }

    /// The path of an endpoint, with what exists in place of its parameters.
    pub(crate) fn path(&self, endpoint: &Endpoint) -> String {
        let mut parts: Vec<&str> = Vec::new();
        for part in endpoint.path.split('/') {
            let before = parts.last().copied().unwrap_or_default();
            parts.push(if part.starts_with('{') {
                self.value(before, part)
            } else {
                part
            });
        }
        parts.join("/")
    }

    /// What stands for a parameter behind a fixed part.
    fn value(&self, before: &str, parameter: &str) -> &str {
        match (before, parameter) {
            ("organizations" | "shared_organizations", _) => &self.organization,
            ("spaces", _) => &self.space,
            ("processes", "{type}") => "web",
            ("processes", _) => &self.process,
            ("service_instances", _) => &self.service,
            ("service_credential_bindings", _) => &self.binding,
            ("apps" | "read", _) => &self.app,
            ("droplets", _) => &self.droplet,
            ("packages", _) => &self.package,
            ("deployments", _) => &self.deployment,
            ("tasks", _) => &self.task,
            ("revisions", _) => &self.revision,
            ("domains", _) => &self.domain,
            ("routes", _) => &self.route,
            ("destinations", _) => &self.destination,
            ("sidecars", _) => &self.sidecar,
            ("users" | "Users", _) => &self.user,
            ("organization_quotas", _) => &self.quota,
            ("instances", _) => "0",
            ("features", _) => "ssh",
            ("feature_flags", _) => "task_creation",
            ("environment_variable_groups", _) => "running",
            _ => "none",
        }
    }
}
