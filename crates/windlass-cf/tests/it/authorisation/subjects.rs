//! What a tenant has, one of each; and what nobody has.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::source::zip_file;
use crate::world::World;

/// Guids by the words of the table.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    pub(crate) ids: BTreeMap<&'static str, String>,
}

/// Words for what an app has, which no other app may take for its own.
pub(crate) const OF_APP: [&str; 4] = ["droplet", "process", "revision", "destination"];

async fn make(world: &World, path: &str, body: Value) -> String {
    let made = world.post("admin", path, &body).await;
    assert!(made.status < 300, "{path}: {:?}", made.body);
    made.guid()
}

fn to(guid: &str) -> Value {
    json!({"data": {"guid": guid}})
}

impl Subjects {
    /// Makes an organization of this name with one of each.
    pub(crate) async fn make(world: &World, name: &str) -> Self {
        let (org, space) = world.tenant(name).await;
        let guest = format!("{name}-guest");
        world.person(&guest).await;
        world.join(&guest, &org, &space, &["space_developer"]).await;
        let first = async |path: String| {
            let found = world.get("admin", &path).await;
            let mut guids = found.column("guid");
            assert!(!guids.is_empty(), "{path}: {:?}", found.body);
            guids.remove(0)
        };
        let domain = json!({
            "name": format!("{name}.windlass.test"), "relationships": {"organization": to(&org)},
        });
        let domain = make(world, "/v3/domains", domain).await;
        let mut ids = Self::of_app(world, &space, &domain, "shop").await;
        let app = ids["app"].clone();
        let of_app = json!({"app": to(&app)});
        let types = json!({"web": "./other"});
        let other_droplet = world.droplet("admin", &app, &types).await;
        let package = json!({"type": "bits", "relationships": of_app});
        let loose_package = make(world, "/v3/packages", package.clone()).await;
        let package = make(world, "/v3/packages", package).await;
        let bits = zip_file(&[("run", "#!/bin/sh\n")]);
        let path = format!("/v3/packages/{package}/upload");
        let parts = [("bits", Some("package.zip"), bits)];
        let uploaded = world.upload("admin", &path, &parts).await;
        assert_eq!(uploaded.status, 200, "{:?}", uploaded.body);
        let build = json!({"package": {"guid": package}});
        let build = make(world, "/v3/builds", build).await;
        let task = format!("/v3/apps/{app}/tasks");
        let task = make(world, &task, json!({"command": "hidden"})).await;
        let sidecar = json!({"name": "proxy", "command": "./proxy", "process_types": ["web"]});
        let sidecar = make(world, &format!("/v3/apps/{app}/sidecars"), sidecar).await;
        let service = async |name: &str| {
            let relationships = json!({"space": to(&space)});
            let body = json!({
                "type": "user-provided", "name": name, "relationships": relationships
            });
            make(world, "/v3/service_instances", body).await
        };
        let (service, loose_service) = (service("db").await, service("cache").await);
        // Another app is in the middle of a deployment.
        let (rolling, droplet) = world.running_app("admin", &space, "rolling", 1).await;
        let canary = json!({"strategy": "canary", "droplet": {"guid": droplet}});
        let canary = world.deploy("admin", &rolling, &canary).await.guid();
        world.until_status("admin", &canary, "ACTIVE/PAUSED").await;
        let binding = json!({
            "type": "app",
            "relationships": {"app": to(&rolling), "service_instance": to(&service)},
        });
        let binding = make(world, "/v3/service_credential_bindings", binding).await;
        let shown = world
            .get("admin", &format!("/v3/organizations/{org}"))
            .await
            .body;
        let quota = &shown["relationships"]["quota"]["data"]["guid"];
        ids.extend([
            ("user", first(format!("/v3/users?usernames={guest}")).await),
            (
                "role",
                first(format!("/v3/roles?space_guids={space}")).await,
            ),
            (
                "event",
                first(format!("/v3/audit_events?space_guids={space}")).await,
            ),
            ("quota", quota.as_str().expect("a quota").to_owned()),
            ("org", org),
            ("space", space),
            ("domain", domain),
            ("other_droplet", other_droplet),
            ("package", package),
            ("loose_package", loose_package),
            ("build", build),
            ("task", task),
            ("sidecar", sidecar),
            ("service", service),
            ("loose_service", loose_service),
            ("canary", canary),
            ("binding", binding),
        ]);
        Self { ids }
    }

    /// An app that has been deployed, with a route.
    pub(crate) async fn of_app(
        world: &World,
        space: &str,
        domain: &str,
        name: &str,
    ) -> BTreeMap<&'static str, String> {
        let (app, droplet) = world.running_app("admin", space, name, 1).await;
        let deployment = world.deploy("admin", &app, &json!({})).await.guid();
        world
            .until_status("admin", &deployment, "FINALIZED/DEPLOYED")
            .await;
        let revisions = world
            .get("admin", &format!("/v3/apps/{app}/revisions"))
            .await;
        let web = format!("/v3/apps/{app}/processes/web");
        let process = world.get("admin", &web).await.guid();
        let route = json!({
            "host": name, "relationships": {"space": to(space), "domain": to(domain)}
        });
        let route = make(world, "/v3/routes", route).await;
        let path = format!("/v3/routes/{route}/destinations");
        let body = json!({"destinations": [{"app": {"guid": app}}]});
        let added = world.post("admin", &path, &body).await.body;
        let destination = added["destinations"][0]["guid"].as_str();
        BTreeMap::from([
            ("destination", destination.expect("a guid").to_owned()),
            ("revision", revisions.column("guid").remove(0)),
            ("app", app),
            ("droplet", droplet),
            ("process", process),
            ("route", route),
        ])
    }

    /// What nobody has: the same words.
    pub(crate) fn unknown(like: &Self) -> Self {
        let names = like.ids.keys().enumerate();
        let ids = names.map(|(number, name)| {
            let guid = format!("00000000-0000-4000-8000-0000000000{number:02}");
            (*name, guid)
        });
        Self { ids: ids.collect() }
    }

    /// The same with another value for one.
    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.ids.insert(name, value.to_owned());
        changed
    }
}
