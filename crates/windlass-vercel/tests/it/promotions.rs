//! Promote, rollback and aliases: moves between deployments that are there.

use serde_json::{Value, json};

use crate::world::World;

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Which deployment a host leads to.
async fn serving(world: &World, host: &str) -> String {
    let found = world.get(&format!("/v13/deployments/{host}")).await;
    assert_eq!(found.status, 200, "{host}: {:?}", found.body);
    text(&found.body["id"])
}

const HOST: &str = "shop.apps.windlass.test";

async fn two(world: &World) -> (String, String) {
    let first = world.ready("shop", &json!({})).await;
    let second = world.ready("shop", &json!({"target": "production"})).await;
    (first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_in_force_and_recorded_before_its_answer() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    let path = format!("/v9/projects/shop/rollback/{first}?description=bad+numbers");
    let done = world.post(&path, &json!({})).await;
    assert_eq!(
        (done.status, &done.body),
        (201, &json!({})),
        "{:?}",
        done.body
    );
    assert_eq!(serving(&world, HOST).await, first);
    let project = world.get("/v9/projects/shop?rollbackInfo=true").await.body;
    let last = &project["lastAliasRequest"];
    assert_eq!(last["jobStatus"], "succeeded");
    assert_eq!(last["type"], "rollback");
    assert_eq!(
        (&last["fromDeploymentId"], &last["toDeploymentId"]),
        (&json!(second), &json!(first))
    );
    assert_eq!(project["rollbackDescription"]["description"], "bad numbers");
    assert_eq!(project["targets"]["production"]["id"], first.as_str());

    // Until somebody promotes, new deployments stay away from production.
    assert_eq!(project["autoAssignCustomDomains"], false);
    let third = world.ready("shop", &json!({"target": "production"})).await;
    assert_eq!(serving(&world, HOST).await, first);
    let staged = world.get(&format!("/v13/deployments/{third}")).await.body;
    assert_eq!(staged["readySubstate"], "STAGED");
    let path = format!("/v10/projects/shop/promote/{third}");
    assert_eq!(world.post(&path, &json!({})).await.status, 201);
    assert_eq!(serving(&world, HOST).await, third);
    let project = world.get("/v9/projects/shop").await.body;
    assert_eq!(project["autoAssignCustomDomains"], true);
    assert_eq!(project["lastAliasRequest"]["type"], "promote");
    let failed = world
        .get("/v9/projects/shop/promote/aliases?failedOnly=true&limit=20")
        .await;
    assert_eq!(failed.body["aliases"], json!([]));
    let all = world.get("/v9/projects/shop/promote/aliases").await.body;
    assert_eq!(all["aliases"][0]["alias"]["alias"], HOST);
    let all = world.get("/v1/projects/shop/rollback/aliases").await.body;
    assert_eq!(all["aliases"][0]["alias"], HOST);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_moved_to_is_refused() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    let preview = world.ready("shop", &json!({})).await;
    let kept = json!({"target": "production", "autoAssignCustomDomains": false});
    let staged = world.ready("shop", &kept).await;
    let building = text(&world.deploy("shop", &json!({})).await.body["id"]);
    let other = world.ready("other", &json!({})).await;
    for (verb, id, status) in [
        ("promote", &second, 409),
        ("rollback", &second, 409),
        ("promote", &preview, 422),
        ("rollback", &staged, 422),
        ("promote", &building, 400),
        ("rollback", &other, 404),
    ] {
        let path = format!("/v9/projects/shop/{verb}/{id}");
        let refused = world.post(&path, &json!({})).await;
        assert_eq!(refused.error().0, status, "{verb}: {:?}", refused.body);
    }
    assert_eq!(serving(&world, HOST).await, second);
    let current = world.get("/projects/shop/production-deployment").await.body;
    assert_eq!(current["deployment"]["id"], second.as_str());
    let _ = first;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_is_given_moved_and_taken_away() {
    let world = World::start().await;
    let (first, second) = two(&world).await;
    assert_eq!(
        world
            .get("/v4/domains/nice.apps.windlass.test")
            .await
            .status,
        200
    );
    assert_eq!(world.get("/v4/domains/nice.example.com").await.status, 404);
    let assign = |id: &str| format!("/now/deployments/{id}/aliases");
    let alias = json!({"alias": "nice.apps.windlass.test"});
    let given = world.post(&assign(&first), &alias).await;
    assert_eq!(given.status, 200, "{:?}", given.body);
    assert_eq!(given.body["alias"], "nice.apps.windlass.test");
    assert_eq!(serving(&world, "nice.apps.windlass.test").await, first);
    let moved = world.post(&assign(&second), &alias).await;
    assert_eq!(moved.body["oldDeploymentId"], first.as_str());
    assert_eq!(moved.body["uid"], given.body["uid"]);
    let listed = world
        .get(&format!("/v2/deployments/{second}/aliases"))
        .await
        .body;
    assert_eq!(listed["aliases"].as_array().map(Vec::len), Some(2));
    let all = world.get("/v3/now/aliases?limit=20").await.body;
    let names: Vec<String> = all["aliases"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|alias| text(&alias["alias"]))
        .collect();
    assert_eq!(names, ["nice.apps.windlass.test", HOST]);

    let gone = world.delete("/now/aliases/nice.apps.windlass.test").await;
    assert_eq!(gone.body, json!({"status": "SUCCESS"}));
    assert_eq!(
        world
            .get("/now/aliases/nice.apps.windlass.test")
            .await
            .status,
        404
    );
    // A project's host goes by promotion only.
    let host = json!({"alias": HOST});
    assert_eq!(world.post(&assign(&first), &host).await.error().0, 400);
    assert_eq!(
        world
            .delete(&format!("/now/aliases/{HOST}"))
            .await
            .error()
            .0,
        400
    );
    for bad in ["nice.example.com", "a.b.apps.windlass.test", "-x", ""] {
        let refused = world.post(&assign(&first), &json!({"alias": bad})).await;
        assert_eq!(refused.error().0, 400, "{bad}: {:?}", refused.body);
    }
}
