//! Spaces.

use serde_json::{Value, json};

use crate::world::{ORIGIN, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_space_has_every_field_of_the_reference() {
    let world = World::start().await;
    let (org, guid) = world.tenant("one").await;
    let shown = world.get("admin", &format!("/v3/spaces/{guid}")).await.body;
    assert_eq!(
        shown,
        json!({
            "guid": guid,
            "created_at": shown["created_at"],
            "updated_at": shown["updated_at"],
            "name": "one-space",
            "relationships": {
                "organization": {"data": {"guid": org}},
                "quota": {"data": null},
            },
            "metadata": {"labels": {}, "annotations": {}},
            "links": {
                "self": {"href": format!("{ORIGIN}/v3/spaces/{guid}")},
                "organization": {"href": format!("{ORIGIN}/v3/organizations/{org}")},
                "features": {"href": format!("{ORIGIN}/v3/spaces/{guid}/features")},
                "apply_manifest": {
                    "href": format!("{ORIGIN}/v3/spaces/{guid}/actions/apply_manifest"),
                    "method": "POST",
                },
            },
        })
    );
    let with = world
        .get("admin", &format!("/v3/spaces/{guid}?include=organization"))
        .await;
    assert_eq!(with.body["included"]["organizations"][0]["guid"], org);
    let listed = world
        .get("admin", "/v3/spaces?include=org&order_by=name")
        .await;
    assert_eq!(listed.body["included"]["organizations"][0]["guid"], org);
    let bad = world.get("admin", "/v3/spaces?include=apps").await;
    assert_eq!(bad.error().1, 10005);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_make_change_and_delete_spaces() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (other, _) = world.tenant("two").await;
    world
        .member("boss", &org, &space, &["organization_manager"])
        .await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    world
        .member("chief", &org, &space, &["space_manager"])
        .await;
    let body = |name: &str, org: &str| json!({"name": name, "relationships": {"organization": {"data": {"guid": org}}}});
    assert_eq!(
        world
            .post("boss", "/v3/spaces", &body("s2", &org))
            .await
            .status,
        201
    );
    assert_eq!(
        world
            .post("dev", "/v3/spaces", &body("s3", &org))
            .await
            .error()
            .1,
        10003
    );
    let foreign = world.post("boss", "/v3/spaces", &body("s2", &other)).await;
    assert_eq!(
        foreign.error(),
        (
            422,
            10008,
            "Invalid organization. Ensure the organization exists and you have access to it."
        )
    );
    let again = world.post("boss", "/v3/spaces", &body("s2", &org)).await;
    assert_eq!(
        again.error(),
        (422, 10008, "Name must be unique per organization")
    );
    let path = format!("/v3/spaces/{space}");
    assert_eq!(
        world
            .patch("chief", &path, &json!({"name": "n"}))
            .await
            .body["name"],
        "n"
    );
    assert_eq!(
        world
            .patch("dev", &path, &json!({"name": "m"}))
            .await
            .status,
        403
    );
    assert_eq!(world.delete("chief", &path).await.status, 403);
    let deleted = world.delete("boss", &path).await;
    assert_eq!(deleted.status, 202);
    assert_eq!(
        world.get("boss", &deleted.job()).await.body["state"],
        "COMPLETE"
    );
    assert_eq!(
        world.get("dev", &path).await.error(),
        (404, 10010, "Space not found")
    );
    assert_eq!(
        world
            .post("boss", "/v3/spaces", &body("n", &org))
            .await
            .status,
        201
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_see_their_spaces_only() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let body = json!({"name": "s2", "relationships": {"organization": {"data": {"guid": org}}}});
    let second = world.post("admin", "/v3/spaces", &body).await.guid();
    for kind in [
        "space_developer",
        "space_auditor",
        "space_supporter",
        "space_manager",
    ] {
        world.member(kind, &org, &space, &[kind]).await;
        assert_eq!(
            world.get(kind, "/v3/spaces").await.column("guid"),
            [space.as_str()],
            "{kind}"
        );
        assert_eq!(
            world
                .get(kind, &format!("/v3/spaces/{second}"))
                .await
                .status,
            404
        );
    }
    world
        .member("boss", &org, &space, &["organization_manager"])
        .await;
    let query = format!("/v3/spaces?organization_guids={org}&order_by=name");
    assert_eq!(
        world.get("boss", &query).await.body["pagination"]["total_results"],
        2
    );
    world
        .member("clerk", &org, &space, &["organization_billing_manager"])
        .await;
    assert_eq!(
        world.get("clerk", "/v3/spaces").await.body["resources"],
        json!([])
    );
    let users = world
        .get("boss", &format!("/v3/spaces/{space}/users"))
        .await;
    assert_eq!(users.body["pagination"]["total_results"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn features_and_what_is_always_empty() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let path = format!("/v3/spaces/{space}");
    let features = world.get("admin", &format!("{path}/features")).await;
    assert_eq!(features.body["resources"][0]["name"], "ssh");
    let on = world
        .patch(
            "admin",
            &format!("{path}/features/ssh"),
            &json!({"enabled": true}),
        )
        .await;
    assert_eq!(on.body["enabled"], true);
    assert_eq!(
        world
            .get("admin", &format!("{path}/features/ssh"))
            .await
            .body["enabled"],
        true
    );
    let unknown = world.get("admin", &format!("{path}/features/x")).await;
    assert_eq!(unknown.error(), (404, 10010, "Feature not found"));
    for list in ["running_security_groups", "staging_security_groups"] {
        let answer = world.get("admin", &format!("{path}/{list}")).await;
        assert_eq!(answer.body["resources"], json!([]), "{list}");
    }
    let segment = format!("{path}/relationships/isolation_segment");
    assert_eq!(world.get("admin", &segment).await.body["data"], Value::Null);
    assert_eq!(
        world
            .patch("admin", &segment, &json!({"data": null}))
            .await
            .status,
        200
    );
    assert_eq!(
        world
            .patch("admin", &segment, &json!({"data": {"guid": "x"}}))
            .await
            .status,
        422
    );
}
