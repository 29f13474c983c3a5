//! Users: at the API and at the user API beside the token endpoint.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use windlass_engine::records::AdminScope;

use crate::world::{Answer, World};

async fn find(world: &World, filter: &str) -> Answer {
    let encoded: String = filter
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    world
        .get("admin", &format!("/Users?filter={encoded}"))
        .await
}

/// The calls of `cf create-user`, `cf passwd` and `cf delete-user`, in order.
#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_user() {
    let world = World::start().await;
    let none = find(&world, r#"userName eq "anna" and origin eq "uaa""#).await;
    assert_eq!(none.body["resources"], json!([]));
    let new = json!({
        "userName": "anna", "password": "p", "origin": "",
        "name": {"familyName": "anna", "givenName": "anna"},
        "emails": [{"value": "anna", "primary": true}],
    });
    let made = world.post("admin", "/Users", &new).await;
    assert_eq!((made.status, &made.body["origin"]), (201, &json!("uaa")));
    let guid = made.body["id"].as_str().expect("an id").to_owned();
    let known = world
        .post("admin", "/v3/users", &json!({"guid": guid}))
        .await;
    assert_eq!(
        (known.status, &known.body["username"]),
        (201, &json!("anna"))
    );
    let again = world.post("admin", "/Users", &new).await;
    assert_eq!(
        (again.status, &again.body["error"]),
        (409, &json!("scim_resource_already_exists"))
    );
    let found = find(&world, r#"userName eq "anna""#).await;
    assert_eq!(found.body["resources"][0]["id"], guid);

    let tokens = world
        .control
        .identity()
        .login("anna", "p", None, "cf")
        .await
        .expect("logs in");
    let change = |old: &str| {
        Request::put(format!("/Users/{guid}/password"))
            .header("authorization", format!("bearer {}", tokens.access_token))
            .body(Body::from(
                json!({"password": "q", "oldPassword": old}).to_string(),
            ))
            .expect("a request")
    };
    assert_eq!(world.send(change("wrong")).await.status, 401);
    assert_eq!(world.send(change("p")).await.status, 200);
    assert!(
        world
            .control
            .identity()
            .login("anna", "q", None, "cf")
            .await
            .is_ok()
    );

    let deleted = world.delete("admin", &format!("/v3/users/{guid}")).await;
    assert_eq!(deleted.status, 202);
    assert_eq!(
        world.get("admin", &deleted.job()).await.body["state"],
        "COMPLETE"
    );
    assert_eq!(
        world
            .delete("admin", &format!("/Users/{guid}"))
            .await
            .status,
        200
    );
    let gone = world.get("admin", &format!("/v3/users/{guid}")).await;
    assert_eq!(gone.error(), (404, 10010, "User not found"));
    assert!(
        world
            .control
            .identity()
            .login("anna", "q", None, "cf")
            .await
            .is_err()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn users_see_those_they_share_an_organization_with() {
    let mut world = World::start().await;
    let (one, space) = world.tenant("one").await;
    let (two, other) = world.tenant("two").await;
    world.member("anna", &one, &space, &[]).await;
    world.member("ben", &one, &space, &[]).await;
    world.member("eve", &two, &other, &[]).await;
    assert_eq!(
        world.get("anna", "/v3/users").await.column("username"),
        ["anna", "ben"]
    );
    let eve = world
        .get("admin", "/v3/users?usernames=eve&origins=uaa")
        .await;
    let guid = eve.column("guid").remove(0);
    assert_eq!(
        world.get("anna", &format!("/v3/users/{guid}")).await.status,
        404
    );
    let part = world.get("admin", "/v3/users?partial_usernames=NN,v").await;
    assert_eq!(part.column("username"), ["anna", "eve"]);
    assert_eq!(
        world.get("admin", "/v3/users?origins=uaa").await.error().1,
        10005
    );
    let labels = json!({"metadata": {"labels": {"team": "red"}}});
    let path = format!("/v3/users/{guid}");
    assert_eq!(world.patch("eve", &path, &labels).await.status, 403);
    let labeled = world.patch("admin", &path, &labels).await;
    assert_eq!(labeled.body["metadata"]["labels"]["team"], "red");
    let selected = world
        .get("admin", "/v3/users?label_selector=team%3Dred")
        .await;
    assert_eq!(selected.column("username"), ["eve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_use_the_user_api() {
    let mut world = World::start().await;
    let anna = world.user("anna", AdminScope::None).await;
    let refused = world.get("anna", "/Users?filter=id%20eq%20%22x%22").await;
    assert_eq!(
        (refused.status, &refused.body["error"]),
        (403, &json!("insufficient_scope"))
    );
    assert_eq!(world.post("anna", "/Users", &json!({})).await.status, 403);
    assert_eq!(
        world
            .delete("anna", &format!("/Users/{}", anna.id))
            .await
            .status,
        403
    );
    let own = world.get("anna", &format!("/Users/{}", anna.id)).await;
    assert_eq!(own.body["userName"], "anna");
    assert_eq!(world.get("admin", "/Users/none").await.status, 404);
    let client = world.get("admin", "/oauth/clients/cf").await;
    assert_eq!(
        (client.status, &client.body["error"]),
        (404, &json!("not_found"))
    );
    for (body, text) in [
        (json!({}), "A username must be provided."),
        (json!({"userName": 5}), "userName must be a string"),
        (json!({"userName": "x"}), "A password must be provided."),
    ] {
        let answer = world.post("admin", "/Users", &body).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.body["error_description"],
            Value::String(text.to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_ends_the_refresh_tokens() {
    let mut world = World::start().await;
    world.user("anna", AdminScope::None).await;
    let identity = world.control.identity();
    let tokens = identity
        .login("anna", "anna", None, "cf")
        .await
        .expect("logs in");
    let refresh = tokens.refresh_token.expect("a refresh token");
    assert!(identity.refresh(&refresh, "cf").await.is_ok());
    let out = world
        .delete("anna", &format!("/oauth/token/revoke/{}", tokens.jti))
        .await;
    assert_eq!(out.status, 200);
    assert!(
        world
            .control
            .identity()
            .refresh(&refresh, "cf")
            .await
            .is_err()
    );
}
