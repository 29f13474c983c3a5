//! Roles.

use serde_json::{Value, json};
use windlass_engine::records::AdminScope;

use crate::world::World;

fn body(kind: &str, user: &Value, place: &str, guid: &str) -> Value {
    json!({
        "type": kind,
        "relationships": {"user": {"data": user}, place: {"data": {"guid": guid}}},
    })
}

/// What `cf create-space` and `cf set-space-role` send.
#[tokio::test(flavor = "multi_thread")]
async fn roles_by_name_and_origin_are_idempotent_for_cf() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world.user("anna", AdminScope::None).await;
    let anna = json!({"username": "anna", "origin": "uaa"});
    let early = world
        .post(
            "admin",
            "/v3/roles",
            &body("space_developer", &anna, "space", &space),
        )
        .await;
    assert_eq!(
        early.error().2,
        "Users cannot be assigned roles in a space if they do not have a role in that space's \
         organization."
    );
    let member = body("organization_user", &anna, "organization", &org);
    let made = world.post("admin", "/v3/roles", &member).await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["relationships"]["space"]["data"], Value::Null);
    assert_eq!(
        made.body["relationships"]["organization"]["data"]["guid"],
        org
    );
    let again = world.post("admin", "/v3/roles", &member).await;
    assert_eq!(
        again.error(),
        (
            422,
            10008,
            "User 'anna' already has 'organization_user' role in organization 'one'."
        )
    );
    let developer = body("space_developer", &anna, "space", &space);
    let made = world.post("admin", "/v3/roles", &developer).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        made.body["relationships"]["organization"]["data"],
        Value::Null
    );
    let again = world.post("admin", "/v3/roles", &developer).await;
    assert_eq!(
        again.error().2,
        "User 'anna' already has 'space_developer' role in space 'one-space'."
    );
    let nobody = json!({"username": "nobody"});
    let unknown = body("organization_user", &nobody, "organization", &org);
    assert_eq!(
        world.post("admin", "/v3/roles", &unknown).await.error().2,
        "No user exists with the username 'nobody'."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_listed_with_their_users_and_taken_away() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    world
        .member("anna", &org, &space, &["space_developer"])
        .await;
    let query = format!("/v3/roles?space_guids={space}&include=user");
    let listed = world.get("admin", &query).await;
    assert_eq!(listed.column("type"), ["space_developer"]);
    assert_eq!(listed.body["included"]["users"][0]["username"], "anna");
    let in_org = world
        .get("anna", &format!("/v3/roles?organization_guids={org}"))
        .await;
    assert_eq!(in_org.column("type"), ["organization_user"]);
    let member = in_org.column("guid").remove(0);
    let refused = world.delete("admin", &format!("/v3/roles/{member}")).await;
    assert_eq!(
        refused.error().2,
        "Cannot delete organization_user role while user has roles in spaces in that \
         organization."
    );
    let developer = listed.column("guid").remove(0);
    let path = format!("/v3/roles/{developer}?include=space,user");
    assert_eq!(
        world.get("admin", &path).await.body["included"]["spaces"][0]["guid"],
        space
    );
    assert_eq!(
        world
            .delete("anna", &format!("/v3/roles/{developer}"))
            .await
            .status,
        403
    );
    let gone = world
        .delete("admin", &format!("/v3/roles/{developer}"))
        .await;
    assert_eq!(gone.status, 202);
    assert_eq!(
        world.get("admin", &gone.job()).await.body["state"],
        "COMPLETE"
    );
    assert_eq!(
        world
            .get("admin", &format!("/v3/roles/{developer}"))
            .await
            .status,
        404
    );
    assert_eq!(
        world.get("anna", "/v3/spaces").await.body["resources"],
        json!([]),
        "at once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_give_roles_in_their_own_place_only() {
    let mut world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let (other, _) = world.tenant("two").await;
    world
        .member("boss", &org, &space, &["organization_manager"])
        .await;
    world
        .member("dev", &org, &space, &["space_developer"])
        .await;
    world.user("eve", AdminScope::None).await;
    let eve = json!({"username": "eve"});
    let here = body("organization_user", &eve, "organization", &org);
    assert_eq!(world.post("dev", "/v3/roles", &here).await.status, 403);
    assert_eq!(world.post("boss", "/v3/roles", &here).await.status, 201);
    let there = body("organization_user", &eve, "organization", &other);
    assert_eq!(
        world.post("boss", "/v3/roles", &there).await.error().2,
        "Invalid organization. Ensure that the organization exists and you have access to it."
    );
    let flag = "/v3/feature_flags/set_roles_by_username";
    let off = json!({"enabled": false, "custom_error_message": "ask the operator"});
    assert_eq!(world.patch("admin", flag, &off).await.status, 200);
    let named = body("space_auditor", &eve, "space", &space);
    let refused = world.post("boss", "/v3/roles", &named).await;
    assert_eq!(
        refused.error(),
        (403, 330_002, "Feature Disabled: ask the operator")
    );
    assert_eq!(world.post("admin", "/v3/roles", &named).await.status, 201);
}
