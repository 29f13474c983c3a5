//! One call of every method of every endpoint that the router has, on things that exist, with the
//! status that it answers. A new endpoint fails here until somebody has said what it does.

use axum::body::Body;
use axum::http::Request;
use windlass_cf::server::endpoints;
use windlass_wire::endpoints::Endpoint;

use crate::good_bodies::good_body;
use crate::subjects::Subjects;
use crate::world::World;

/// The statuses as they are meant.
const MEANT: &str = include_str!("walk.txt");

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_answers_as_it_is_meant() {
    let mut world = World::start().await;
    let mut subjects = Subjects::make(&mut world).await;
    subjects.are_named = true;
    let mut all = endpoints();
    // What is inside of something is deleted before it, and everything is used before that.
    all.sort_by_key(|endpoint| {
        let depth = endpoint.path.split('/').count();
        let kind = match endpoint.path.split('/').nth(2) {
            Some("apps" | "domains") => 1,
            Some("spaces") => 2,
            Some("organizations") => 3,
            _ => 0,
        };
        let turn = match endpoint.method.as_str() {
            "GET" => (0, 0),
            "DELETE" => (2, kind),
            _ => (1, 0),
        };
        (turn, std::cmp::Reverse(depth), endpoint.clone())
    });
    let mut lines = Vec::new();
    for endpoint in &all {
        let status = call(&world, &subjects, endpoint).await;
        lines.push(format!("{} {} {status}", endpoint.method, endpoint.path));
    }
    lines.sort();
    let meant: Vec<&str> = MEANT.lines().collect();
    let unmeant: Vec<&String> = lines
        .iter()
        .filter(|line| !meant.contains(&line.as_str()))
        .collect();
    let gone: Vec<&&str> = meant
        .iter()
        .filter(|line| !lines.iter().any(|seen| seen == *line))
        .collect();
    assert!(
        unmeant.is_empty() && gone.is_empty(),
        "seen and not in walk.txt: {unmeant:#?}\nin walk.txt and not seen: {gone:#?}"
    );
}

async fn call(world: &World, subjects: &Subjects, endpoint: &Endpoint) -> u16 {
    let path = match endpoint.path.as_str() {
        // Without this it asks for what to delete.
        "/v3/spaces/{guid}/routes" => format!("{}?unmapped=true", subjects.path(endpoint)),
        _ => subjects.path(endpoint),
    };
    let body = good_body(endpoint, subjects).map_or_else(Body::empty, |it| it.to_string().into());
    let request = Request::builder()
        .method(endpoint.method.as_str())
        .uri(path)
        .header("authorization", format!("bearer {}", world.token("admin")))
        .header("content-type", "application/json")
        .body(body)
        .expect("a request");
    world.send(request).await.status
}
