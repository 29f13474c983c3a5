//! Apps, processes, sidecars, environment, features, logs over the wire.

use serde_json::{Value, json};

use crate::world::{ORIGIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_from_creation_to_deletion() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    let body = json!({
        "name": "shop",
        "relationships": {"space": {"data": {"guid": space}}},
        "environment_variables": {"A": "1"},
        "metadata": {"labels": {"tier": "one"}}
    });
    let made = world.post("dev", "/v3/apps", &body).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let app = made.guid();
    assert_eq!(made.body["state"], "STOPPED");
    assert_eq!(made.body["lifecycle"]["data"]["stack"], "cflinuxfs4");
    assert_eq!(
        made.body["links"]["self"]["href"],
        format!("{ORIGIN}/v3/apps/{app}")
    );
    let again = world.post("dev", "/v3/apps", &body).await;
    assert_eq!(again.error().2, "App with the name 'shop' already exists.");
    let found = world
        .get(
            "dev",
            &format!("/v3/apps?names=shop&space_guids={space}&include=space"),
        )
        .await;
    assert_eq!(found.column("guid"), [app.as_str()]);
    assert_eq!(found.body["included"]["spaces"][0]["guid"], space);
    let path = format!("/v3/apps/{app}");
    let renamed = world.patch("dev", &path, &json!({"name": "store"})).await;
    assert_eq!(renamed.body["name"], "store");
    let early = world
        .post("dev", &format!("{path}/actions/start"), &json!({}))
        .await;
    assert_eq!(
        early.error().2,
        "Assign a droplet before starting this app."
    );
    let missing = world.get("dev", &format!("{path}/droplets/current")).await;
    assert_eq!(missing.error(), (404, 10010, "Droplet not found"));
    let deleted = world.delete("dev", &path).await;
    assert_eq!(deleted.status, 202);
    let job = deleted.job();
    world
        .until("dev", &job, "it is gone", |job| job["state"] == "COMPLETE")
        .await;
    assert_eq!(
        world.get("dev", &path).await.error(),
        (404, 10010, "App not found")
    );
    assert_eq!(world.post("dev", "/v3/apps", &body).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_cf_app_asks_for() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, droplet) = world.running_app("admin", &space, "shop", 2).await;
    let processes = world
        .get("admin", &format!("/v3/apps/{app}/processes"))
        .await;
    assert_eq!(processes.column("guid"), [app.as_str()]);
    assert_eq!(
        processes.column("command"),
        ["[PRIVATE DATA HIDDEN IN LISTS]"]
    );
    for path in [
        format!("/v3/processes/{app}"),
        format!("/v3/processes/{app}/sidecars"),
        format!("/v3/apps/{app}/routes"),
        format!("/v3/apps/{app}/revisions"),
        format!("/v3/apps/{app}/revisions/deployed"),
        format!("/v3/apps/{app}/env"),
        format!("/v3/apps/{app}/permissions"),
        format!("/v3/apps/{app}/ssh_enabled"),
        format!("/v3/apps/{app}/features"),
        format!("/v3/apps/{app}/builds"),
        format!("/v3/apps/{app}/packages"),
        format!("/v3/apps/{app}/droplets?current=true"),
        format!("/v3/processes?space_guids={space}&embed=process_instances"),
        format!("/v3/processes/{app}/process_instances"),
        "/v3/service_instances?space_guids=x&order_by=name&per_page=5000".to_owned(),
        "/v3/service_route_bindings?include=service_instance&route_guids=x".to_owned(),
        "/v3/service_plans?per_page=5000&available=true&include=service_offering\
         &fields[service_offering.service_broker]=name,guid"
            .to_owned(),
    ] {
        let answer = world.get("admin", &path).await;
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
    }
    let current = world
        .get("admin", &format!("/v3/apps/{app}/droplets/current"))
        .await;
    assert_eq!(current.guid(), droplet);
    assert_eq!(current.body["process_types"], json!({"web": "./serve"}));
    let stats = world
        .get("admin", &format!("/v3/processes/{app}/stats"))
        .await
        .body;
    let first = &stats["resources"][0];
    assert_eq!(
        (&first["type"], &first["index"]),
        (&json!("web"), &json!(0))
    );
    assert_eq!(
        (&first["state"], &first["routable"]),
        (&json!("RUNNING"), &json!(true))
    );
    assert_eq!(first["mem_quota"], 1024 * 1024 * 1024);
    let deployed = world
        .get("admin", &format!("/v3/apps/{app}/revisions/deployed"))
        .await;
    assert_eq!(deployed.body["resources"][0]["version"], 1);
    let embedded = format!("/v3/processes?space_guids={space}&embed=process_instances");
    let embedded = world.get("admin", &embedded).await.body;
    let instances = &embedded["resources"][0]["process_instances"];
    assert_eq!(instances[1]["state"], "RUNNING");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_app_shows_its_instances_down_and_one_can_be_restarted() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 2).await;
    let restarted = world
        .delete("admin", &format!("/v3/processes/{app}/instances/1"))
        .await;
    assert_eq!(restarted.status, 204, "{:?}", restarted.body);
    let unknown = world
        .delete("admin", &format!("/v3/processes/{app}/instances/7"))
        .await;
    assert_eq!(unknown.error(), (404, 10010, "Instance not found"));
    let more = format!("/v3/processes/{app}/actions/scale");
    let scaled = world.post("admin", &more, &json!({"instances": 3})).await;
    assert_eq!((scaled.status, &scaled.body["instances"]), (202, &json!(3)));
    world.post("admin", &more, &json!({"instances": 2})).await;
    let stopped = world
        .post("admin", &format!("/v3/apps/{app}/actions/stop"), &json!({}))
        .await;
    assert_eq!(stopped.body["state"], "STOPPED");
    let stats = format!("/v3/processes/{app}/stats");
    world
        .until("admin", &stats, "all are down", |stats| {
            stats["resources"]
                .as_array()
                .is_some_and(|all| all.len() == 2 && all.iter().all(|it| it["state"] == "DOWN"))
        })
        .await;
    let again = world
        .post(
            "admin",
            &format!("/v3/apps/{app}/actions/restart"),
            &json!({}),
        )
        .await;
    assert_eq!(again.body["state"], "STARTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_scaled_and_changed() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let types = json!({"web": "./serve", "worker": "./work"});
    let droplet = world.droplet("admin", &app, &types).await;
    world.assign("admin", &app, &droplet).await;
    let kinds = world
        .get("admin", &format!("/v3/apps/{app}/processes"))
        .await;
    assert_eq!(kinds.column("type"), ["web", "worker"]);
    assert_eq!(kinds.body["resources"][1]["instances"], 0);
    let worker = format!("/v3/apps/{app}/processes/worker");
    let scale = json!({"instances": 3, "memory_in_mb": 64, "disk_in_mb": 128,
                       "log_rate_limit_in_bytes_per_second": 1024});
    let scaled = world
        .post("admin", &format!("{worker}/actions/scale"), &scale)
        .await;
    assert_eq!(scaled.status, 202, "{:?}", scaled.body);
    for (key, value) in scale.as_object().into_iter().flatten() {
        assert_eq!(&scaled.body[key], value, "{key}");
    }
    let changed = json!({
        "command": "./other",
        "health_check": {"type": "http", "data": {"endpoint": "/up", "timeout": 90}},
        "metadata": {"labels": {"a": "b"}}
    });
    let changed = world.patch("admin", &worker, &changed).await;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    assert_eq!(changed.body["command"], "./other");
    assert_eq!(changed.body["health_check"]["data"]["endpoint"], "/up");
    assert_eq!(changed.body["metadata"]["labels"], json!({"a": "b"}));
    let reset = world
        .patch("admin", &worker, &json!({"command": null}))
        .await;
    assert_eq!(reset.body["command"], "./work");
    assert_eq!(
        world
            .get("admin", &format!("/v3/processes/{}", reset.guid()))
            .await
            .guid(),
        reset.guid()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecars_come_change_and_go() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let path = format!("/v3/apps/{app}/sidecars");
    let body = json!({"name": "proxy", "command": "./p", "process_types": ["web"],
                      "memory_in_mb": 16});
    let made = world.post("admin", &path, &body).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let own = format!("/v3/sidecars/{}", made.guid());
    assert_eq!(
        world.post("admin", &path, &body).await.error().2,
        "Sidecar with name 'proxy' already exists for given app"
    );
    let large = world
        .patch("admin", &own, &json!({"memory_in_mb": 4096}))
        .await;
    assert_eq!(
        large.error().2,
        "The memory allocation defined is too large to run with the dependent \"web\" process"
    );
    let changed = world.patch("admin", &own, &json!({"command": "./q"})).await;
    assert_eq!(changed.body["command"], "./q");
    let of_process = world
        .get("admin", &format!("/v3/processes/{app}/sidecars"))
        .await;
    assert_eq!(of_process.column("name"), ["proxy"]);
    assert_eq!(world.delete("admin", &own).await.status, 204);
    assert_eq!(
        world.get("admin", &own).await.error(),
        (404, 10010, "Sidecar not found")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_set_deleted_and_shown_to_those_who_may() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("auditor", &org, &space, &["space_auditor"])
        .await;
    let app = world.app("admin", &space, "shop").await;
    let path = format!("/v3/apps/{app}/environment_variables");
    world
        .patch("admin", &path, &json!({"var": {"A": "1", "B": "2"}}))
        .await;
    let after = world
        .patch("admin", &path, &json!({"var": {"A": null, "C": "3"}}))
        .await;
    assert_eq!(after.body["var"], json!({"B": "2", "C": "3"}));
    let env = world
        .get("admin", &format!("/v3/apps/{app}/env"))
        .await
        .body;
    assert_eq!(env["environment_variables"], json!({"B": "2", "C": "3"}));
    let application = &env["application_env_json"]["VCAP_APPLICATION"];
    assert_eq!(application["application_name"], "shop");
    assert_eq!(world.get("auditor", &path).await.status, 403);
    let events = world
        .get("admin", &format!("/v3/audit_events?target_guids={app}"))
        .await;
    assert!(
        !events.body.to_string().contains("\"3\""),
        "values are not in the trail"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn features_are_switched_and_what_is_not_there_stays_off() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let path = |name: &str| format!("/v3/apps/{app}/features/{name}");
    assert_eq!(
        world.get("admin", &path("revisions")).await.body["enabled"],
        true
    );
    let (on, off) = (json!({"enabled": true}), json!({"enabled": false}));
    let switched = world.patch("admin", &path("revisions"), &off).await;
    assert_eq!(switched.body["enabled"], false);
    for name in ["service-binding-k8s", "file-based-vcap-services"] {
        let refused = world.patch("admin", &path(name), &on).await;
        let text = format!(
            "Feature '{name}' cannot be enabled: service bindings are provided in the environment \
             variable VCAP_SERVICES only"
        );
        assert_eq!(refused.error(), (422, 10008, text.as_str()));
        assert_eq!(world.patch("admin", &path(name), &off).await.status, 200);
        let shown = world.get("admin", &path(name)).await;
        assert_eq!(shown.body["enabled"], false, "{name}");
    }
    let unknown = world.get("admin", &path("none")).await;
    assert_eq!(unknown.error(), (404, 10010, "Feature not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_cache_has_a_line_from_the_first_moment() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    let app = world.app("dev", &space, "shop").await;
    let info = world.get("dev", "/api/v1/info").await.body;
    assert_eq!(info["version"], "2.11.0");
    for path in [
        format!("/api/v1/read/{app}?descending=true&limit=1&start_time=0"),
        format!("/v1/read/{app}?envelope_types=LOG&start_time=-6795364578871345152"),
    ] {
        let batch = world.get("dev", &path).await.body["envelopes"]["batch"].clone();
        assert_eq!(batch[0]["tags"], json!({"source_type": "API"}), "{path}");
        assert_eq!(batch[0]["source_id"], app);
        assert!(batch[0]["timestamp"].is_string());
    }
    let metrics = format!("/api/v1/read/{app}?envelope_types=GAUGE");
    assert_eq!(
        world.get("dev", &metrics).await.body["envelopes"]["batch"],
        json!([])
    );
    let wrong = world
        .get("dev", &format!("/api/v1/read/{app}?limit=2000"))
        .await;
    assert_eq!(wrong.status, 400);
    world.member("stranger", &org, &space, &[]).await;
    let hidden: Value = world
        .get("stranger", &format!("/api/v1/read/{app}"))
        .await
        .body;
    assert_eq!(hidden["errors"][0]["code"], 10010);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_updated_when_it_starts_or_gets_a_droplet() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let first = world.app("admin", &space, "first").await;
    let second = world.app("admin", &space, "second").await;
    let newest = "/v3/apps?order_by=-updated_at";
    let listed = world.get("admin", newest).await;
    assert_eq!(listed.column("guid"), [second.as_str(), first.as_str()]);
    let droplet = world
        .droplet("admin", &first, &json!({"web": "./serve"}))
        .await;
    world.assign("admin", &first, &droplet).await;
    let listed = world.get("admin", newest).await;
    assert_eq!(listed.column("guid"), [first.as_str(), second.as_str()]);
}
