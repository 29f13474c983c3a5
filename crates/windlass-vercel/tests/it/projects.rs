//! Projects: created with a host of their own, found by id and name, changed, deleted.

use axum::http::Method;
use serde_json::{Value, json};

use crate::world::World;

/// What the command line sends when it links a directory.
fn link(name: &str) -> Value {
    json!({
        "name": name, "framework": null, "buildCommand": null, "devCommand": null,
        "installCommand": null, "outputDirectory": null, "commandForIgnoringBuildStep": null,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_found_by_id_and_by_name() {
    let world = World::start().await;
    assert_eq!(
        world.get("/v9/projects/demo").await.error(),
        (404, "not_found", "Project not found")
    );
    let made = world.post("/v1/projects", &link("demo")).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    let id = made.body["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("prj_"));
    for path in [
        format!("/v9/projects/{id}"),
        "/v2/projects/demo?slug=team-anna".to_owned(),
        format!("/projects/{id}?rollbackInfo=true"),
    ] {
        let shown = world.get(&path).await;
        assert_eq!(shown.body["id"], id.as_str(), "{path}: {:?}", shown.body);
    }
    assert_eq!(made.body["alias"][0]["domain"], "demo.apps.windlass.test");
    assert_eq!(made.body["autoAssignCustomDomains"], true);
    let environments = world
        .get(&format!("/projects/{id}/custom-environments"))
        .await;
    assert_eq!(environments.body, json!({"environments": []}));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_unique_in_a_team_and_hosts_everywhere() {
    let world = World::start().await;
    world.post("/v1/projects", &link("demo")).await;
    let again = world.post("/v1/projects", &link("demo")).await;
    assert_eq!(again.error().0, 409);
    let other = world
        .call(Method::POST, "bert", "/v1/projects", Some(&link("demo")))
        .await;
    assert_eq!(
        other.body["alias"][0]["domain"],
        "demo-team-bert.apps.windlass.test"
    );
    // Nobody sees the other's.
    let id = other.body["id"].as_str().expect("an id");
    for path in [
        format!("/v9/projects/{id}"),
        format!("/v9/projects/{id}/env"),
    ] {
        assert_eq!(world.get(&path).await.error().0, 404);
    }
    assert_eq!(
        world.delete(&format!("/v9/projects/{id}")).await.error().0,
        404
    );
    let listed = world.get("/v9/projects").await.body;
    assert_eq!(listed["projects"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_kept_and_protections_that_are_not_there_refused() {
    let world = World::start().await;
    world.post("/v1/projects", &link("demo")).await;
    let changes = json!({
        "buildCommand": "make", "outputDirectory": "out", "autoAssignCustomDomains": false,
        "name": "shop",
    });
    let changed = world.patch("/v9/projects/demo", &changes).await;
    assert_eq!(changed.status, 200, "{:?}", changed.body);
    let shown = world.get("/v9/projects/shop").await.body;
    assert_eq!(shown["buildCommand"], "make");
    assert_eq!(shown["autoAssignCustomDomains"], false);
    let protection = json!({"passwordProtection": {"deploymentType": "all"}});
    let refused = world.patch("/v9/projects/shop", &protection).await;
    assert_eq!(refused.error().0, 400);
    assert!(refused.error().2.contains("passwordProtection"));
    for bad in ["Shop", "a---b", ""] {
        assert_eq!(
            world.post("/v1/projects", &link(bad)).await.error().0,
            400,
            "{bad}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_project_is_gone_and_its_name_free() {
    let world = World::start().await;
    let made = world.post("/v1/projects", &link("demo")).await;
    let id = made.body["id"].as_str().expect("an id").to_owned();
    assert_eq!(
        world.delete(&format!("/v9/projects/{id}")).await.status,
        204
    );
    assert_eq!(
        world.get(&format!("/v9/projects/{id}")).await.error().0,
        404
    );
    assert_eq!(world.post("/v1/projects", &link("demo")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_come_in_pages_and_are_searched() {
    let world = World::start().await;
    for name in ["one", "two", "three"] {
        world.post("/v1/projects", &link(name)).await;
    }
    let mut seen = Vec::new();
    let mut path = "/v9/projects?limit=1".to_owned();
    loop {
        let page = world.get(&path).await.body;
        let projects = page["projects"].as_array().expect("a list").clone();
        seen.extend(projects.iter().map(|project| project["name"].clone()));
        let Some(next) = page["pagination"]["next"].as_i64() else {
            break;
        };
        path = format!("/v9/projects?limit=1&until={next}");
    }
    assert_eq!(seen, ["three", "two", "one"]);
    let found = world.get("/v9/projects?search=hre").await.body;
    assert_eq!(found["projects"][0]["name"], "three");
    assert_eq!(found["pagination"]["count"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_of_a_deleted_project_are_free_at_once() {
    let world = World::start().await;
    world.ready("shop", &json!({})).await;
    let added = world
        .post(
            "/projects/shop/alias",
            &json!({"domain": "more.apps.windlass.test", "target": "PRODUCTION"}),
        )
        .await;
    assert_eq!(added.status, 200, "{:?}", added.body);
    let domains: Vec<&Value> = added
        .body
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| &it["domain"])
        .collect();
    assert_eq!(
        domains,
        ["shop.apps.windlass.test", "more.apps.windlass.test"]
    );
    let deleted = world
        .call(Method::DELETE, "anna", "/v9/projects/shop", None)
        .await;
    assert_eq!(deleted.status, 204);
    let again = world.post("/v1/projects", &link("shop")).await;
    assert_eq!(again.body["alias"][0]["domain"], "shop.apps.windlass.test");
    let name = json!({"name": "more.apps.windlass.test"});
    let taken = world
        .call(Method::POST, "bert", "/v1/projects", Some(&link("other")))
        .await;
    assert_eq!(taken.status, 200);
    let added = world
        .call(
            Method::POST,
            "bert",
            "/v10/projects/other/domains",
            Some(&name),
        )
        .await;
    assert_eq!(added.status, 200, "{:?}", added.body);
}
