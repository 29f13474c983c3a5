//! User-provided services: what apps see of them, and that a cancel brings a binding back.

use serde_json::{Value, json};
use windlass_control::listing::Page;
use windlass_engine::id::{AppId, BindingId, ServiceInstanceId};
use windlass_engine::records::{AdminScope, Metadata, ServiceBinding, Stamps};

use crate::world::{Answer, World};

const INSTANCES: &str = "/v3/service_instances";
const BINDINGS: &str = "/v3/service_credential_bindings";

async fn instance(world: &World, space: &str, name: &str, credentials: &Value) -> Answer {
    let body = json!({
        "type": "user-provided", "name": name, "credentials": credentials, "tags": ["sql"],
        "relationships": {"space": {"data": {"guid": space}}}
    });
    world.post("admin", INSTANCES, &body).await
}

async fn bind(world: &World, app: &str, instance: &str, name: Option<&str>) -> Answer {
    let body = json!({
        "type": "app", "name": name,
        "relationships": {
            "app": {"data": {"guid": app}}, "service_instance": {"data": {"guid": instance}}
        }
    });
    world.post("admin", BINDINGS, &body).await
}

async fn vcap_services(world: &World, app: &str) -> Value {
    let env = world.get("admin", &format!("/v3/apps/{app}/env")).await;
    env.body["system_env_json"]["VCAP_SERVICES"].clone()
}

async fn bound(world: &World, app: &str) -> Vec<String> {
    let path = format!("{BINDINGS}?app_guids={app}");
    world.get("admin", &path).await.column("guid")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_sees_what_is_bound_to_it() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    let made = instance(&world, &space, "db", &json!({"uri": "pg://a"})).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let db = made.guid();
    assert_eq!(made.body["type"], "user-provided");
    assert_eq!(made.body["last_operation"]["state"], "succeeded");
    assert!(!made.body.to_string().contains("pg://"), "{:?}", made.body);
    let shown = world
        .get("admin", &format!("/v3/service_instances/{db}/credentials"))
        .await;
    assert_eq!(shown.body, json!({"uri": "pg://a"}));
    assert_eq!(vcap_services(&world, &app).await, json!({}));

    let made = bind(&world, &app, &db, Some("main")).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let binding = made.guid();
    let entry = &vcap_services(&world, &app).await["user-provided"][0];
    for (key, value) in [
        ("name", json!("main")),
        ("instance_name", json!("db")),
        ("binding_name", json!("main")),
        ("instance_guid", json!(db)),
        ("binding_guid", json!(binding)),
        ("tags", json!(["sql"])),
        ("credentials", json!({"uri": "pg://a"})),
    ] {
        assert_eq!(entry[key], value, "{key}");
    }
    let details = world
        .get(
            "admin",
            &format!("/v3/service_credential_bindings/{binding}/details"),
        )
        .await;
    assert_eq!(details.body["credentials"], json!({"uri": "pg://a"}));
    let twice = bind(&world, &app, &db, None).await;
    let text = "The app is already bound to the service instance";
    assert_eq!(twice.error(), (422, 10008, text));

    let one = format!("/v3/service_instances/{db}");
    let patch = json!({"name": "db2", "credentials": {"uri": "pg://b"}});
    let patched = world.patch("admin", &one, &patch).await;
    assert_eq!(patched.body["name"], "db2", "{:?}", patched.body);
    let entry = &vcap_services(&world, &app).await["user-provided"][0];
    assert_eq!(entry["credentials"], json!({"uri": "pg://b"}));
    assert_eq!(entry["instance_name"], "db2");

    assert_eq!(world.delete("admin", &one).await.status, 204);
    assert_eq!(vcap_services(&world, &app).await, json!({}));
    assert_eq!(bound(&world, &app).await, Vec::<String>::new());
    let gone = world.get("admin", &one).await;
    assert_eq!(gone.error(), (404, 10010, "Service instance not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_brings_bindings_back_one_by_one() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, droplet) = world.running_app("admin", &space, "shop", 1).await;
    let mut guids = Vec::new();
    for name in ["old", "new", "later"] {
        let credentials = json!({"for": name});
        guids.push(instance(&world, &space, name, &credentials).await.guid());
    }
    let old = bind(&world, &app, &guids[0], None).await.guid();
    let restart = format!("/v3/apps/{app}/actions/restart");
    assert_eq!(world.post("admin", &restart, &json!({})).await.status, 200);
    let before = vcap_services(&world, &app).await;

    // What belongs to the deployment: the old one goes, a new one comes.
    let path = format!("/v3/service_credential_bindings/{old}");
    assert_eq!(world.delete("admin", &path).await.status, 204);
    assert_eq!(world.get("admin", &path).await.status, 404);
    let new = bind(&world, &app, &guids[1], None).await.guid();
    let canary = json!({"droplet": {"guid": droplet}, "strategy": "canary"});
    let deployment = world.deploy("admin", &app, &canary).await.guid();
    world
        .until_status("admin", &deployment, "ACTIVE/PAUSED")
        .await;
    // What somebody else does meanwhile is theirs.
    let later = bind(&world, &app, &guids[2], None).await.guid();
    assert_eq!(bound(&world, &app).await, [new.as_str(), later.as_str()]);

    let cancel = format!("/v3/deployments/{deployment}/actions/cancel");
    let canceled = world.post("admin", &cancel, &json!({})).await;
    assert_eq!(canceled.status, 200, "{:?}", canceled.body);
    assert_eq!(
        canceled.body["status"]["details"]["not_restored"],
        format!("binding.{later}")
    );
    assert_eq!(bound(&world, &app).await, [old.as_str(), later.as_str()]);
    let after = vcap_services(&world, &app).await;
    let entries = after["user-provided"].as_array().expect("entries");
    assert!(entries.contains(&before["user-provided"][0]), "{after}");
    assert_eq!(entries.len(), 2, "{after}");
    let shown = world.get("admin", &path).await;
    assert_eq!(shown.status, 200, "{:?}", shown.body);
    // What the deployment had bound can be bound again.
    let again = bind(&world, &app, &guids[1], None).await;
    assert_eq!(again.status, 201, "{:?}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_and_change_services() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    for role in ["space_developer", "space_supporter", "space_auditor"] {
        world.member(role, &org, &space, &[role]).await;
    }
    world.user("stranger", AdminScope::None).await;
    let db = instance(&world, &space, "db", &json!({"secret": "s"}))
        .await
        .guid();
    let binding = bind(&world, &app, &db, None).await.guid();
    for (user, see, secrets, write) in [
        ("space_developer", 200, 200, 200),
        ("space_supporter", 200, 403, 403),
        ("space_auditor", 200, 403, 403),
        ("stranger", 404, 404, 404),
    ] {
        for (path, status) in [
            (format!("/v3/service_instances/{db}"), see),
            (
                format!("/v3/service_instances/{db}/relationships/shared_spaces"),
                see,
            ),
            (format!("/v3/service_instances/{db}/credentials"), secrets),
            (format!("/v3/service_credential_bindings/{binding}"), see),
            (
                format!("/v3/service_credential_bindings/{binding}/details"),
                secrets,
            ),
        ] {
            let answer = world.get(user, &path).await;
            assert_eq!(answer.status, status, "{user} {path}: {:?}", answer.body);
        }
        let labels = json!({"metadata": {"labels": {"a": "b"}}});
        for path in [
            format!("/v3/service_instances/{db}"),
            format!("/v3/service_credential_bindings/{binding}"),
        ] {
            let answer = world.patch(user, &path, &labels).await;
            assert_eq!(answer.status, write, "{user} {path}: {:?}", answer.body);
        }
    }
    let listed = world
        .get(
            "space_auditor",
            &format!("{BINDINGS}?include=app&label_selector=a"),
        )
        .await;
    assert_eq!(listed.column("guid"), [binding]);
    assert_eq!(listed.body["included"]["apps"][0]["guid"], app);
    let none = world.get("stranger", INSTANCES).await;
    assert_eq!(none.body["resources"], json!([]));
    let env = format!("/v3/apps/{app}/env");
    let hidden = world.get("space_supporter", &env).await;
    assert!(
        !hidden.body.to_string().contains("secret"),
        "{:?}",
        hidden.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_services_refuse() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (_, other) = world.tenant("two").await;
    let app = world.app("admin", &other, "far").await;
    let db = instance(&world, &space, "db", &json!({})).await.guid();
    let taken = instance(&world, &space, "db", &json!({})).await;
    let text = "The service instance name is taken: db";
    assert_eq!(taken.error(), (422, 10008, text));
    let far = bind(&world, &app, &db, None).await;
    let text = "The service instance and the app are in different spaces";
    assert_eq!(far.error(), (422, 10008, text));
    let unknown = bind(&world, &app, "none", None).await;
    let text = "The service instance could not be found: 'none'";
    assert_eq!(unknown.error(), (422, 10008, text));
    let near = world.app("admin", &space, "near").await;
    let large = json!({"x": "y".repeat(30_000)});
    for (number, status) in [(1, 201), (2, 201), (3, 201), (4, 422)] {
        let name = format!("large{number}");
        let guid = instance(&world, &space, &name, &large).await.guid();
        let bound = bind(&world, &near, &guid, None).await;
        assert_eq!(bound.status, status, "{number}: {:?}", bound.body);
    }
    let too_large = instance(&world, &space, "huge", &json!({"x": "y".repeat(40_000)})).await;
    assert_eq!(too_large.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_binds_what_it_names() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    instance(&world, &space, "db", &json!({"uri": "pg://a"})).await;
    let path = format!("/v3/spaces/{space}/actions/apply_manifest");
    let yaml = "applications: [{name: shop, services: [{name: db, binding_name: main}]}]";
    for _ in 0..2 {
        let applied = world.manifest("admin", &path, yaml).await;
        assert_eq!(applied.status, 202, "{:?}", applied.body);
    }
    let found = world.get("admin", "/v3/apps?names=shop").await;
    let app = found.column("guid").remove(0);
    let entries = vcap_services(&world, &app).await;
    assert_eq!(entries["user-provided"][0]["name"], "main");
    assert_eq!(bound(&world, &app).await.len(), 1);
    let shown = world
        .get("admin", &format!("/v3/apps/{app}/manifest"))
        .await;
    let text = shown.body.as_str().expect("YAML");
    assert!(text.contains("services:"), "{text}");
    let unknown = "applications: [{name: shop, services: [none]}]";
    let refused = world.manifest("admin", &path, unknown).await;
    let text = "For application 'shop': Service instance 'none' not found";
    assert_eq!(refused.error(), (422, 10008, text));
}

/// More rows than one read takes, and the one in force after all of them.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_in_force_hide_no_binding() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let db = instance(&world, &space, "db", &json!({})).await.guid();
    let stale = Page::MAX_LIMIT;
    let of_instance = ServiceInstanceId::from(db.as_str());
    world
        .control
        .store()
        .write(move |tx| {
            for number in 0..stale {
                tx.put(&ServiceBinding {
                    id: BindingId::new(format!("stale-{number}")),
                    app: AppId::new(format!("gone-{number}")),
                    service_instance: of_instance.clone(),
                    name: None,
                    metadata: Metadata::default(),
                    stamps: Stamps::default(),
                })?;
            }
            Ok::<_, windlass_control::Error>(())
        })
        .await
        .expect("rows");
    let second = instance(&world, &space, "queue", &json!({})).await.guid();
    let made = bind(&world, &app, &second, None).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let listed = world.get("admin", BINDINGS).await;
    assert_eq!(listed.column("guid"), [made.guid()]);
    assert_eq!(listed.body["pagination"]["total_results"], 1);
}
