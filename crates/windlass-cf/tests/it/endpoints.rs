//! Every endpoint that the router has: who may call it at all, and that nothing odd breaks it.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::{Method, Request};
use windlass_cf::server::endpoints;
use windlass_engine::records::AdminScope;
use windlass_wire::endpoints::Endpoint;

use crate::world::{Answer, World};

/// What nobody has to log in for: the documents that clients begin with, and the login itself.
const OPEN: [&str; 13] = [
    "/",
    "/api/v1/info",
    "/check_token",
    "/healthz",
    "/info",
    "/login",
    "/oauth/token",
    "/token_key",
    "/token_keys",
    "/v1/info",
    "/v2/info",
    "/v3",
    "/v3/info",
];

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
        request = request.header("authorization", format!("bearer {}", world.token(user)));
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
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn none_breaks_on_odd_paths_and_queries() {
    let world = World::start().await;
    for endpoint in endpoints() {
        for odd in ODD {
            for query in [
                "",
                "?page=0",
                "?per_page=x&order_by=%ff&guids=%00",
                "?=&&a[b]=%zz",
            ] {
                let path = format!("{}{query}", filled(&endpoint.path, odd));
                let answer = call(&world, Some("admin"), &endpoint, &path).await;
                let at = format!("{} {path}: {:?}", endpoint.method, answer.body);
                assert!(answer.status < 500, "{at}");
                if answer.status >= 400 && endpoint.path.starts_with("/v3") {
                    let error = &answer.body["errors"][0];
                    assert!(error["code"].is_u64(), "{at}");
                    assert!(
                        error["title"]
                            .as_str()
                            .is_some_and(|text| text.starts_with("CF-"))
                    );
                    assert!(error["detail"].is_string(), "{at}");
                }
            }
        }
    }
}

/// A user without any role is told the same of what exists and of what does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gets_nothing() {
    let mut world = World::start().await;
    world.user("stranger", AdminScope::None).await;
    let (org, space) = world.tenant("one").await;
    let (app, _) = world.running_app("admin", &space, "shop", 1).await;
    for endpoint in endpoints() {
        let of = |start: &str| endpoint.path.starts_with(start);
        let guid = match () {
            () if of("/v3/apps/{guid}") || of("/v3/processes/{guid}") => &app,
            () if of("/v3/spaces/{guid}") => &space,
            () if of("/v3/organizations/{guid}") => &org,
            () if of("/api/v1/read/") || of("/v1/read/") => &app,
            () => continue,
        };
        let path = filled(&endpoint.path, guid);
        let answer = call(&world, Some("stranger"), &endpoint, &path).await;
        assert!(
            matches!(answer.status, 400 | 404 | 422),
            "{endpoint:?}: {}",
            answer.status
        );
        let path = filled(&endpoint.path, "none");
        let unknown = call(&world, Some("stranger"), &endpoint, &path).await;
        assert_eq!(
            (answer.status, answer.body),
            (unknown.status, unknown.body),
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
        let tables = [
            "endpoints.rs",
            "good_bodies.rs",
            "subjects.rs",
            "walk.rs",
            "walk.txt",
        ];
        if file.is_dir() || tables.iter().any(|table| file.ends_with(table)) {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("text");
        for literal in text.split('"').filter(|literal| literal.starts_with('/')) {
            let path = literal.split('?').next().unwrap_or_default();
            let parts = path.trim_end_matches('/').split('/');
            let parts = parts.map(|part| if part.starts_with('{') { "{}" } else { part });
            paths.insert(parts.map(str::to_owned).collect());
        }
    }
    paths
}

/// Whether a path of a test is one of an endpoint. A parameter takes any part, a fixed part only
/// itself.
fn is_path_of(endpoint: &str, parts: &[String]) -> bool {
    let wanted: Vec<&str> = endpoint.trim_end_matches('/').split('/').collect();
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
    let unknown: Vec<&str> = OPEN
        .into_iter()
        .filter(|path| !all.contains(*path))
        .collect();
    assert_eq!(unknown, Vec::<&str>::new());
}
