//! Every endpoint that the router has: who may call it at all, and that nothing odd breaks it.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request};
use windlass_digitalocean::server::endpoints;
use windlass_wire::endpoints::Endpoint;

use crate::world::{Answer, World, spec};

/// What carries no token of ours: links of logs have their own, reports their signature.
const OPEN: [&str; 3] = ["/v2/logs/historic", "/v2/logs/live", "/webhooks/{provider}"];

/// Values of path parameters.
const ODD: [&str; 6] = ["none", "%00", "..%2f..", "%ff", "a%20b", "%F0%9F%92%A5"];

fn filled(path: &str, value: &str) -> String {
    let parts = path
        .split('/')
        .map(|part| if part.starts_with('{') { value } else { part });
    parts.collect::<Vec<&str>>().join("/")
}

async fn call(world: &World, user: Option<&str>, endpoint: &Endpoint, path: &str) -> Answer {
    let method: Method = endpoint.method.parse().expect("a method");
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json");
    if let Some(user) = user {
        request = request.header("authorization", format!("Bearer {}", world.token(user)));
    }
    let request = request.body(Body::from("{}")).expect("a request");
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn none_answers_without_a_token() {
    let world = World::start().await;
    for endpoint in endpoints() {
        if OPEN.contains(&endpoint.path.as_str()) {
            continue;
        }
        let path = filled(&endpoint.path, "none");
        let answer = call(&world, None, &endpoint, &path).await;
        assert_eq!(answer.status, 401, "{endpoint:?}: {:?}", answer.body);
        assert_eq!(answer.error().1, "unauthorized");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_breaks_on_odd_paths_and_queries() {
    let world = World::start().await;
    for endpoint in endpoints() {
        for odd in ODD {
            for query in ["", "?page=0", "?per_page=x&type=%ff", "?=&&a[b]=%zz"] {
                let path = format!("{}{query}", filled(&endpoint.path, odd));
                let answer = call(&world, Some("anna"), &endpoint, &path).await;
                let at = format!("{} {path}: {:?}", endpoint.method, answer.body);
                assert!(answer.status < 500 || answer.status == 501, "{at}");
                if answer.status >= 400 {
                    assert!(answer.body["id"].is_string(), "{at}");
                    assert!(answer.body["message"].is_string(), "{at}");
                    assert!(answer.body["request_id"].is_string(), "{at}");
                }
                if answer.status == 404 && endpoint.path.contains("{id}") {
                    assert_eq!(answer.error().1, "not_found", "{at}");
                }
            }
        }
    }
}

/// A user of another team is told the same of what exists and of what does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nothing() {
    let world = World::start().await;
    let (app, _) = world.create(&spec("shop")).await;
    for endpoint in endpoints() {
        if !endpoint.path.starts_with("/v2/apps/{id}") {
            continue;
        }
        let path = filled(&endpoint.path, &app);
        let answer = call(&world, Some("bert"), &endpoint, &path).await;
        assert_eq!(answer.status, 404, "{endpoint:?}: {:?}", answer.body);
        let path = filled(&endpoint.path, "3f5b2f9f-b62f-497e-9980-1bda11e879c3");
        let unknown = call(&world, Some("bert"), &endpoint, &path).await;
        assert_eq!(
            (answer.status, &answer.body["message"]),
            (unknown.status, &unknown.body["message"]),
            "{endpoint:?}"
        );
    }
}

/// Text literals of the tests that are paths; what is filled in stands as `{}`.
fn paths_of_tests() -> BTreeSet<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let mut paths = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the folder of the tests") {
        let file = entry.expect("an entry").path();
        // Tables of paths, as those of a folder are, are no tests.
        if file.is_dir() || file.ends_with("endpoints.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("text");
        for literal in text.split('"') {
            // `{base}/logs` and the like stand for the path of an app or a deployment.
            let literal = literal
                .replace("{base}", "/v2/apps/{app}/deployments/{deployment}")
                .replace("{deployments}", "/v2/apps/{app}/deployments");
            let literal = match literal.strip_prefix("{path}/") {
                Some(rest) => format!("/v2/apps/{{app}}/rollback/{rest}"),
                None => literal,
            };
            if !literal.starts_with('/') {
                continue;
            }
            let path = literal.split('?').next().unwrap_or_default();
            let parts = path
                .split('/')
                .map(|part| if part.starts_with('{') { "{}" } else { part });
            paths.insert(parts.map(str::to_owned).collect());
        }
    }
    paths
}

fn is_path_of(endpoint: &str, parts: &[String]) -> bool {
    let wanted: Vec<&str> = endpoint.split('/').collect();
    wanted.len() == parts.len()
        && wanted
            .iter()
            .zip(parts)
            .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
}

/// The tests above touch every endpoint, but only from outside. Each has a test of its own too.
#[test]
fn each_is_named_by_a_test() {
    let tested = paths_of_tests();
    let missing: BTreeSet<String> = endpoints()
        .into_iter()
        .map(|endpoint| endpoint.path)
        .filter(|path| !path.ends_with("/continue"))
        .filter(|path| !tested.iter().any(|parts| is_path_of(path, parts)))
        .collect();
    assert!(missing.is_empty(), "no test names: {missing:#?}");
}

#[test]
fn the_open_ones_exist() {
    let all: BTreeSet<String> = endpoints()
        .into_iter()
        .map(|endpoint| endpoint.path)
        .collect();
    assert!(OPEN.iter().all(|path| all.contains(*path)));
}
