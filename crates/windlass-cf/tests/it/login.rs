//! Root documents, tokens, and what is answered to who has none.

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use windlass_control::identity::{NewUser, UserPatch};
use windlass_engine::records::AdminScope;

use crate::world::{Answer, ORIGIN, World};

async fn token(world: &World, form: &str) -> Answer {
    let request = Request::post("/oauth/token")
        .header("authorization", "Basic Y2Y6")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form.to_owned()))
        .expect("a request");
    world.send(request).await
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

async fn get(world: &World, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    world
        .send(request.body(Body::empty()).expect("a request"))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_leads_clients_everywhere() {
    let world = World::start().await;
    let root = get(&world, "/", None).await;
    assert_eq!(root.status, 200);
    let links = &root.body["links"];
    for link in ["self", "login", "uaa", "log_cache"] {
        assert_eq!(links[link]["href"], ORIGIN, "{link}");
    }
    assert_eq!(links["cloud_controller_v3"]["href"], format!("{ORIGIN}/v3"));
    assert_eq!(links["cloud_controller_v3"]["meta"]["version"], "3.220.0");
    assert_eq!(links["app_ssh"], Value::Null);
    let login = get(&world, "/login", Some("")).await;
    assert_eq!(login.body["prompts"]["username"], json!(["text", "Email"]));
    assert_eq!(
        login.body["prompts"]["password"],
        json!(["password", "Password"])
    );
    // Older ones are not sent `--origin`.
    let version = login.body["app"]["version"].as_str().unwrap_or_default();
    let major: u32 = version
        .split('.')
        .next()
        .and_then(|it| it.parse().ok())
        .unwrap_or(0);
    assert!(major > 4, "{version}");
    let v3 = get(&world, "/v3", None).await;
    assert_eq!(
        v3.body["links"]["deployments"]["href"],
        format!("{ORIGIN}/v3/deployments")
    );
    assert_eq!(get(&world, "/v3/info", None).await.body["name"], "windlass");
    assert_eq!(get(&world, "/info", None).await.status, 200);
    // Java programs look here for where to log in.
    let old = get(&world, "/v2/info", None).await.body;
    for endpoint in ["authorization_endpoint", "token_endpoint"] {
        assert_eq!(old[endpoint], ORIGIN, "{endpoint}");
    }
    assert_eq!(old["api_version"], "");
    assert_eq!(get(&world, "/healthz", None).await.body, json!("OK"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_gives_a_token_that_cf_can_read() {
    let world = World::start().await;
    let answer = token(&world, "grant_type=password&username=admin&password=admin").await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(answer.body["token_type"], "bearer");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let access = answer.body["access_token"].as_str().expect("a token");
    let claims = claims(access);
    for claim in [
        "user_name",
        "user_id",
        "origin",
        "client_id",
        "jti",
        "iss",
        "email",
        "zid",
    ] {
        assert!(claims[claim].is_string(), "{claim}: {claims}");
    }
    assert_eq!(claims["user_name"], "admin");
    assert_eq!(claims["origin"], "uaa");
    let life = claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat");
    assert!(life > 600, "cf refreshes a token with less than 60 s left");
    let authorization = format!("Bearer {access}");
    let orgs = get(&world, "/v3/organizations", Some(&authorization)).await;
    assert_eq!(orgs.status, 200);
    let info = get(&world, "/userinfo", Some(&authorization)).await;
    assert_eq!(info.body["user_name"], "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_works_again_after_a_lost_answer() {
    let world = World::start().await;
    let first = token(&world, "grant_type=password&username=admin&password=admin").await;
    let refresh = first.body["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert!(
        !refresh.contains('.'),
        "an opaque one: cf looks for a jti in JWTs"
    );
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    for _ in 0..3 {
        let again = token(&world, &form).await;
        assert_eq!(again.status, 200, "{:?}", again.body);
        assert_eq!(again.body["token_type"], "bearer");
        assert_eq!(again.body["refresh_token"], refresh);
    }
    let bad = token(&world, "grant_type=refresh_token&refresh_token=nonsense").await;
    assert_eq!(
        (bad.status, &bad.body["error"]),
        (401, &json!("invalid_token"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_the_old_refresh_tokens() {
    let mut world = World::start().await;
    let anna = world.user("anna", AdminScope::None).await;
    let first = token(&world, "grant_type=password&username=anna&password=anna").await;
    let refresh = first.body["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let patch = UserPatch {
        password: Some("new".to_owned()),
        ..UserPatch::default()
    };
    world
        .control
        .identity()
        .update_user(&anna.id, patch)
        .await
        .expect("changed");
    let form = format!("grant_type=refresh_token&refresh_token={refresh}");
    assert_eq!(token(&world, &form).await.status, 401);
    assert_eq!(
        token(&world, "grant_type=password&username=anna&password=anna")
            .await
            .status,
        401
    );
    assert_eq!(
        token(&world, "grant_type=password&username=anna&password=new")
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_names_and_wrong_passwords_look_alike() {
    let world = World::start().await;
    for form in [
        "grant_type=password&username=admin&password=wrong",
        "grant_type=password&username=nobody&password=wrong",
    ] {
        let answer = token(&world, form).await;
        assert_eq!(answer.status, 401);
        assert_eq!(
            answer.body,
            json!({"error": "unauthorized", "error_description": "Bad credentials"})
        );
    }
    for (form, status, error) in [
        ("", 400, "invalid_request"),
        ("grant_type=magic", 400, "unsupported_grant_type"),
        ("grant_type=password", 400, "invalid_request"),
        (
            "grant_type=password&grant_type=password",
            400,
            "invalid_request",
        ),
        (
            "grant_type=client_credentials&client_id=a&client_secret=b",
            401,
            "invalid_client",
        ),
    ] {
        let answer = token(&world, form).await;
        assert_eq!(
            (answer.status, answer.body["error"].as_str()),
            (status, Some(error)),
            "{form}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_with_its_own_credentials() {
    let world = World::start().await;
    let new = NewUser {
        is_client: true,
        admin: AdminScope::Admin,
        ..NewUser::person("robot", "s3cret")
    };
    world
        .control
        .identity()
        .create_user(new)
        .await
        .expect("a client");
    let request = Request::post("/oauth/token")
        .body(Body::from(
            "grant_type=client_credentials&client_id=robot&client_secret=s3cret",
        ))
        .expect("a request");
    let answer = world.send(request).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert!(answer.body.get("refresh_token").is_none());
    let access = answer.body["access_token"].as_str().expect("a token");
    let claims = claims(access);
    assert_eq!(claims["client_id"], "robot");
    assert!(
        claims.get("user_name").is_none(),
        "cf would take it for a person"
    );
    let authorization = format!("bearer {access}");
    assert_eq!(
        get(&world, "/v3/organizations", Some(&authorization))
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_a_bad_token_are_told_apart() {
    let world = World::start().await;
    let none = get(&world, "/v3/organizations", None).await;
    assert_eq!(none.error(), (401, 10002, "Authentication error"));
    let good = world.token("admin").to_owned();
    let (head, tail) = good.rsplit_once('.').expect("a signature");
    let other = World::start().await.token("admin").to_owned();
    for bad in [
        "x",
        "a.b.c",
        "wl_unknown",
        &format!("{head}.{}A", &tail[1..]),
        &other,
    ] {
        let answer = get(&world, "/v3/organizations", Some(&format!("bearer {bad}"))).await;
        assert_eq!(answer.error(), (401, 1000, "Invalid Auth Token"), "{bad}");
        assert_eq!(answer.body["errors"][0]["title"], "CF-InvalidAuthToken");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_still_counts_and_a_deleted_user_does_not() {
    let mut world = World::start().await;
    let anna = world.user("anna", AdminScope::None).await;
    world
        .control
        .identity()
        .rotate_signing_key()
        .await
        .expect("a new key");
    let keys = get(&world, "/token_keys", None).await;
    assert_eq!(keys.body["keys"].as_array().expect("keys").len(), 2);
    assert_eq!(keys.body["keys"][0]["alg"], "ES256");
    assert_eq!(
        get(&world, "/token_key", None).await.body,
        keys.body["keys"][0]
    );
    assert_eq!(world.get("anna", "/v3/organizations").await.status, 200);
    world
        .control
        .identity()
        .delete_user(&anna.id)
        .await
        .expect("deleted");
    let gone = world.get("anna", "/v3/organizations").await;
    assert_eq!(gone.error(), (401, 1000, "Invalid Auth Token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn api_tokens_are_bearer_tokens_too() {
    let mut world = World::start().await;
    let anna = world.user("anna", AdminScope::None).await;
    let identity = world.control.identity();
    let made = identity
        .create_token(&anna.id, "ci", None)
        .await
        .expect("a token");
    let authorization = format!("bearer {}", made.text);
    assert_eq!(
        get(&world, "/v3/organizations", Some(&authorization))
            .await
            .status,
        200
    );
    assert!(
        identity
            .delete_token(&made.token.id)
            .await
            .expect("deleted")
    );
    assert_eq!(
        get(&world, "/v3/organizations", Some(&authorization))
            .await
            .status,
        401
    );
}
