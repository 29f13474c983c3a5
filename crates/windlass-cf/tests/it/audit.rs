//! The audit trail: each row that the table of the API names, with its data.

use serde_json::{Value, json};
use windlass_control::testing;
use windlass_engine::id::BuildId;
use windlass_engine::records::AdminScope;

use crate::source::ready_package;
use crate::world::World;

/// Types and data of the rows about an app, newest last.
async fn trail(world: &World, app: &str) -> Vec<(String, Value, Value)> {
    let path = format!("/v3/audit_events?target_guids={app}&per_page=5000");
    let listed = world.get("admin", &path).await;
    let rows = listed.body["resources"].as_array().expect("rows");
    rows.iter()
        .map(|row| {
            let kind = row["type"].as_str().expect("a type").to_owned();
            (kind, row["data"].clone(), row["actor"].clone())
        })
        .collect()
}

fn data_of(trail: &[(String, Value, Value)], kind: &str) -> Vec<Value> {
    trail
        .iter()
        .filter(|row| row.0 == kind)
        .map(|row| row.1.clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_its_revision_and_its_cancel() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, first) = world.running_app("admin", &space, "shop", 2).await;
    let second = world
        .droplet("admin", &app, &json!({"web": "./serve", "clock": "./tick"}))
        .await;
    let body = json!({"droplet": {"guid": second}, "strategy": "canary"});
    let made = world.deploy("admin", &app, &body).await;
    let guid = made.guid();
    world.until_status("admin", &guid, "ACTIVE/PAUSED").await;
    let cancel = format!("/v3/deployments/{guid}/actions/cancel");
    for _ in 0..2 {
        world.post("admin", &cancel, &json!({})).await;
    }
    let trail = trail(&world, &app).await;
    let revision = &made.body["revision"];
    let created = data_of(&trail, "audit.app.deployment.create");
    assert_eq!(created.len(), 1);
    for (key, value) in [
        ("deployment_guid", json!(guid)),
        ("droplet_guid", json!(second)),
        ("type", Value::Null),
        ("revision_guid", revision["guid"].clone()),
        ("strategy", json!("canary")),
    ] {
        assert_eq!(created[0][key], value, "{key}");
    }
    assert_eq!(created[0]["request"]["strategy"], "canary");
    let revisions = data_of(&trail, "audit.app.revision.create");
    assert_eq!(
        revisions.len(),
        2,
        "one of the start, one of the deployment"
    );
    assert_eq!(revisions[1]["revision_guid"], revision["guid"]);
    assert_eq!(revisions[1]["revision_version"], 2);
    let types = data_of(&trail, "audit.app.process.create");
    assert!(types.iter().any(|data| data["process_type"] == "clock"));
    // Each cancel is told, the droplet that comes back once.
    let cancels = data_of(&trail, "audit.app.deployment.cancel");
    assert!((1..=2).contains(&cancels.len()));
    assert_eq!(cancels[0]["droplet_guid"], second);
    let mapped: Vec<Value> = data_of(&trail, "audit.app.droplet.mapped")
        .iter()
        .map(|data| data["request"]["droplet_guid"].clone())
        .collect();
    assert_eq!(mapped, [json!(first), json!(second), json!(first)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_says_so() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    let second = world.droplet("admin", &app, &json!({"web": "./b"})).await;
    let body = json!({"droplet": {"guid": second}});
    let moved = world.deploy("admin", &app, &body).await.guid();
    world
        .until_status("admin", &moved, "FINALIZED/DEPLOYED")
        .await;
    let old = world
        .get("admin", &format!("/v3/apps/{app}/revisions?versions=1"))
        .await
        .column("guid")
        .remove(0);
    let body = json!({"revision": {"guid": old}});
    let back = world.deploy("admin", &app, &body).await;
    assert_eq!(back.status, 201, "{:?}", back.body);
    let trail = trail(&world, &app).await;
    let created = data_of(&trail, "audit.app.deployment.create").remove(1);
    assert_eq!(created["type"], "rollback");
    assert_eq!(created["revision_guid"], back.body["revision"]["guid"]);
    assert_ne!(created["revision_guid"], json!(old));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_looked_at_by_name_and_never_told() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    world
        .member("watcher", &org, &space, &["space_auditor"])
        .await;
    world.user("root_reader", AdminScope::AdminReadOnly).await;
    let revision = world
        .get("admin", &format!("/v3/apps/{app}/revisions"))
        .await
        .column("guid")
        .remove(0);
    let path = format!("/v3/revisions/{revision}/environment_variables");
    assert_eq!(world.get("watcher", &path).await.status, 403);
    assert_eq!(world.get("root_reader", &path).await.status, 200);
    let web = format!("/v3/apps/{app}/processes/web");
    let secret = json!({"command": "./serve --key geheim"});
    assert_eq!(world.patch("admin", &web, &secret).await.status, 200);
    let seen = trail(&world, &app).await;
    let looks: Vec<&Value> = seen
        .iter()
        .filter(|row| row.0 == "audit.app.revision.environment_variables.show")
        .map(|row| &row.2["name"])
        .collect();
    assert_eq!(looks, ["root_reader"]);
    let all = format!("/v3/audit_events?target_guids={app}&per_page=5000");
    let shown = world.get("watcher", &all).await.body.to_string();
    assert!(shown.contains("audit.app.process.update"), "{shown}");
    assert!(!shown.contains("geheim"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_instances() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    let run = world
        .driver
        .running()
        .into_iter()
        .find(|run| run.starts_with("i."))
        .expect("an instance");
    let path = format!("/v3/audit_events?target_guids={app}");
    let told = async |kind: &str| {
        let list = world
            .until("admin", &format!("{path}&types={kind}"), kind, |list| {
                list["pagination"]["total_results"] == 1
            })
            .await;
        list["resources"][0].clone()
    };
    world.driver.set_routable(&run, false);
    assert_eq!(
        told("audit.app.process.not-ready").await["data"]["index"],
        0
    );
    world.driver.set_routable(&run, true);
    told("audit.app.process.ready").await;
    world.driver.exit(&run, 7);
    let crash = told("audit.app.process.crash").await;
    assert_eq!(
        crash["actor"],
        json!({"guid": app, "type": "process", "name": "web"})
    );
    assert_eq!(crash["data"]["exit_status"], 7);
    assert_eq!(crash["data"]["crash_count"], 1);
    assert_eq!(crash["data"]["exit_description"], "Exited with status 7");
    let older = told("app.crash").await;
    assert_eq!(
        older["actor"],
        json!({"guid": app, "type": "app", "name": "shop"})
    );
    assert_eq!(older["data"], crash["data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_at_an_environment_is_told() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    world
        .member("watcher", &org, &space, &["space_auditor"])
        .await;
    let secret = json!({"var": {"KEY": "geheim"}});
    let variables = format!("/v3/apps/{app}/environment_variables");
    world.patch("dev", &variables, &secret).await;
    let whole = format!("/v3/apps/{app}/env");
    for path in [&whole, &variables] {
        assert_eq!(world.get("dev", path).await.status, 200);
        assert_eq!(world.get("watcher", path).await.status, 403);
    }
    let seen = trail(&world, &app).await;
    for kind in [
        "audit.app.environment.show",
        "audit.app.environment_variables.show",
    ] {
        let looks: Vec<&Value> = seen
            .iter()
            .filter(|row| row.0 == kind)
            .map(|row| &row.2["name"])
            .collect();
        assert_eq!(looks, ["dev"], "{kind}");
    }
    assert!(!format!("{seen:?}").contains("geheim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_code_is_told() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let types = json!({"web": "./web"});
    let droplet = world.droplet("admin", &app, &types).await;
    let path = format!("/v3/droplets/{droplet}/download");
    assert_eq!(world.get("admin", &path).await.status, 200);
    let told = data_of(&trail(&world, &app).await, "audit.app.droplet.download");
    assert_eq!(told, [json!({"droplet_guid": droplet})]);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_build_ends_is_told() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    let package = ready_package(&world, &app).await;
    let mut builds = Vec::new();
    for built in [true, false] {
        let body = json!({"package": {"guid": package}});
        let build = world.post("dev", "/v3/builds", &body).await.guid();
        testing::end_build(&world.control, &BuildId::from(build.as_str()), built)
            .await
            .expect("a build that ends");
        builds.push(build);
    }
    let shown = world
        .get("admin", &format!("/v3/builds/{}", builds[0]))
        .await;
    let droplet = shown.body["droplet"]["guid"].clone();
    let trail = trail(&world, &app).await;
    let mut told: Vec<&str> = trail
        .iter()
        .filter(|row| row.2["name"] == "dev")
        .map(|row| row.0.as_str())
        .collect();
    // Rows of one commit have no order among them.
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "audit.app.build.create",
            "audit.app.build.create",
            "audit.app.build.failed",
            "audit.app.build.staged",
            "audit.app.droplet.create",
        ]
    );
    assert_eq!(
        data_of(&trail, "audit.app.build.staged"),
        [json!({
            "build_guid": builds[0], "package_guid": package, "droplet_guid": droplet,
            "buildpacks": [],
        })]
    );
    assert_eq!(
        data_of(&trail, "audit.app.build.failed"),
        [json!({
            "build_guid": builds[1], "package_guid": package, "error_id": "StagingError",
            "error_message": "the build command ended with status 1",
        })]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_and_processes_are_told_by_their_own_names() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    let service = json!({
        "type": "user-provided", "name": "db", "credentials": {"uri": "geheim"},
        "relationships": {"space": {"data": {"guid": space}}},
    });
    let service = world.post("admin", "/v3/service_instances", &service).await;
    let instance = format!("/v3/service_instances/{}", service.guid());
    let bind = json!({"type": "app", "name": "main", "relationships": {
        "app": {"data": {"guid": app}}, "service_instance": {"data": {"guid": service.guid()}},
    }});
    let bindings = "/v3/service_credential_bindings";
    let first = world.post("admin", bindings, &bind).await.guid();
    let one = format!("{bindings}/{first}");
    world.get("admin", &format!("{one}/details")).await;
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    world.patch("admin", &one, &label).await;
    world.delete("admin", &one).await;
    let second = world.post("admin", bindings, &bind).await.guid();
    world.get("admin", &format!("{instance}/credentials")).await;
    world
        .patch("admin", &instance, &json!({"name": "base"}))
        .await;
    assert_eq!(
        world
            .delete("admin", &format!("/v3/apps/{app}"))
            .await
            .status,
        202
    );
    world.delete("admin", &instance).await;
    let kinds = async |target: &str| {
        let rows = trail(&world, target).await;
        rows.into_iter().map(|row| row.0).collect::<Vec<_>>()
    };
    let named = |verbs: &[&str]| -> Vec<String> {
        verbs
            .iter()
            .map(|verb| format!("audit.service_binding.{verb}"))
            .collect()
    };
    assert_eq!(
        kinds(&first).await,
        named(&["create", "show", "update", "delete"])
    );
    assert_eq!(kinds(&second).await, named(&["create", "delete"]));
    let of_service: Vec<String> = ["create", "show", "update", "delete"]
        .iter()
        .map(|verb| format!("audit.user_provided_service_instance.{verb}"))
        .collect();
    assert_eq!(kinds(&service.guid()).await, of_service);
    let gone = data_of(&trail(&world, &app).await, "audit.app.process.delete");
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0]["process_type"], "web");
    let all = world.get("admin", "/v3/audit_events?per_page=5000").await;
    assert!(!all.body.to_string().contains("geheim"));
}
