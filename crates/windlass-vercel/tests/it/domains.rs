//! Domains of projects: hosts that lead to what a project runs.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_leads_to_production_and_is_its_projects_alone() {
    let world = World::start().await;
    let serving = world.ready("shop", &json!({})).await;
    let name = "www-shop.apps.windlass.test";
    let path = format!("/v9/projects/shop/domains/{name}");
    assert_eq!(world.get(&path).await.error().0, 404);
    let body = json!({"name": name});
    let added = world.post("/v10/projects/shop/domains", &body).await;
    assert_eq!(added.status, 200, "{:?}", added.body);
    assert_eq!(added.body["apexName"], "apps.windlass.test");
    assert_eq!(added.body["verified"], true);
    let listed = world.get("/v9/projects/shop/domains").await.body;
    let names: Vec<&str> = listed["domains"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|domain| domain["name"].as_str())
        .collect();
    assert_eq!(names, ["shop.apps.windlass.test", name]);
    let found = world.get(&format!("/v13/deployments/{name}")).await;
    assert_eq!(found.body["id"], serving.as_str());
    let found = found.body["alias"].as_array().expect("hosts").clone();
    assert!(found.contains(&json!(name)), "{found:?}");

    // Neither a second time, nor by another project of the team.
    let again = world.post("/v10/projects/shop/domains", &body).await;
    assert_eq!(again.error().0, 403, "{:?}", again.body);
    world.ready("other", &json!({})).await;
    let other = world.post("/v10/projects/other/domains", &body).await;
    assert_eq!(other.error().0, 403);
    let elsewhere = format!("/v9/projects/other/domains/{name}");
    assert_eq!(world.delete(&elsewhere).await.error().0, 404);

    let verified = world.post(&format!("{path}/verify"), &json!({})).await;
    assert_eq!(verified.body["name"], name);
    let gone = world.delete(&path).await;
    assert_eq!(gone.status, 200, "{:?}", gone.body);
    assert_eq!(world.get(&path).await.error().0, 404);
    let moved = world.post("/v10/projects/other/domains", &body).await;
    assert_eq!(moved.status, 200, "{:?}", moved.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_domain_can_not_be_is_refused() {
    let world = World::start().await;
    world.ready("shop", &json!({})).await;
    for bad in [
        json!({}),
        json!({"name": "www.example.org"}),
        json!({"name": "a.b.apps.windlass.test"}),
        json!({"name": "apps.windlass.test"}),
        json!({"name": "x.apps.windlass.test", "redirect": "shop.apps.windlass.test"}),
        json!({"name": "x.apps.windlass.test", "gitBranch": "main"}),
    ] {
        let refused = world.post("/v10/projects/shop/domains", &bad).await;
        assert_eq!(refused.error().0, 400, "{bad}: {:?}", refused.body);
    }
    let shown = "/v9/projects/shop/domains/shop.apps.windlass.test";
    let redirect = json!({"redirect": "x.apps.windlass.test"});
    let patch = axum::http::Method::PATCH;
    let refused = world.call(patch, "anna", shown, Some(&redirect)).await;
    assert_eq!(refused.error().0, 400, "{:?}", refused.body);
}
