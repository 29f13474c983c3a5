//! Endpoints around the large resources, each with what its answer is for.

use serde_json::{Value, json};
use windlass_control::Error;
use windlass_engine::records::AdminScope;

use crate::world::{ORIGIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn organizations_and_what_hangs_on_them() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (other, _) = world.tenant("two").await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;

    let path = format!("/v3/organizations/{org}/domains/default");
    let domain = world.get("dev", &path).await.body;
    assert_eq!(domain["name"], "apps.windlass.test");

    let path = format!("/v3/organizations/{org}/users");
    let users = world.get("admin", &path).await.column("username");
    assert!(users.contains(&"dev".to_owned()), "{users:?}");

    world.running_app("admin", &space, "shop", 2).await;
    let path = format!("/v3/organizations/{org}/usage_summary");
    let usage = world.get("dev", &path).await.body["usage_summary"].clone();
    assert_eq!(usage["started_instances"], 2, "{usage}");

    let path = format!("/v3/organizations/{org}/relationships/default_isolation_segment");
    assert_eq!(world.get("dev", &path).await.body["data"], Value::Null);
    let none = world.patch("admin", &path, &json!({"data": null})).await;
    assert_eq!(none.status, 200, "{:?}", none.body);
    let wrong = world
        .patch("admin", &path, &json!({"data": {"guid": "x"}}))
        .await;
    assert_eq!(wrong.status, 422, "{:?}", wrong.body);

    let quota = world
        .get("dev", "/v3/organization_quotas")
        .await
        .column("guid")
        .remove(0);
    let path = format!("/v3/organization_quotas/{quota}/relationships/organizations");
    let set = world
        .post("admin", &path, &json!({"data": [{"guid": org}]}))
        .await;
    assert_eq!(set.status, 422, "{:?}", set.body);

    let body = json!({
        "name": "one.example.test",
        "relationships": {"organization": {"data": {"guid": org}}},
    });
    let domain = world.post("admin", "/v3/domains", &body).await.guid();
    let path = format!("/v3/domains/{domain}/relationships/shared_organizations");
    let shared = world
        .post("admin", &path, &json!({"data": [{"guid": other}]}))
        .await;
    assert_eq!(shared.body["data"], json!([{"guid": other}]));
    let path = format!("/v3/domains/{domain}/relationships/shared_organizations/{other}");
    assert_eq!(world.delete("admin", &path).await.status, 204);
    let path = format!("/v3/domains/{domain}");
    let now = world.get("admin", &path).await.body;
    assert_eq!(
        now["relationships"]["shared_organizations"]["data"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn spaces_and_what_hangs_on_them() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let path = format!("/v3/spaces/{space}/features");
    assert_eq!(world.get("admin", &path).await.column("name"), ["ssh"]);
    for path in [
        format!("/v3/spaces/{space}/running_security_groups"),
        format!("/v3/spaces/{space}/staging_security_groups"),
        "/v3/service_brokers".to_owned(),
        "/v3/service_credential_bindings".to_owned(),
        "/v3/service_offerings".to_owned(),
    ] {
        let answer = world.get("admin", &path).await;
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
        assert_eq!(answer.body["resources"], json!([]), "{path}");
        assert_eq!(answer.body["pagination"]["total_results"], 0, "{path}");
    }
    let path = format!("/v3/spaces/{space}/relationships/isolation_segment");
    assert_eq!(world.get("admin", &path).await.body["data"], Value::Null);

    let stack = world
        .get("admin", "/v3/stacks")
        .await
        .column("guid")
        .remove(0);
    let shown = world.get("admin", &format!("/v3/stacks/{stack}")).await;
    assert_eq!(shown.body["name"], "cflinuxfs4");
    assert_eq!(
        world.get("admin", "/v1/info").await.body["version"],
        "2.11.0"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_an_app() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, droplet) = world.running_app("admin", &space, "shop", 2).await;
    let path = format!("/v3/apps/{app}/processes/web/process_instances");
    let instances = world.get("admin", &path).await.body;
    let states: Vec<&Value> = instances["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|row| &row["state"])
        .collect();
    assert_eq!(states, ["RUNNING", "RUNNING"]);
    for (index, status) in [("1", 204), ("7", 404), ("x", 404)] {
        let path = format!("/v3/apps/{app}/processes/web/instances/{index}");
        assert_eq!(world.delete("admin", &path).await.status, status, "{index}");
    }

    // What a staging keeps for the next one lies under this key.
    let key = format!("build_cache/{app}");
    let own = key.clone();
    world
        .control
        .store()
        .write(move |tx| Ok::<_, Error>(tx.put_meta(&own, "digest")?))
        .await
        .expect("kept");
    let path = format!("/v3/apps/{app}/actions/clear_buildpack_cache");
    let cleared = world.post("admin", &path, &json!({})).await;
    assert_eq!(cleared.status, 202);
    assert_eq!(
        world.get("admin", &cleared.job()).await.body["state"],
        "COMPLETE"
    );
    let kept = world
        .control
        .store()
        .read(|reader| Ok::<_, Error>(reader.meta(&key)?));
    assert_eq!(kept.expect("a look"), None);

    let path = format!("/v3/droplets/{droplet}/download");
    let file = world.get("admin", &path).await;
    assert_eq!(file.status, 200);
    let length: usize = file.headers["content-length"]
        .to_str()
        .expect("text")
        .parse()
        .expect("a number");
    assert!(length > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_of_an_app() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let body = json!({"type": "bits", "relationships": {"app": {"data": {"guid": app}}}});
    let package = world.post("admin", "/v3/packages", &body).await.guid();
    let path = format!("/v3/packages/{package}/droplets");
    assert_eq!(world.get("admin", &path).await.body["resources"], json!([]));
    let path = format!("/v3/packages/{package}/download");
    let early = world.get("admin", &path).await;
    assert_eq!(early.error().0, 422, "{:?}", early.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_of_an_app() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("auditor", &org, &space, &["space_auditor"])
        .await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    let listed = world
        .get("admin", &format!("/v3/apps/{app}/revisions"))
        .await;
    let revision = listed.column("guid").remove(0);
    let shown = world
        .get("auditor", &format!("/v3/revisions/{revision}"))
        .await;
    assert_eq!(shown.body["version"], 1);
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let path = format!("/v3/revisions/{revision}");
    let labelled = world.patch("admin", &path, &labels).await;
    assert_eq!(labelled.body["metadata"]["labels"], json!({"a": "b"}));
    let path = format!("/v3/revisions/{revision}/environment_variables");
    assert_eq!(world.get("admin", &path).await.body["var"], json!({}));
    assert_eq!(world.get("auditor", &path).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_destination_of_a_route() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let app = world.app("admin", &space, "shop").await;
    let domain = world
        .get("admin", "/v3/domains")
        .await
        .column("guid")
        .remove(0);
    let body = json!({"host": "shop", "relationships": {
        "space": {"data": {"guid": space}}, "domain": {"data": {"guid": domain}},
    }});
    let route = world.post("admin", "/v3/routes", &body).await.guid();
    let path = format!("/v3/routes/{route}/destinations");
    let body = json!({"destinations": [{"app": {"guid": app}}]});
    let added = world.post("admin", &path, &body).await.body;
    let destination = added["destinations"][0]["guid"].as_str().expect("a guid");
    let path = format!("/v3/routes/{route}/destinations/{destination}");
    let changed = world
        .patch("admin", &path, &json!({"protocol": "http1"}))
        .await;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    assert_eq!(world.delete("admin", &path).await.status, 204);
    assert_eq!(world.delete("admin", &path).await.status, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_of_deployments_and_tasks() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 2).await;
    let deployed = world
        .deploy("admin", &app, &json!({"strategy": "canary"}))
        .await;
    let deployment = deployed.guid();
    world
        .until_status("admin", &deployment, "ACTIVE/PAUSED")
        .await;
    let path = format!("/v3/deployments/{deployment}/actions/continue");
    let continued = world.post("admin", &path, &json!({})).await;
    assert_eq!(
        (continued.status, continued.guid()),
        (200, deployment.clone())
    );
    world
        .until_status("admin", &deployment, "FINALIZED/DEPLOYED")
        .await;
    let path = format!("/v3/deployments/{deployment}/actions/cancel");
    let late = world.post("admin", &path, &json!({})).await;
    let text = "Cannot cancel a deployment with status: FINALIZED and reason: DEPLOYED";
    assert_eq!(late.error(), (422, 10008, text));

    for guid_of_verb in [true, false] {
        let path = format!("/v3/apps/{app}/tasks");
        let task = world
            .post("admin", &path, &json!({"command": "sleep 1000"}))
            .await
            .guid();
        let canceled = if guid_of_verb {
            let path = format!("/v3/tasks/{task}/actions/cancel");
            world.post("admin", &path, &json!({})).await
        } else {
            let path = format!("/v3/tasks/{task}/cancel");
            world.put("admin", &path, &json!({})).await
        };
        assert_eq!(
            (canceled.status, &canceled.body["state"]),
            (202, &json!("CANCELING"))
        );
        let links = &canceled.body["links"]["cancel"];
        assert_eq!(
            links["href"],
            format!("{ORIGIN}/v3/tasks/{task}/actions/cancel")
        );
        let path = format!("/v3/tasks/{task}");
        let ended = world
            .until("admin", &path, "the task ends", |task| {
                task["state"] == "FAILED"
            })
            .await;
        assert_eq!(ended["result"]["failure_reason"], "task was cancelled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_not_checked_for_clients_without_a_secret() {
    let mut world = World::start().await;
    world.user("anna", AdminScope::None).await;
    let form = format!("token={}", world.token("anna"));
    let refused = world.form("/check_token", &form).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.body["error"], "invalid_client");
}
