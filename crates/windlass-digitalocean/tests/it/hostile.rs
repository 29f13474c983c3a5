//! Input that means no good: no 5xx, and nothing is half-created.

use axum::body::Body;
use axum::http::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{World, spec};

/// Any JSON, not too large.
fn junk() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,20}".prop_map(Value::from),
        prop_oneof![
            Just("$".repeat(300)),
            Just("${web.PUBLIC_URL}${_self.X}".to_owned()),
            Just("EV[1:x:AAAA]".to_owned()),
            Just("../../etc".to_owned()),
            Just("http://169.254.169.254/latest".to_owned()),
            Just("a\u{0}b".to_owned()),
            Just("apps.windlass.test".to_owned()),
            Just("held.example.com".to_owned()),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{1,12}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Places of a good spec where junk is put.
fn places() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/name",
        "/region",
        "/services",
        "/services/0",
        "/services/0/name",
        "/services/0/github",
        "/services/0/github/repo",
        "/services/0/github/branch",
        "/services/0/run_command",
        "/services/0/environment_slug",
        "/services/0/instance_size_slug",
        "/services/0/instance_count",
        "/services/0/routes",
        "/services/0/routes/0/path",
        "/services/0/envs",
        "/services/0/health_check",
        "/services/0/termination",
        "/services/0/http_port",
        "/workers",
        "/jobs",
        "/static_sites",
        "/ingress",
        "/domains",
        "/domains/0",
        "/domains/0/domain",
        "/domains/0/type",
        "/domains/0/wildcard",
        "/envs",
        "/features",
        "/alerts",
        "/databases",
        "/functions",
        "/vpc",
        "/maintenance",
        "/odd",
    ])
}

/// Puts a value at a place; members that are missing are made.
fn put(spec: &mut Value, place: &str, value: Value) {
    if let Some(found) = spec.pointer_mut(place) {
        *found = value;
        return;
    }
    let (parent, name) = place.rsplit_once('/').expect("a place");
    if let Some(Value::Object(parent)) = spec.pointer_mut(parent) {
        parent.insert(name.to_owned(), value);
    }
}

#[test]
fn no_spec_breaks_anything() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = runtime.block_on(World::start());
    let mut holder = spec("holder");
    holder["domains"] = json!([{"domain": "held.example.com"}]);
    runtime.block_on(world.create(&holder));
    let hosts = world.control.routes().table().hosts;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let inputs = (places(), junk());
    runner
        .run(&inputs, |(place, value)| {
            let mut hostile = spec("victim");
            hostile["domains"] = json!([{"domain": "victim.example.com", "type": "ALIAS"}]);
            put(&mut hostile, place, value);
            runtime.block_on(async {
                let before = world.get("/v2/apps?per_page=200").await.body["meta"]["total"].clone();
                let proposed = world
                    .post("/v2/apps/propose", &json!({"spec": hostile}))
                    .await;
                prop_assert!(proposed.status < 500, "{:?}", proposed.body);
                let made = world.post("/v2/apps", &json!({"spec": hostile})).await;
                prop_assert!(made.status < 500, "{:?}", made.body);
                if made.status == 200 {
                    let id = made.app();
                    prop_assert_eq!(proposed.status, 200);
                    let gone = world.delete(&format!("/v2/apps/{id}")).await;
                    prop_assert_eq!(gone.status, 200);
                } else {
                    prop_assert!(made.body["message"].is_string());
                }
                let after = world.get("/v2/apps?per_page=200").await.body["meta"]["total"].clone();
                prop_assert_eq!(before, after);
                prop_assert_eq!(&world.control.routes().table().hosts, &hosts);
                Ok(())
            })
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_bytes_break_anything() {
    let world = World::start().await;
    let deep = "[".repeat(50_000);
    let bombs: [&[u8]; 9] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\xff\xfe\x00",
        b"{\"spec\":null}",
        b"{\"spec\":{\"name\":\"\\ud800\"}}",
        b"{\"spec\":{\"name\":1e999}}",
        deep.as_bytes(),
    ];
    for bytes in bombs {
        for kind in [
            "application/json",
            "application/yaml",
            "text/html",
            "\u{0}",
            "",
        ] {
            let Ok(request) = Request::builder()
                .method(Method::POST)
                .uri("/v2/apps")
                .header("authorization", format!("Bearer {}", world.token("anna")))
                .header("content-type", kind)
                .body(Body::from(bytes.to_vec()))
            else {
                continue;
            };
            let refused = world.send(request).await;
            assert!(
                (400..500).contains(&refused.status),
                "{kind} {:?}",
                refused.body
            );
            assert!(refused.body["message"].is_string());
        }
    }
    // A YAML bomb: each line doubles the one before.
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..30 {
        let before = level - 1;
        let line = format!("a{level}: &a{level} [*a{before}, *a{before}]\n");
        bomb.push_str(&line);
    }
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v2/apps")
        .header("authorization", format!("Bearer {}", world.token("anna")))
        .header("content-type", "application/yaml")
        .body(Body::from(bomb))
        .expect("a request");
    assert_eq!(world.send(request).await.status, 400);
    assert_eq!(world.get("/v2/apps").await.body["meta"]["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_point_where_they_must_not_are_refused() {
    let world = World::start().await;
    for url in [
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/x.git",
        "file:///etc",
        "ext::sh -c id",
        "--upload-pack=id",
        "https://user:secret@host/x.git",
        "ftp://example.com/x.git",
    ] {
        let mut bad = spec("shop");
        bad["services"][0]["github"] = Value::Null;
        bad["services"][0]["git"] = json!({"repo_clone_url": url, "branch": "main"});
        for path in ["/v2/apps/propose", "/v2/apps"] {
            let refused = world.post(path, &json!({"spec": bad})).await;
            assert_eq!(refused.error().0, 400, "{url}: {:?}", refused.body);
        }
    }
    assert_eq!(world.get("/v2/apps").await.body["meta"]["total"], 0);
}
