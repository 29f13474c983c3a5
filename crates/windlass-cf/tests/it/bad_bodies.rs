//! No body makes a 5xx: every wrong type at every place of every request that has a body.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Map, Value, json};
use windlass_cf::server::endpoints;
use windlass_wire::endpoints::Endpoint;

use crate::good_bodies::{OTHER_FORMS, WITHOUT_BODY, good_body};
use crate::shop::form;
use crate::subjects::Subjects;
use crate::world::{Answer, World};

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
        json!(" "),
        json!("\u{0}"),
        json!("\u{202e}\u{1f4a5}\r\n"),
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

/// Endpoints that read a body as JSON.
fn reading() -> impl Iterator<Item = Endpoint> {
    endpoints().into_iter().filter(|endpoint| {
        matches!(endpoint.method.as_str(), "POST" | "PATCH" | "PUT")
            && !WITHOUT_BODY.contains(&endpoint.path.as_str())
            && !OTHER_FORMS.contains(&endpoint.path.as_str())
    })
}

/// A refusal is a 4xx in the form of its API, with a text.
fn assert_refused_or_done(at: &str, answer: &Answer) {
    assert!(
        answer.status < 500,
        "{at} → {}: {:?}",
        answer.status,
        answer.body
    );
    if answer.status < 400 {
        return;
    }
    let errors = &answer.body["errors"];
    let detail = match errors.as_array() {
        Some(errors) => &errors[0]["detail"],
        None => &answer.body["error_description"],
    };
    assert!(
        detail.as_str().is_some_and(|text| !text.is_empty()),
        "{at} → {}: {:?}",
        answer.status,
        answer.body
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_makes_a_server_error() {
    let mut world = World::start().await;
    let subjects = Subjects::make(&mut world).await;
    for endpoint in reading() {
        let at = format!("{} {}", endpoint.method, endpoint.path);
        let good = good_body(&endpoint, &subjects);
        let good = good.unwrap_or_else(|| panic!("no good body is known for {at}"));
        let path = subjects.path(&endpoint);
        for body in spoiled(&good) {
            let text = body.to_string();
            let answer = send(&world, &endpoint.method, &path, text.clone().into_bytes()).await;
            assert_refused_or_done(&format!("{at} {text}"), &answer);
        }
    }
    // Whatever was changed by it: the world still answers.
    let apps = world.get("admin", "/v3/apps").await;
    assert_eq!(apps.status, 200, "{:?}", apps.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_or_too_much_is_refused_everywhere() {
    let mut world = World::start().await;
    let subjects = Subjects::make(&mut world).await;
    for endpoint in reading() {
        let at = format!("{} {}", endpoint.method, endpoint.path);
        let path = subjects.path(&endpoint);
        for raw in [
            b"{".to_vec(),
            b"\xff\xfe".to_vec(),
            b"{\"name\": \"\xff\"}".to_vec(),
            b"{\"name\": \"\\ud800\"}".to_vec(),
            b"[1]".to_vec(),
            b"{\"a\": 1e999}".to_vec(),
            format!("{}{}", "[".repeat(50_000), "]".repeat(50_000)).into_bytes(),
            format!("{}1{}", "{\"a\":".repeat(50_000), "}".repeat(50_000)).into_bytes(),
        ] {
            let answer = send(&world, &endpoint.method, &path, raw).await;
            assert_refused_or_done(&at, &answer);
            assert!(
                matches!(answer.status, 400 | 422),
                "{at} → {}",
                answer.status
            );
        }
        let huge = format!("{{\"name\": \"{}\"}}", "x".repeat(3_000_000));
        let answer = send(&world, &endpoint.method, &path, huge.into_bytes()).await;
        // The token endpoint has no 413 of its own.
        let is_ours = endpoint.path.starts_with("/v3");
        assert!(
            matches!((answer.status, is_ours), (413 | 422, true) | (400, false)),
            "{at} → {}",
            answer.status
        );
        assert_refused_or_done(&at, &answer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_body_is_read_any_is_fine() {
    let mut world = World::start().await;
    let subjects = Subjects::make(&mut world).await;
    let all = endpoints();
    for path in WITHOUT_BODY {
        let endpoint = all.iter().find(|endpoint| {
            endpoint.path == path && matches!(endpoint.method.as_str(), "POST" | "PUT" | "PATCH")
        });
        let endpoint = endpoint.unwrap_or_else(|| panic!("the router has no {path}"));
        let path = subjects.path(endpoint);
        for raw in [&b""[..], b"{}", b"garbage", b"\xff", b"[[["] {
            let answer = send(&world, &endpoint.method, &path, raw.to_vec()).await;
            assert_refused_or_done(&endpoint.path, &answer);
            assert_ne!(answer.status, 400, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_and_forms_may_be_anything() {
    let mut world = World::start().await;
    let subjects = Subjects::make(&mut world).await;
    let all = endpoints();
    let deep = "- ".repeat(20_000);
    let anchors = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                   c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                   e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                   applications: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "x",
        "[]",
        "applications",
        "applications: x",
        "applications: []",
        "applications: [1]",
        "applications: [{}]",
        "applications:\n- name: [a]",
        "applications:\n- name: shop\n  processes: 5",
        "applications:\n- name: shop\n  env: [1]",
        "applications:\n- name: shop\n  env: {A: {B: [1]}}",
        "applications:\n- name: shop\n  routes: [{route: [1]}]",
        "applications:\n- name: shop\n  routes: [{route: '::::'}]",
        "applications:\n- name: shop\n  memory: -1",
        "applications:\n- name: shop\n  memory: 1e99G",
        "applications:\n- name: shop\n  instances: 99999999999999999999",
        "applications:\n- name: shop\n  sidecars: [{name: 1}]",
        "applications:\n- name: shop\n  services: [{name: 1}]",
        "applications:\n- name: shop\n  services: {a: b}",
        "applications:\n- name: shop\n  metadata: {labels: [1]}",
        "applications:\n- name: shop\n  processes: [{type: web, health-check-type: []}]",
        "applications:\n- &x {name: shop}\n- *x\n- *y",
        "%YAML 9.9\n---\n",
        "!!binary x",
        "\t- x",
        "applications:\n- name: shop\n- name: shop",
        "grant_type=%ff&=&&",
        "--x--",
        "a: 'b",
        anchors,
        &deep,
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push(b"\xff\xfe\x00applications".to_vec());
    bodies.push(form(&[("bits", Some("x.zip"), b"no zip".to_vec())]));
    bodies.push(form(&[("bits", None, Vec::new())]));
    bodies.push(form(&[("resources", None, b"{".to_vec())]));
    bodies.push(form(&[("resources", None, b"[{\"sha1\": 5}]".to_vec())]));
    for path in OTHER_FORMS {
        let endpoint = all.iter().find(|it| it.path == path && it.method == "POST");
        let endpoint = endpoint.unwrap_or_else(|| panic!("the router has no {path}"));
        let path = subjects.path(endpoint);
        for body in &bodies {
            for kind in [
                "application/json",
                "application/x-yaml",
                "application/x-www-form-urlencoded",
                "multipart/form-data",
                "multipart/form-data; boundary=----windlass-test-border",
                "\u{fe}",
            ] {
                let request = Request::post(&path)
                    .header("authorization", format!("bearer {}", world.token("admin")))
                    .header("content-type", kind.as_bytes())
                    .body(Body::from(body.clone()))
                    .expect("a request");
                let answer = world.send(request).await;
                let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
                assert_refused_or_done(&format!("{path} {kind} {shown}"), &answer);
            }
        }
    }
}

async fn send(world: &World, method: &str, path: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("bearer {}", world.token("admin")))
        .header("content-type", "application/json")
        .body(Body::from(body))
        .expect("a request");
    world.send(request).await
}
