//! Apps: create, list, get, by name, update, delete, propose, and what shows of their deployments.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{ORIGIN, World, spec};

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_created_built_and_serves() {
    let world = World::start().await;
    let mut wanted = spec("sample-golang");
    for flag in [
        "disable_edge_cache",
        "disable_email_obfuscation",
        "enhanced_threat_control_enabled",
    ] {
        wanted[flag] = json!(true);
    }
    let made = world.post("/v2/apps", &json!({ "spec": wanted })).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    let app = made.app();
    let shown = &made.body["app"];
    assert_eq!(shown["spec"], wanted);
    assert_eq!(shown["region"]["slug"], "ams");
    assert_eq!(shown["tier_slug"], "basic");
    assert_eq!(shown.get("live_url"), None);
    let ingress = shown["default_ingress"].as_str().expect("an address");
    assert!(ingress.starts_with("https://sample-golang-"), "{ingress}");
    let pending = &shown["pending_deployment"];
    assert_eq!(pending["cause"], "initial deployment");
    assert_eq!(pending["cause_details"]["type"], "MANUAL");
    assert_eq!(pending["services"], json!([{"name": "web"}]));
    assert_eq!(pending["tier_slug"], "basic");
    assert_eq!(pending["progress"]["total_steps"], 6);
    assert_eq!(pending.get("previous_deployment_id"), None);
    let deployment = made.deployment();
    world.until_phase(&app, &deployment, "BUILDING").await;
    let building = world.get(&format!("/v2/apps/{app}")).await.body["app"].clone();
    assert_eq!(
        building["in_progress_deployment"]["id"],
        deployment.as_str()
    );
    assert_eq!(building.get("active_deployment"), None);
    world.build(&app).await;
    let active = world.until_phase(&app, &deployment, "ACTIVE").await;
    assert_eq!(active["progress"]["success_steps"], 6);
    assert_eq!(active["progress"]["total_steps"], 6);
    assert_eq!(active["progress"].get("error_steps"), None);
    let serving = world.get(&format!("/v2/apps/{app}")).await.body["app"].clone();
    assert_eq!(serving["active_deployment"]["id"], deployment.as_str());
    assert_eq!(serving.get("in_progress_deployment"), None);
    assert_eq!(serving.get("pending_deployment"), None);
    assert_eq!(serving["live_url"], ingress);
    let instances = world.get(&format!("/v2/apps/{app}/instances")).await.body;
    let names: Vec<&Value> = instances["instances"]
        .as_array()
        .expect("instances")
        .iter()
        .map(|instance| &instance["instance_alias"])
        .collect();
    assert_eq!(names, ["web-0", "web-1"]);
    let health = world.get(&format!("/v2/apps/{app}/health")).await.body;
    let web = &health["app_health"]["components"][0];
    assert_eq!(
        (&web["name"], &web["state"]),
        (&json!("web"), &json!("HEALTHY"))
    );
    assert_eq!(web["replicas_ready"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_name_is_a_conflict_and_nothing_is_half_created() {
    let world = World::start().await;
    let (app, _) = world.create(&spec("shop")).await;
    let mut other = spec("shop");
    other["region"] = json!("fra");
    let refused = world.post("/v2/apps", &json!({"spec": other})).await;
    assert_eq!((refused.error().0, refused.error().1), (409, "conflict"));
    let bad = world
        .post("/v2/apps", &json!({"spec": {"name": "x"}}))
        .await;
    assert_eq!(bad.error().0, 400);
    assert!(
        bad.error().2.starts_with("error validating app spec"),
        "{bad:?}"
    );
    let listed = world.get("/v2/apps").await.body;
    assert_eq!(listed["meta"]["total"], 1);
    assert_eq!(listed["apps"][0]["id"], app.as_str());
    // Names are a team's own.
    let elsewhere = world
        .call(
            Method::POST,
            "bert",
            "/v2/apps",
            Some(&json!({"spec": spec("shop")})),
        )
        .await;
    assert_eq!(elsewhere.status, 200, "{:?}", elsewhere.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_pages_with_absolute_links() {
    let world = World::start().await;
    for number in 0..3 {
        world.create(&spec(&format!("shop-{number}"))).await;
    }
    let page = world.get("/v2/apps?page=2&per_page=1").await.body;
    assert_eq!(page["apps"][0]["spec"]["name"], "shop-1");
    assert_eq!(page["meta"]["total"], 3);
    assert_eq!(
        page["links"]["pages"]["last"],
        format!("{ORIGIN}/v2/apps?page=3&per_page=1")
    );
    assert_eq!(page["apps"][0].get("project_id"), None);
    let projects = world.get("/v2/apps?with_projects=true").await.body;
    assert!(projects["apps"][0]["project_id"].is_string());
    assert_eq!(projects["links"], json!({}));
    let named = world.get("/v2/apps/?name=shop-2").await.body;
    assert_eq!(named["app"]["spec"]["name"], "shop-2");
    assert_eq!(world.get("/v2/apps/?name=none").await.error().0, 404);
    assert_eq!(world.get("/v2/apps/").await.error().0, 404);
    let filtered = world.get("/v2/apps?name=shop-2").await.body;
    assert_eq!(filtered["meta"]["total"], 1);
    assert_eq!(world.get("/v2/apps?page=0").await.error().0, 400);
    let nothing = world.call(Method::GET, "bert", "/v2/apps", None).await;
    assert_eq!(nothing.body["apps"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_come_newest_first_and_by_their_kind() {
    let world = World::start().await;
    let (app, first) = world.active_app("shop").await;
    let path = format!("/v2/apps/{app}/deployments");
    let second = world
        .post(&path, &json!({"force_build": true}))
        .await
        .deployment();
    let listed = world.get(&path).await.body;
    let ids: Vec<&Value> = listed["deployments"]
        .as_array()
        .expect("deployments")
        .iter()
        .map(|deployment| &deployment["id"])
        .collect();
    assert_eq!(ids, [second.as_str(), first.as_str()]);
    assert_eq!(listed["meta"]["total"], 2);
    let manual = world
        .get(&format!("{path}?deployment_types=MANUAL&per_page=1"))
        .await
        .body;
    assert_eq!(manual["meta"]["total"], 2);
    assert_eq!(manual["deployments"][0]["id"], second.as_str());
    let pushed = world
        .get(&format!("{path}?deployment_types=DEPLOY_ON_PUSH"))
        .await
        .body;
    assert_eq!(pushed["deployments"], json!([]));
    let odd = world.get(&format!("{path}?deployment_types=ODD")).await;
    assert_eq!(odd.error().0, 400);
    // With a slash at its end it is no list: a client that asks for a deployment without an id
    // must not get one.
    assert_eq!(world.get(&format!("{path}/")).await.error().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deployment_that_served_is_superseded_by_the_next() {
    let world = World::start().await;
    let (app, first) = world.active_app("shop").await;
    let second = world
        .post(
            &format!("/v2/apps/{app}/deployments"),
            &json!({"force_build": true}),
        )
        .await
        .deployment();
    world.build(&app).await;
    world.until_phase(&app, &second, "ACTIVE").await;
    let before = world.until_phase(&app, &first, "SUPERSEDED").await;
    assert_eq!(before["progress"]["success_steps"], 6);
    assert_eq!(before["progress"].get("error_steps"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_app_is_gone_and_its_name_free() {
    let world = World::start().await;
    let (app, _) = world.active_app("shop").await;
    let path = format!("/v2/apps/{app}");
    let foreign = world.call(Method::DELETE, "bert", &path, None).await;
    assert_eq!(foreign.error().0, 404);
    let deleted = world.delete(&path).await;
    assert_eq!((deleted.status, &deleted.body), (200, &json!({"id": app})));
    assert_eq!(world.get(&path).await.error().0, 404);
    assert_eq!(
        world.get(&format!("{path}/deployments")).await.error().0,
        404
    );
    world.create(&spec("shop")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_is_proposed_without_doing_anything() {
    let world = World::start().await;
    let good = world
        .post("/v2/apps/propose", &json!({"spec": spec("shop")}))
        .await;
    assert_eq!(good.status, 200, "{:?}", good.body);
    assert_eq!(good.body["app_name_available"], true);
    assert_eq!(good.body["app_is_static"], false);
    assert_eq!(good.body["existing_static_apps"], "0");
    assert_eq!(good.body["spec"], spec("shop"));
    let (app, _) = world.create(&spec("shop")).await;
    let taken = world
        .post("/v2/apps/propose", &json!({"spec": spec("shop")}))
        .await;
    assert_eq!(taken.body["app_name_available"], false);
    assert_eq!(taken.body["app_name_suggestion"], "shop-2");
    let own = json!({"spec": spec("shop"), "app_id": app});
    let own = world.post("/v2/apps/propose", &own).await;
    assert_eq!(own.body["app_name_available"], true);
    let bad = json!({"spec": {"name": "Shop"}});
    let bad = world.post("/v2/apps/propose", &bad).await;
    assert_eq!(bad.error().0, 400);
    assert!(bad.error().2.contains("\"name\""), "{bad:?}");
    assert_eq!(world.get("/v2/apps").await.body["meta"]["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spec_may_be_sent_as_yaml() {
    let world = World::start().await;
    let yaml = "spec:\n  name: shop\n  services:\n  - name: web\n    git:\n      \
                repo_clone_url: http://127.0.0.1:9/x.git\n      branch: main\n";
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v2/apps")
        .header("authorization", format!("Bearer {}", world.token("anna")))
        .header("content-type", "application/yaml")
        .body(Body::from(yaml))
        .expect("a request");
    let made = world.send(request).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    assert_eq!(made.body["app"]["spec"]["name"], "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_shows_its_steps_and_is_continued_by_a_call_of_ours() {
    let world = World::start().await;
    let (app, _) = world.active_app("shop").await;
    let mut canary = spec("shop");
    canary["features"] = json!(["windlass.canary=10,50"]);
    let updated = world
        .put(
            &format!("/v2/apps/{app}"),
            &json!({"spec": canary, "update_all_source_versions": true}),
        )
        .await;
    assert_eq!(updated.status, 200, "{:?}", updated.body);
    let deployment = updated.deployment();
    world.build(&app).await;
    let path = format!("/v2/apps/{app}/deployments/{deployment}");
    let step = |answer: &Value, number: usize| {
        answer
            .pointer(&format!(
                "/deployment/progress/steps/1/steps/2/steps/{number}/status"
            ))
            .cloned()
            .unwrap_or_default()
    };
    let paused = world
        .until(&path, "the first step", |answer| {
            step(answer, 0) == "RUNNING" && answer["deployment"]["phase"] == "DEPLOYING"
        })
        .await;
    assert_eq!(paused["deployment"]["progress"]["total_steps"], 8);
    for (number, next) in [(0, "RUNNING"), (1, "SUCCESS")] {
        let continued = async {
            loop {
                let answer = world.post(&format!("{path}/continue"), &json!({})).await;
                if answer.status == 200 {
                    return;
                }
                assert_eq!(answer.status, 400, "{:?}", answer.body);
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_mins(1), continued)
            .await
            .expect("it pauses");
        world
            .until(&path, "the next step", |answer| {
                step(answer, number) == "SUCCESS" && step(answer, 1) == next
            })
            .await;
    }
    world.until_phase(&app, &deployment, "ACTIVE").await;
}
