//! No body makes a 5xx: every wrong type at every place of every request.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Map, Value, json};

use crate::world::World;

/// Values that stand where something else is expected.
fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(0),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\u{0}"),
        json!("x".repeat(10_000)),
        json!([]),
        json!([null]),
        json!([[[]]]),
        json!({}),
        json!({"data": {"guid": {"guid": []}}}),
        json!({"": {"": {}}}),
    ]
}

/// Every body that differs from a good one at one place.
fn spoiled(good: &Value) -> Vec<Value> {
    let mut bodies = wrong_values();
    if let Value::Object(fields) = good {
        for key in fields.keys() {
            for part in spoiled(&fields[key]) {
                let mut changed: Map<String, Value> = fields.clone();
                changed.insert(key.clone(), part);
                bodies.push(Value::Object(changed));
            }
            let mut without = fields.clone();
            without.remove(key);
            bodies.push(Value::Object(without));
        }
        let mut with_more = fields.clone();
        with_more.insert("unknown".to_owned(), json!(1));
        bodies.push(Value::Object(with_more));
    }
    if let Value::Array(entries) = good {
        for part in entries.first().map(spoiled).unwrap_or_default() {
            bodies.push(json!([part]));
        }
    }
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_makes_a_server_error() {
    let world = World::start().await;
    let (_, space) = world.tenant("one").await;
    let (app, droplet) = world.running_app("admin", &space, "shop", 1).await;
    let of_app = json!({"app": {"data": {"guid": app}}});
    let requests = [
        (
            "POST",
            "/v3/apps".to_owned(),
            json!({
                "name": "a", "relationships": {"space": {"data": {"guid": "none"}}},
                "environment_variables": {"A": "b"},
                "lifecycle": {"type": "buildpack", "data": {"buildpacks": ["x"], "stack": "y"}},
                "metadata": {"labels": {"a": "b"}, "annotations": {"a": "b"}}
            }),
        ),
        ("PATCH", format!("/v3/apps/{app}"), json!({"name": "shop"})),
        (
            "PATCH",
            format!("/v3/apps/{app}/environment_variables"),
            json!({"var": {"A": "b"}}),
        ),
        (
            "PATCH",
            format!("/v3/apps/{app}/features/ssh"),
            json!({"enabled": true}),
        ),
        (
            "PATCH",
            format!("/v3/apps/{app}/relationships/current_droplet"),
            json!({"data": {"guid": droplet}}),
        ),
        (
            "POST",
            "/v3/deployments".to_owned(),
            json!({
                "relationships": of_app.clone(), "droplet": {"guid": "none"},
                "strategy": "canary",
                "options": {"max_in_flight": 1, "canary": {"steps": [{"instance_weight": 1}]}},
                "metadata": {"labels": {"a": "b"}}
            }),
        ),
        (
            "POST",
            format!("/v3/apps/{app}/tasks"),
            json!({"command": "true", "template": {"process": {"guid": "none"}}, "name": "n",
                   "droplet_guid": "none", "memory_in_mb": 1, "user": "vcap"}),
        ),
        (
            "PATCH",
            format!("/v3/processes/{app}"),
            json!({"command": "x", "health_check": {"type": "http", "data": {"endpoint": "/"}},
                   "readiness_health_check": {"type": "process", "data": {"interval": 1}}}),
        ),
        (
            "POST",
            format!("/v3/processes/{app}/actions/scale"),
            json!({"instances": 1, "memory_in_mb": 64}),
        ),
        (
            "POST",
            format!("/v3/apps/{app}/sidecars"),
            json!({"name": "s", "command": "c", "process_types": ["web"], "memory_in_mb": 1}),
        ),
        (
            "POST",
            "/v3/packages".to_owned(),
            json!({"type": "bits", "relationships": of_app.clone(), "data": {}}),
        ),
        (
            "POST",
            "/v3/builds".to_owned(),
            json!({"package": {"guid": "none"}, "staging_memory_in_mb": 1,
                   "lifecycle": {"type": "buildpack", "data": {}}}),
        ),
        (
            "POST",
            "/v3/droplets".to_owned(),
            json!({"relationships": of_app, "process_types": {"web": "x"}}),
        ),
        (
            "POST",
            "/v3/routes".to_owned(),
            json!({
                "host": "h", "path": "/p", "port": 0, "options": {"loadbalancing": "round-robin"},
                "relationships": {"space": {"data": {"guid": "none"}},
                                  "domain": {"data": {"guid": "none"}}}
            }),
        ),
        (
            "POST",
            "/v3/resource_matches".to_owned(),
            json!({"resources": [{"path": "a", "mode": "644", "checksum": {"value": "x"},
                                  "size_in_bytes": 1}]}),
        ),
    ];
    for (method, path, good) in requests {
        for body in spoiled(&good) {
            let status = send(&world, method, &path, body.to_string().into_bytes()).await;
            assert!(status < 500, "{method} {path} {body} → {status}");
        }
        for raw in [
            b"{".to_vec(),
            b"\xff\xfe".to_vec(),
            b"{\"name\": \"\xff\"}".to_vec(),
            b"[1]".to_vec(),
            format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes(),
        ] {
            let status = send(&world, method, &path, raw).await;
            assert_eq!(status, 400, "{method} {path}");
        }
        let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(3_000_000));
        assert_eq!(
            send(&world, method, &path, huge.into_bytes()).await,
            413,
            "{method} {path}"
        );
    }
}

async fn send(world: &World, method: &str, path: &str, body: Vec<u8>) -> u16 {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("bearer {}", world.token("admin")))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("a request");
    world.send(request).await.status
}
