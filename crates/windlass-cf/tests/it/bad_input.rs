//! No input gives a 5xx; each wrong one gets the dialect's own 4xx.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};
use windlass_engine::records::AdminScope;

use crate::world::{Answer, World};

async fn raw(world: &World, method: &Method, path: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("bearer {}", world.token("admin")))
        .body(Body::from(body))
        .expect("a request");
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_of_any_shape_gives_a_5xx() {
    let world = World::start().await;
    let (org, space) = world.tenant("one").await;
    let targets = [
        (Method::POST, "/v3/organizations".to_owned()),
        (Method::PATCH, format!("/v3/organizations/{org}")),
        (Method::POST, "/v3/spaces".to_owned()),
        (Method::PATCH, format!("/v3/spaces/{space}")),
        (Method::PATCH, format!("/v3/spaces/{space}/features/ssh")),
        (Method::POST, "/v3/roles".to_owned()),
        (Method::POST, "/v3/users".to_owned()),
        (Method::POST, "/v3/domains".to_owned()),
        (Method::PATCH, "/v3/feature_flags/task_creation".to_owned()),
    ];
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!([]),
        json!([[]]),
        json!({}),
        json!({"data": 1}),
        json!({"data": {"guid": []}}),
        json!({"labels": {"": {}}}),
        json!("x".repeat(100_000)),
    ];
    let keys = [
        "name",
        "suspended",
        "relationships",
        "metadata",
        "type",
        "guid",
        "username",
        "origin",
        "enabled",
        "internal",
        "custom_error_message",
        "unknown",
    ];
    for (method, path) in &targets {
        for key in keys {
            for value in &values {
                let body = json!({ key: value }).to_string().into_bytes();
                let answer = raw(&world, method, path, body).await;
                assert!(
                    answer.status < 500,
                    "{method} {path} {key} {value}: {:?}",
                    answer.body
                );
                if answer.status >= 400 {
                    assert!(
                        answer.body["errors"][0]["detail"].is_string(),
                        "{:?}",
                        answer.body
                    );
                }
            }
        }
        for bytes in [
            &b"{"[..],
            b"[]",
            b"5",
            b"\xff\xfe",
            b"{\"name\":\"\xc3\x28\"}",
        ] {
            let answer = raw(&world, method, path, bytes.to_vec()).await;
            assert_eq!(
                answer.error(),
                (
                    400,
                    1001,
                    "Request invalid due to parse error: invalid request body"
                ),
                "{method} {path}"
            );
        }
        let deep = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        assert_eq!(
            raw(&world, method, path, deep.into_bytes()).await.error().1,
            1001
        );
        let large = vec![b' '; 3 * 1024 * 1024];
        assert_eq!(
            raw(&world, method, path, large).await.status,
            413,
            "{method} {path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_query_gives_a_5xx() {
    let world = World::start().await;
    let queries = [
        "page=-1",
        "page=99999999999999999999",
        "per_page=0",
        "order_by=%00",
        "names=%ff",
        "label_selector=%2C",
        "label_selector=a(b",
        "created_ats=x",
        "created_ats[lt]=",
        "created_ats[zz]=2016-06-08T16:41:23Z",
        "guids=%27%3B--",
        "include=x",
        "&&=&",
        "x[y]=z",
        "guids=%00",
        "names=%25%25%252",
        "page=1&page=2",
    ];
    for list in [
        "organizations",
        "spaces",
        "roles",
        "users",
        "domains",
        "feature_flags",
        "stacks",
        "organization_quotas",
        "space_quotas",
        "buildpacks",
        "audit_events",
        "isolation_segments",
        "security_groups",
    ] {
        for query in queries {
            let answer = world.get("admin", &format!("/v3/{list}?{query}")).await;
            assert!(answer.status < 500, "{list}?{query}: {:?}", answer.body);
            if answer.status != 200 {
                assert_eq!(
                    (answer.status, answer.error().1),
                    (400, 10005),
                    "{list}?{query}"
                );
            }
        }
        let many = vec!["x".repeat(36); 1700].join(",");
        let answer = world
            .get("admin", &format!("/v3/{list}?guids={many}"))
            .await;
        assert!(
            matches!(answer.status, 200 | 400),
            "{list}: {}",
            answer.status
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_wants_a_token_and_the_right_scope() {
    let mut world = World::start().await;
    world.user("anna", AdminScope::None).await;
    for (method, path) in [
        (Method::GET, "/v3/organizations"),
        (Method::POST, "/v3/organizations"),
        (Method::GET, "/v3/organizations/x"),
        (Method::PATCH, "/v3/organizations/x"),
        (Method::DELETE, "/v3/organizations/x"),
        (Method::GET, "/v3/organizations/x/domains"),
        (Method::GET, "/v3/spaces"),
        (Method::POST, "/v3/spaces"),
        (Method::GET, "/v3/spaces/x"),
        (Method::GET, "/v3/roles"),
        (Method::POST, "/v3/roles"),
        (Method::DELETE, "/v3/roles/x"),
        (Method::GET, "/v3/users"),
        (Method::POST, "/v3/users"),
        (Method::DELETE, "/v3/users/x"),
        (Method::GET, "/v3/domains"),
        (Method::POST, "/v3/domains"),
        (Method::GET, "/v3/jobs/x"),
        (Method::GET, "/v3/feature_flags"),
        (Method::GET, "/v3/audit_events"),
        (Method::GET, "/v3/stacks"),
        (Method::GET, "/v3/buildpacks"),
        (Method::GET, "/v3/organization_quotas"),
        (Method::GET, "/v3/space_quotas"),
        (Method::GET, "/v3/isolation_segments"),
        (Method::GET, "/v3/security_groups"),
        (Method::GET, "/v3/environment_variable_groups/running"),
    ] {
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .body(Body::empty())
            .expect("a request");
        let answer = world.send(request).await;
        assert_eq!(
            answer.error(),
            (401, 10002, "Authentication error"),
            "{method} {path}"
        );
    }
    let hidden: Value = world.get("anna", "/v3/organizations").await.body;
    assert_eq!(hidden["resources"], json!([]));
}
