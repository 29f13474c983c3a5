//! Who calls, their teams and tokens; the forms that hold for every answer.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_and_a_bad_token_are_told_apart_and_both_are_403() {
    let world = World::start().await;
    let ask = |token: Option<&str>| {
        let mut request = Request::builder().uri("/v2/user");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        request.body(Body::empty()).expect("a request")
    };
    let missing = world.send(ask(None)).await;
    assert_eq!(missing.error(), (403, "forbidden", "Not authorized"));
    assert_eq!(missing.body["error"]["missingToken"], true);
    for bad in ["Bearer nonsense", "Bearer a.b.c"] {
        let invalid = world.send(ask(Some(bad))).await;
        assert_eq!(invalid.error(), (403, "forbidden", "Not authorized"));
        assert_eq!(invalid.body["error"]["invalidToken"], true);
        assert_eq!(invalid.body["error"]["missingToken"], json!(null));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_version_and_now_lead_to_the_same_place() {
    let world = World::start().await;
    for path in [
        "/user",
        "/v2/user",
        "/v99/user",
        "/now/user",
        "/v2/now/user",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {:?}", answer.body);
        assert_eq!(answer.body["user"]["username"], "anna");
        let id = answer
            .headers
            .get("x-vercel-id")
            .expect("an id of the request");
        assert!(id.to_str().expect("text").contains("::"));
        assert!(answer.headers.contains_key("x-ratelimit-remaining"));
    }
    assert_eq!(world.get("/v2/nothing").await.error().0, 404);
    let other = world.call(Method::PUT, "anna", "/v2/user", None).await;
    assert_eq!(other.error().1, "method_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_has_a_default_team_and_no_personal_scope() {
    let world = World::start().await;
    let user = world.get("/v2/user").await.body["user"].clone();
    assert_eq!(user["version"], "northstar");
    let id = user["defaultTeamId"].as_str().expect("a team");
    let by_id = world.get(&format!("/teams/{id}?teamId={id}")).await.body;
    assert_eq!(by_id["slug"], "team-anna");
    assert_eq!(by_id["membership"]["role"], "MEMBER");
    assert_eq!(world.get("/v2/teams/team-anna").await.body["id"], id);
    let teams = world.get("/v2/teams?limit=20").await.body;
    assert_eq!(teams["teams"].as_array().map(Vec::len), Some(1));
    assert_eq!(teams["pagination"]["next"], json!(null));
    assert_eq!(world.get("/teams/team-bert").await.error().0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_that_one_is_not_in_is_refused_wherever_it_is_named() {
    let world = World::start().await;
    for team in [
        "teamId=team_3f5b2f9fb62f497e99801bda11e879c3",
        "slug=team-bert",
    ] {
        let refused = world.get(&format!("/v9/projects?{team}")).await;
        assert_eq!(refused.error().0, 403, "{team}");
        assert_eq!(refused.error().1, "team_unauthorized", "{team}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_come_in_pages() {
    let world = World::start().await;
    let first = world
        .call(Method::GET, "admin", "/v2/teams?limit=1", None)
        .await;
    assert_eq!(first.body["teams"].as_array().map(Vec::len), Some(1));
    let next = first.body["pagination"]["next"].as_i64().expect("more");
    let path = format!("/v2/teams?limit=1&until={next}");
    let second = world.call(Method::GET, "admin", &path, None).await;
    assert_ne!(first.body["teams"][0]["id"], second.body["teams"][0]["id"]);
    assert_eq!(second.body["pagination"]["next"], json!(null));
    for bad in ["limit=0", "limit=x", "until=soon"] {
        assert_eq!(world.get(&format!("/v2/teams?{bad}")).await.error().0, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_made_listed_and_end() {
    let world = World::start().await;
    let made = world.post("/v3/user/tokens", &json!({"name": "ci"})).await;
    assert_eq!(made.status, 200, "{:?}", made.body);
    let text = made.body["bearerToken"]
        .as_str()
        .expect("a token")
        .to_owned();
    let id = made.body["token"]["id"].as_str().expect("an id").to_owned();
    let listed = world.get("/v6/user/tokens").await.body;
    assert_eq!(listed["tokens"].as_array().map(Vec::len), Some(2));
    let shown = world.get(&format!("/v5/user/tokens/{id}")).await;
    assert_eq!(shown.body["token"]["name"], "ci");

    let with = |method: Method, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {text}"))
            .body(Body::empty())
            .expect("a request")
    };
    assert_eq!(world.send(with(Method::GET, "/v2/user")).await.status, 200);
    let gone = world
        .send(with(Method::DELETE, "/v3/user/tokens/current"))
        .await;
    assert_eq!(gone.body["tokenId"], id.as_str());
    assert_eq!(world.send(with(Method::GET, "/v2/user")).await.status, 403);
    assert_eq!(
        world.get(&format!("/v5/user/tokens/{id}")).await.status,
        404
    );
    let past = world
        .post("/v3/user/tokens", &json!({"name": "x", "expiresAt": 5}))
        .await;
    assert_eq!(past.error().0, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_told_when_to_come_again() {
    let world = World::start_with(2).await;
    for _ in 0..2 {
        assert_eq!(world.get("/v2/user").await.status, 200);
    }
    let refused = world.get("/v2/user").await;
    assert_eq!(refused.error().0, 429);
    assert_eq!(refused.error().1, "rate_limited");
    assert_eq!(refused.body["error"]["limit"]["total"], 2);
    assert!(refused.headers.contains_key("retry-after"));
}
