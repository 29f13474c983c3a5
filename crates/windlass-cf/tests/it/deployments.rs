//! Deployments over the wire: how they go, how they are canceled, what is listed.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use windlass_engine::records::AdminScope;

use crate::shop::shown_status;
use crate::world::{Answer, World};

const WEB: &str = "web";

/// A world with one app of four instances on its first droplet, and a second droplet.
async fn shop() -> (World, String, String, String) {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, first) = world.running_app("admin", &space, "shop", 4).await;
    let second = world
        .droplet("admin", &app, &json!({"web": "./serve"}))
        .await;
    (world, app, first, second)
}

fn canary(droplet: &str) -> Value {
    json!({
        "droplet": {"guid": droplet},
        "strategy": "canary",
        "options": {"canary": {"steps": [{"instance_weight": 25}, {"instance_weight": 50}]}}
    })
}

async fn act(world: &World, deployment: &str, action: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder()
        .method("POST")
        .uri(format!("/v3/deployments/{deployment}/actions/{action}"))
        .header("authorization", format!("bearer {}", world.token("admin")));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world
        .send(request.body(Body::empty()).expect("a request"))
        .await
}

async fn current_droplet(world: &World, app: &str) -> String {
    world
        .get("admin", &format!("/v3/apps/{app}/droplets/current"))
        .await
        .guid()
}

async fn web_processes(world: &World, app: &str) -> Vec<String> {
    world
        .get("admin", &format!("/v3/apps/{app}/processes?types={WEB}"))
        .await
        .column("guid")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_deployment_ends_deployed_with_a_process_of_its_own() {
    let (world, app, first, second) = shop().await;
    assert_eq!(web_processes(&world, &app).await, [app.as_str()]);
    let made = world
        .deploy("admin", &app, &json!({"droplet": {"guid": second}}))
        .await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!(shown_status(&made.body), "ACTIVE/DEPLOYING");
    assert_eq!(made.body["strategy"], "rolling");
    assert_eq!(made.body["options"], json!({"max_in_flight": 1}));
    assert_eq!(made.body["droplet"]["guid"], second);
    assert_eq!(made.body["previous_droplet"]["guid"], first);
    assert_eq!(made.body["revision"]["version"], 2);
    let done = world
        .until_status("admin", &made.guid(), "FINALIZED/DEPLOYED")
        .await;
    assert_eq!(done["links"].get("cancel"), None);
    let process = made.body["new_processes"][0]["guid"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    assert_eq!(web_processes(&world, &app).await, [process.as_str()]);
    assert_ne!(process, app);
    let shown = world
        .get("admin", &format!("/v3/processes/{process}"))
        .await
        .body;
    assert_eq!(
        (&shown["type"], &shown["instances"]),
        (&json!(WEB), &json!(4))
    );
    assert_eq!(shown["command"], "./serve");
    assert_eq!(current_droplet(&world, &app).await, second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_pauses_is_continued_and_canceled_whole() {
    let (world, app, first, second) = shop().await;
    let made = world.deploy("admin", &app, &canary(&second)).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    let guid = made.guid();
    let paused = world.until_status("admin", &guid, "ACTIVE/PAUSED").await;
    assert_eq!(
        paused["status"]["canary"]["steps"],
        json!({"current": 1, "total": 2})
    );
    assert!(paused["links"].get("continue").is_some());
    let target = made.body["new_processes"][0]["guid"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    let listed = web_processes(&world, &app).await;
    assert_eq!(listed, [app.clone(), target.clone()]);

    // The very answer to a continue no longer says PAUSED: clients take that for done.
    let continued = act(&world, &guid, "continue", &[]).await;
    assert_eq!(continued.status, 200);
    assert_eq!(shown_status(&continued.body), "ACTIVE/DEPLOYING");
    let paused = world.until_status("admin", &guid, "ACTIVE/PAUSED").await;
    assert_eq!(paused["status"]["canary"]["steps"]["current"], 2);

    let canceled = act(
        &world,
        &guid,
        "cancel",
        &[("x-windlass-reason", "bad numbers")],
    )
    .await;
    assert_eq!(canceled.status, 200, "{:?}", canceled.body);
    let status = shown_status(&canceled.body);
    assert!(
        status == "ACTIVE/CANCELING" || status == "FINALIZED/CANCELED",
        "{status}"
    );
    let details = &canceled.body["status"]["details"];
    assert_eq!(details["cancel_reason"], "bad numbers");
    assert_eq!(details["canceled_by"], "admin");
    assert_eq!(details["not_restored"], Value::Null);
    assert_eq!(current_droplet(&world, &app).await, first);
    let done = world
        .until_status("admin", &guid, "FINALIZED/CANCELED")
        .await;
    assert_eq!(
        done["status"]["canary"]["steps"],
        json!({"current": 2, "total": 2})
    );
    assert!(
        done["status"]["details"]["time_to_safe_ms"].is_u64(),
        "{done}"
    );
    world
        .until(
            "admin",
            &format!("/v3/apps/{app}/processes"),
            "one web process",
            |list| list["pagination"]["total_results"] == 1,
        )
        .await;
    // Clients that have listed it before ask for it now.
    let own = format!("/v3/processes/{target}");
    let gone = world.get("admin", &own).await.body;
    assert_eq!(
        (&gone["type"], &gone["instances"]),
        (&json!("web"), &json!(0))
    );
    for path in [format!("{own}/stats"), format!("{own}/sidecars")] {
        let shown = world.get("admin", &path).await.body;
        assert_eq!(shown["resources"], json!([]), "{path}");
    }
    let scaled = world
        .post(
            "admin",
            &format!("{own}/actions/scale"),
            &json!({"instances": 1}),
        )
        .await;
    assert_eq!(scaled.error(), (404, 10010, "Process not found"));
    let stats = world
        .get("admin", &format!("/v3/processes/{app}/stats"))
        .await;
    assert_eq!(stats.column("state"), ["RUNNING"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_never_becomes_healthy_is_canceled_without_harm() {
    let (world, app, first, second) = shop().await;
    world.driver.set_healthy(false);
    let made = world
        .deploy("admin", &app, &json!({"droplet": {"guid": second}}))
        .await;
    let target = made.body["new_processes"][0]["guid"]
        .as_str()
        .unwrap_or("")
        .to_owned();
    // `cf push --no-wait` reads this at once: each wanted instance is there and not running.
    let stats = world
        .get("admin", &format!("/v3/processes/{target}/stats"))
        .await;
    assert_eq!(stats.status, 200);
    assert!(!stats.column("state").is_empty());
    assert!(!stats.column("state").contains(&"RUNNING".to_owned()));
    let canceled = act(&world, &made.guid(), "cancel", &[]).await;
    assert_eq!(canceled.status, 200);
    world
        .until_status("admin", &made.guid(), "FINALIZED/CANCELED")
        .await;
    assert_eq!(current_droplet(&world, &app).await, first);
    let stats = world
        .get("admin", &format!("/v3/apps/{app}/processes/web/stats"))
        .await;
    assert_eq!(stats.column("state"), ["RUNNING"; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_deployment_supersedes_and_keeps_the_base() {
    let (world, app, first, second) = shop().await;
    let one = world.deploy("admin", &app, &canary(&second)).await.guid();
    world.until_status("admin", &one, "ACTIVE/PAUSED").await;
    let third = world
        .droplet("admin", &app, &json!({"web": "./serve"}))
        .await;
    let two = world.deploy("admin", &app, &canary(&third)).await;
    assert_eq!(two.body["previous_droplet"]["guid"], first);
    world
        .until_status("admin", &one, "FINALIZED/SUPERSEDED")
        .await;
    world
        .until_status("admin", &two.guid(), "ACTIVE/PAUSED")
        .await;
    act(&world, &two.guid(), "cancel", &[]).await;
    world
        .until_status("admin", &two.guid(), "FINALIZED/CANCELED")
        .await;
    assert_eq!(current_droplet(&world, &app).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_app_is_deployed_at_once() {
    let (world, app, _, second) = shop().await;
    world
        .post("admin", &format!("/v3/apps/{app}/actions/stop"), &json!({}))
        .await;
    let made = world.deploy("admin", &app, &canary(&second)).await;
    assert_eq!(made.status, 201, "{:?}", made.body);
    assert_eq!(shown_status(&made.body), "FINALIZED/DEPLOYED");
    assert_eq!(made.body["new_processes"], json!([]));
    let shown = world.get("admin", &format!("/v3/apps/{app}")).await.body;
    assert_eq!(shown["state"], "STARTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_restores_and_can_be_repeated_after_its_cancel() {
    let (world, app, first, second) = shop().await;
    let variables = format!("/v3/apps/{app}/environment_variables");
    let done = world
        .deploy("admin", &app, &json!({"droplet": {"guid": second}}))
        .await;
    world
        .until_status("admin", &done.guid(), "FINALIZED/DEPLOYED")
        .await;
    let revisions = world
        .get("admin", &format!("/v3/apps/{app}/revisions"))
        .await;
    let newest = revisions.column("guid").pop().unwrap_or_default();
    let oldest = revisions.column("guid").remove(0);
    assert_eq!(
        revisions.column("description"),
        ["Initial revision.", "New droplet deployed."]
    );
    let same = world
        .deploy("admin", &app, &json!({"revision": {"guid": newest}}))
        .await;
    assert_eq!(
        same.error().2,
        "Unable to rollback. The code and configuration you are rolling back to is the same as \
         the deployed revision."
    );
    world
        .patch("admin", &variables, &json!({"var": {"NEW": "1"}}))
        .await;
    let rollback = json!({"revision": {"guid": oldest}, "strategy": "canary"});
    let one = world.deploy("admin", &app, &rollback).await;
    assert_eq!(one.status, 201, "{:?}", one.body);
    assert_eq!(one.body["revision"]["version"], 3);
    world
        .until_status("admin", &one.guid(), "ACTIVE/PAUSED")
        .await;
    assert_eq!(current_droplet(&world, &app).await, first);
    act(&world, &one.guid(), "cancel", &[]).await;
    world
        .until_status("admin", &one.guid(), "FINALIZED/CANCELED")
        .await;
    assert_eq!(current_droplet(&world, &app).await, second);
    // What was written before a deployment belongs to it, and goes with it.
    let restored = world.get("admin", &variables).await.body;
    assert_eq!(restored["var"], json!({}));
    let again = world.deploy("admin", &app, &rollback).await;
    assert_eq!(again.status, 201, "{:?}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_or_not_paused_is_refused_by_name() {
    let (world, app, _, second) = shop().await;
    let made = world
        .deploy("admin", &app, &json!({"droplet": {"guid": second}}))
        .await
        .guid();
    world
        .until_status("admin", &made, "FINALIZED/DEPLOYED")
        .await;
    for (action, text) in [
        (
            "cancel",
            "Cannot cancel a deployment with status: FINALIZED and reason: DEPLOYED",
        ),
        (
            "continue",
            "Cannot continue a deployment with status: FINALIZED and reason: DEPLOYED",
        ),
    ] {
        let refused = act(&world, &made, action, &[]).await;
        assert_eq!(refused.error(), (422, 10008, text));
    }
    let unknown = act(&world, "none", "cancel", &[]).await;
    assert_eq!(unknown.error(), (404, 10010, "Deployment not found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_cannot_be_read_is_refused() {
    let (world, app, _, second) = shop().await;
    let made = world.deploy("admin", &app, &canary(&second)).await.guid();
    for (name, value) in [
        ("x-windlass-cancel", "accept-outage"),
        ("x-windlass-cancel", "soon"),
        ("x-windlass-reason", &"x".repeat(257)),
    ] {
        let refused = act(&world, &made, "cancel", &[(name, value)]).await;
        assert_eq!(refused.status, 400, "{name}: {value}");
    }
    let shown = world
        .get("admin", &format!("/v3/deployments/{made}"))
        .await
        .body;
    assert_eq!(shown["status"]["value"], "ACTIVE");
    let now = act(
        &world,
        &made,
        "cancel",
        &[("x-windlass-cancel", "now, accept-outage")],
    )
    .await;
    assert_eq!(now.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_of_cf_finds_the_active_deployment() {
    let (world, app, _, second) = shop().await;
    let active = format!(
        "/v3/deployments?app_guids={app}&order_by=-created_at&page=1&per_page=1\
         &status_values=ACTIVE"
    );
    assert_eq!(
        world.get("admin", &active).await.body["resources"],
        json!([])
    );
    let made = world.deploy("admin", &app, &canary(&second)).await.guid();
    assert_eq!(
        world.get("admin", &active).await.column("guid"),
        [made.as_str()]
    );
    world.until_status("admin", &made, "ACTIVE/PAUSED").await;
    for (filter, count) in [
        ("states=PAUSED", 1),
        ("states=DEPLOYED", 0),
        ("status_reasons=PAUSED,CANCELING", 1),
        ("status_values=FINALIZED", 0),
        ("guids=none", 0),
        ("app_guids=none", 0),
        ("states=NONSENSE", 0),
        ("label_selector=a", 0),
        ("created_ats[gt]=2001-01-01T00:00:00Z", 1),
    ] {
        let listed = world
            .get("admin", &format!("/v3/deployments?{filter}"))
            .await;
        assert_eq!(
            listed.body["pagination"]["total_results"], count,
            "{filter}"
        );
    }
    let wrong = world.get("admin", "/v3/deployments?include=app").await;
    assert_eq!(
        wrong.error(),
        (
            400,
            10005,
            "The query parameter is invalid: Unknown query parameter(s): 'include'. Valid \
             parameters are: 'page', 'per_page', 'order_by', 'created_ats', 'updated_ats', \
             'guids', 'app_guids', 'states', 'status_reasons', 'status_values', 'label_selector'"
        )
    );
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let patched = world
        .patch("admin", &format!("/v3/deployments/{made}"), &labels)
        .await;
    assert_eq!(patched.body["metadata"]["labels"], json!({"a": "b"}));
    let listed = world
        .get("admin", "/v3/deployments?label_selector=a%3Db")
        .await;
    assert_eq!(listed.column("guid"), [made]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_in_flight_web_and_droplet_stay_as_they_are() {
    let (world, app, first, second) = shop().await;
    let made = world.deploy("admin", &app, &canary(&second)).await.guid();
    world.until_status("admin", &made, "ACTIVE/PAUSED").await;
    let scale = format!("/v3/apps/{app}/processes/web/actions/scale");
    for body in [json!({"instances": 2}), json!({"memory_in_mb": 64})] {
        let refused = world.post("admin", &scale, &body).await;
        assert_eq!(
            refused.error(),
            (
                422,
                10008,
                "Cannot scale this process while a deployment is in flight."
            ),
            "{body}"
        );
    }
    let web = format!("/v3/apps/{app}/processes/web");
    let refused = world
        .patch("admin", &web, &json!({"command": "./other"}))
        .await;
    assert_eq!(
        refused.error().2,
        "Cannot update this process while a deployment is in flight."
    );
    let droplet = format!("/v3/apps/{app}/relationships/current_droplet");
    let refused = world
        .patch("admin", &droplet, &json!({"data": {"guid": first}}))
        .await;
    assert_eq!(
        refused.error().2,
        "Unable to assign current droplet while the app has a deployment in progress. Wait for \
         the deployment to complete or cancel it."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deployment_refuses_of_droplets_revisions_and_apps() {
    let (mut world, app, _, _) = shop().await;
    let (_, space) = world.tenant("two").await;
    let other = world.app("admin", &space, "other").await;
    let foreign = world.droplet("admin", &other, &json!({"web": "x"})).await;
    let body = json!({"relationships": {"app": {"data": {"guid": app}}}, "process_types": {}});
    let empty = world.post("admin", "/v3/droplets", &body).await.guid();
    let assign = "Unable to assign current droplet. Ensure the droplet exists and belongs to this \
                  app.";
    for (more, text) in [
        (json!({"droplet": {"guid": "none"}}), assign),
        (json!({"droplet": {"guid": ""}}), assign),
        (json!({"droplet": {"guid": foreign}}), assign),
        (
            json!({"droplet": {"guid": empty}}),
            "droplet must be in staged state",
        ),
        (
            json!({"revision": {"guid": "none"}}),
            "The revision does not exist",
        ),
    ] {
        let refused = world.deploy("admin", &app, &more).await;
        assert_eq!(refused.error(), (422, 10008, text), "{more}");
    }
    let without = world.deploy("admin", &other, &json!({})).await;
    assert_eq!(
        without.error().2,
        "Invalid droplet. Please specify a droplet in the request or set a current droplet for \
         the app."
    );
    let unable = "Unable to use app. Ensure that the app exists and you have access to it.";
    assert_eq!(
        world.deploy("admin", "none", &json!({})).await.error().2,
        unable
    );
    let missing = world.post("admin", "/v3/deployments", &json!({})).await;
    assert_eq!(missing.error(), (422, 10008, unable));
    world.user("stranger", AdminScope::None).await;
    assert_eq!(
        world.deploy("stranger", &app, &json!({})).await.error().2,
        unable
    );
    let off = format!("/v3/apps/{app}/features/revisions");
    world.patch("admin", &off, &json!({"enabled": false})).await;
    let refused = world
        .deploy("admin", &app, &json!({"revision": {"guid": "x"}}))
        .await;
    assert_eq!(
        refused.error().2,
        "Cannot create deployment from a revision for an app without revisions enabled"
    );
}
