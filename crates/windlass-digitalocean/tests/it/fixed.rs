//! What needs no app: regions, sizes, tiers, the account, limits, errors of the whole API.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::world::{World, spec};

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_win_over_ids() {
    let world = World::start().await;
    let regions = world.get("/v2/apps/regions").await.body;
    assert!(
        regions["regions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|region| region["slug"] == "ams"))
    );
    let sizes = world.get("/v2/apps/tiers/instance_sizes").await.body;
    let size = &sizes["instance_sizes"][0];
    assert_eq!(size["slug"], "apps-s-1vcpu-0.5gb");
    assert_eq!(size["memory_bytes"], "536870912");
    assert_eq!(size["cpus"], "1");
    let one = world
        .get("/v2/apps/tiers/instance_sizes/basic-xxs")
        .await
        .body;
    assert_eq!(one["instance_size"]["tier_slug"], "basic");
    let none = world.get("/v2/apps/tiers/instance_sizes/huge").await;
    assert_eq!(none.error().0, 404);
    let tiers = world.get("/v2/apps/tiers").await.body;
    assert_eq!(tiers["tiers"][0]["slug"], "basic");
    let tier = world.get("/v2/apps/tiers/professional").await.body;
    assert_eq!(tier["tier"]["name"], "Professional");
    assert_eq!(world.get("/v2/apps/tiers/none").await.error().0, 404);
    let account = world.get("/v2/account").await.body;
    assert_eq!(account["account"]["email"], "anna");
    assert_eq!(account["account"]["team"]["name"], "team-anna");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_an_id_and_the_limits() {
    let world = World::start_with(3).await;
    for left in [2, 1, 0] {
        let answer = world.get("/v2/apps/regions").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["ratelimit-limit"], "3");
        assert_eq!(answer.headers["ratelimit-remaining"], left.to_string());
        assert!(answer.headers.contains_key("ratelimit-reset"));
        assert!(answer.headers.contains_key("x-request-id"));
        assert!(!answer.headers.contains_key("retry-after"));
    }
    let over = world.get("/v2/apps/regions").await;
    assert_eq!((over.error().0, over.error().1), (429, "too_many_requests"));
    assert!(over.headers.contains_key("retry-after"));
    let other = world
        .call(Method::GET, "bert", "/v2/apps/regions", None)
        .await;
    assert_eq!(other.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_json_whatever_is_wrong() {
    let world = World::start().await;
    let unknown = world.get("/v2/droplets").await;
    assert_eq!((unknown.error().0, unknown.error().1), (404, "not_found"));
    let method = world.put("/v2/apps", &json!({})).await;
    assert_eq!(
        (method.error().0, method.error().1),
        (405, "method_not_allowed")
    );
    for token in ["", "Bearer nonsense", "Basic eHg="] {
        let request = Request::builder()
            .uri("/v2/apps")
            .header("authorization", token)
            .body(Body::empty())
            .expect("a request");
        let refused = world.send(request).await;
        assert_eq!(
            refused.error(),
            (401, "unauthorized", "Unable to authenticate you.")
        );
    }
    let huge = "x".repeat(2 * 1024 * 1024);
    let refused = world.post("/v2/apps", &json!({ "spec": huge })).await;
    assert_eq!(refused.error().0, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_offered_says_so() {
    let world = World::start().await;
    let (app, deployment) = world.create(&spec("shop")).await;
    let id = "3f5b2f9f-b62f-497e-9980-1bda11e879c3";
    let calls = [
        (Method::GET, "/v2/apps/buildpacks".to_owned()),
        (Method::POST, "/v2/apps/detect".to_owned()),
        (Method::POST, "/v2/apps/metrics/bandwidth_daily".to_owned()),
        (Method::GET, format!("/v2/apps/{app}/components/web/exec")),
        (
            Method::GET,
            format!("/v2/apps/{app}/deployments/{deployment}/components/web/exec"),
        ),
        (Method::GET, format!("/v2/apps/{app}/job-invocations")),
        (Method::GET, format!("/v2/apps/{app}/job-invocations/{id}")),
        (
            Method::POST,
            format!("/v2/apps/{app}/job-invocations/{id}/cancel"),
        ),
        (
            Method::GET,
            format!("/v2/apps/{app}/jobs/migrate/invocations/{id}/logs"),
        ),
        (Method::GET, format!("/v2/apps/{app}/events")),
        (Method::GET, format!("/v2/apps/{app}/events/{id}")),
        (Method::POST, format!("/v2/apps/{app}/events/{id}/cancel")),
        (Method::GET, format!("/v2/apps/{app}/events/{id}/logs")),
        (
            Method::GET,
            format!("/v2/apps/{app}/metrics/bandwidth_daily"),
        ),
        (Method::POST, format!("/v2/apps/{app}/upgrade_buildpack")),
        (
            Method::GET,
            format!("/v2/apps/{app}/database_connection_details"),
        ),
        (
            Method::POST,
            format!("/v2/apps/{app}/components/web/reset_password"),
        ),
        (
            Method::POST,
            format!("/v2/apps/{app}/components/web/trusted_sources"),
        ),
        (
            Method::POST,
            format!("/v2/apps/{app}/alerts/{id}/destinations"),
        ),
    ];
    for (method, path) in calls {
        let refused = world.call(method.clone(), "anna", &path, None).await;
        assert_eq!(
            (refused.error().0, refused.error().1),
            (501, "not_implemented"),
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_those_of_the_spec() {
    let world = World::start().await;
    let mut wanted = spec("shop");
    wanted["alerts"] = json!([{"rule": "DEPLOYMENT_FAILED"}]);
    let (app, _) = world.create(&wanted).await;
    let alerts = world.get(&format!("/v2/apps/{app}/alerts")).await.body;
    assert_eq!(alerts["alerts"][0]["spec"]["rule"], "DEPLOYMENT_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_without_a_signature_is_not_believed() {
    let world = World::start().await;
    let report = world.post("/webhooks/github", &json!({})).await;
    assert_eq!(report.error().0, 403);
    let nobody = world.post("/webhooks/sourceforge", &json!({})).await;
    assert_eq!(nobody.error().0, 404);
}
