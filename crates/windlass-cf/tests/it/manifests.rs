//! Manifests: what `cf push` sends first.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::world::{Answer, World};

impl World {
    pub(crate) async fn manifest(&self, user: &str, path: &str, yaml: &str) -> Answer {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("authorization", format!("bearer {}", self.token(user)))
            .header("content-type", "application/x-yaml")
            .body(Body::from(yaml.to_owned()))
            .expect("a request");
        self.send(request).await
    }

    /// Applies a manifest; its job must be complete at the first look.
    async fn apply(&self, user: &str, space: &str, yaml: &str) {
        let path = format!("/v3/spaces/{space}/actions/apply_manifest");
        let answer = self.manifest(user, &path, yaml).await;
        assert_eq!(answer.status, 202, "{:?}", answer.body);
        assert_eq!(
            self.get(user, &answer.job()).await.body["state"],
            "COMPLETE"
        );
    }

    async fn diff(&self, user: &str, space: &str, yaml: &str) -> Value {
        let path = format!("/v3/spaces/{space}/manifest_diff");
        let answer = self.manifest(user, &path, yaml).await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.body["diff"].clone()
    }

    async fn app_of(&self, user: &str, name: &str) -> Value {
        let found = self.get(user, &format!("/v3/apps?names={name}")).await;
        found.body["resources"][0].clone()
    }
}

const WHOLE: &str = "
version: 1
applications:
- name: shop
  path: /somewhere
  buildpacks: [binary_buildpack]
  env: {COLOUR: blue, COUNT: 3}
  instances: 3
  memory: 64M
  disk-quota: 1G
  timeout: 90
  health-check-type: http
  health-check-http-endpoint: /up
  processes:
  - type: worker
    instances: 2
    memory: 32M
    disk_quota: 64M
    command: ./work
  sidecars:
  - {name: proxy, command: ./proxy, process_types: [web], memory: 8M}
  routes:
  - route: shop.apps.windlass.test/api
  - route: other.apps.windlass.test
    options: {loadbalancing: least-connection}
  metadata:
    labels: {kind: test}
  features: {ssh: false}
- name: second
  default-route: true
";

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_makes_apps_with_all_they_have() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    world.apply("dev", &space, WHOLE).await;

    let shop = world.app_of("dev", "shop").await;
    assert_eq!(
        shop["lifecycle"]["data"]["buildpacks"],
        json!(["binary_buildpack"])
    );
    assert_eq!(shop["metadata"]["labels"], json!({"kind": "test"}));
    let guid = shop["guid"].as_str().expect("a guid");
    let read = async |path: &str| {
        world
            .get("dev", &format!("/v3/apps/{guid}/{path}"))
            .await
            .body
    };
    let web = read("processes/web").await;
    assert_eq!(
        (&web["instances"], &web["memory_in_mb"], &web["disk_in_mb"]),
        (&json!(3), &json!(64), &json!(1024))
    );
    assert_eq!(web["health_check"]["data"]["endpoint"], "/up");
    assert_eq!(web["health_check"]["data"]["timeout"], 90);
    let worker = read("processes/worker").await;
    assert_eq!(
        (&worker["instances"], &worker["command"]),
        (&json!(2), &json!("./work"))
    );
    assert_eq!(
        read("environment_variables").await["var"],
        json!({"COLOUR": "blue", "COUNT": "3"})
    );
    assert_eq!(read("features/ssh").await["enabled"], false);
    assert_eq!(read("sidecars").await["resources"][0]["memory_in_mb"], 8);
    let routes = world.get("dev", &format!("/v3/apps/{guid}/routes")).await;
    assert_eq!(
        routes.column("url"),
        ["shop.apps.windlass.test/api", "other.apps.windlass.test"]
    );
    let second = world.app_of("dev", "second").await["guid"].clone();
    let second = second.as_str().expect("a guid").to_owned();
    let routes = world.get("dev", &format!("/v3/apps/{second}/routes")).await;
    assert_eq!(routes.column("url"), ["second.apps.windlass.test"]);

    // Once more changes nothing, and says so.
    assert_eq!(world.diff("dev", &space, WHOLE).await, json!([]));
    let events = format!("/v3/audit_events?target_guids={guid}&per_page=5000");
    let mut known = world.get("dev", &events).await.column("type");
    world.apply("dev", &space, WHOLE).await;
    known.push("audit.app.apply_manifest".to_owned());
    assert_eq!(world.get("dev", &events).await.column("type"), known);
    let routes = world.get("dev", &format!("/v3/apps/{second}/routes")).await;
    assert_eq!(routes.column("url").len(), 1);

    // What is shown is a manifest that changes nothing.
    let shown = world.get("dev", &format!("/v3/apps/{guid}/manifest")).await;
    assert_eq!(shown.headers["content-type"], "application/x-yaml");
    let shown = shown.body.as_str().expect("text").to_owned();
    assert_eq!(
        world.diff("dev", &space, &shown).await,
        json!([]),
        "{shown}"
    );
    world.apply("dev", &space, &shown).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_are_taken_away_and_made_up() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    world
        .apply(
            "admin",
            &space,
            "applications: [{name: a, random-route: true}]",
        )
        .await;
    let app = world.app_of("admin", "a").await["guid"].clone();
    let path = format!("/v3/apps/{}/routes", app.as_str().expect("a guid"));
    let first = world.get("admin", &path).await.column("url");
    assert!(first[0].starts_with("a-") && first.len() == 1, "{first:?}");
    world
        .apply(
            "admin",
            &space,
            "applications: [{name: a, random-route: true}]",
        )
        .await;
    assert_eq!(world.get("admin", &path).await.column("url"), first);
    world
        .apply("admin", &space, "applications: [{name: a, no-route: true}]")
        .await;
    assert_eq!(world.get("admin", &path).await.body["resources"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_names_what_would_change() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let before = "applications: [{name: a, memory: 64M, env: {A: b}}]";
    let added = world.diff("admin", &space, before).await;
    assert_eq!(added[0]["op"], "add");
    world.apply("admin", &space, before).await;
    let after = "applications: [{name: a, memory: 1G, env: {A: c}}]";
    let changes = world.diff("admin", &space, after).await;
    let paths: Vec<&str> = changes
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|change| change["path"].as_str())
        .collect();
    assert_eq!(paths, ["/applications/0/memory", "/applications/0/env/A"]);
    assert_eq!(world.app_of("admin", "a").await["name"], "a");
}

/// A push during a canary sends the same manifest again.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_manifest_is_welcome_during_a_deployment() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 3).await;
    let deployment = world
        .deploy("admin", &app, &json!({"strategy": "canary"}))
        .await
        .guid();
    world
        .until_status("admin", &deployment, "ACTIVE/PAUSED")
        .await;
    let same = "applications: [{name: shop, memory: 1G}]";
    world.apply("admin", &space, same).await;
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    let other = "applications: [{name: shop, memory: 2G}]";
    let refused = world.manifest("admin", &path, other).await;
    assert_eq!(
        refused.error(),
        (
            422,
            10008,
            "For application 'shop': Cannot scale this process while a deployment is in flight."
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_manifests_are_refused_and_change_nothing() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("auditor", &org, &space, &["space_auditor"])
        .await;
    let (other_org, other) = world.tenant("two").await;
    world
        .member("stranger", &other_org, &other, &["space_developer"])
        .await;
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    for (yaml, status) in [
        ("a: b: c", 400),
        ("\u{0}", 400),
        ("[]", 422),
        ("applications: []", 422),
        ("applications: [{memory: 64M}]", 422),
        ("applications: [{name: a}, {name: b, memory: 64}]", 422),
        ("applications: [{name: a, instances: -1}, {name: a}]", 422),
        (
            "applications: [{name: a, routes: [{route: nowhere.example.test}]}]",
            422,
        ),
        ("applications: [{name: a, docker: {image: x}}]", 403),
        ("applications: [{name: a, buildpacks: [none]}]", 422),
        ("applications: [{name: a, services: [db]}]", 422),
        ("{version: 7, applications: [{name: a}]}", 422),
    ] {
        let answer = world.manifest("admin", &path, yaml).await;
        assert_eq!(answer.status, status, "{yaml}: {:?}", answer.body);
        assert!(answer.body["errors"][0]["detail"].is_string(), "{yaml}");
        let diff = path.replace("actions/apply_manifest", "manifest_diff");
        assert!(
            world.manifest("admin", &diff, yaml).await.status < 500,
            "{yaml}"
        );
    }
    let two = world
        .manifest(
            "admin",
            &path,
            "applications: [{name: a, memory: x}, {env: 5}]",
        )
        .await;
    let errors = two.body["errors"].as_array().expect("errors");
    assert!(errors.len() >= 3, "{errors:?}");
    let good = "applications: [{name: good}]";
    assert_eq!(world.manifest("auditor", &path, good).await.status, 403);
    assert_eq!(world.manifest("stranger", &path, good).await.status, 404);
    let json = world
        .post("admin", &path, &json!({"applications": []}))
        .await;
    assert_eq!(json.status, 400, "no YAML: {:?}", json.body);
    assert_eq!(world.app_of("admin", "good").await, Value::Null);
    assert_eq!(world.app_of("admin", "b").await, Value::Null);
    let large = format!(
        "applications: [{{name: a, path: {}}}]",
        "x".repeat(3_000_000)
    );
    assert_eq!(world.manifest("admin", &path, &large).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_routes_with_a_bad_one_none_is_mapped() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let yaml = "applications: [{name: a, routes: [\
                {route: good.apps.windlass.test}, {route: bad.nowhere.test}]}]";
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    let refused = world.manifest("admin", &path, yaml).await;
    assert_eq!(
        refused.error().2,
        "For application 'a': No domains exist for route bad.nowhere.test"
    );
    let app = world.app_of("admin", "a").await["guid"].clone();
    let path = format!("/v3/apps/{}/routes", app.as_str().expect("a guid"));
    let none: [&str; 0] = [];
    assert_eq!(world.get("admin", &path).await.column("url"), none);
}
