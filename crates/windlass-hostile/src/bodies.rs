//! Bodies of every request type of a dialect: each is answered, and a refusal has the form of its
//! API.
//!
//! An input is a line with method and path as the endpoint has them (`POST /v3/apps/{guid}/tasks`),
//! then the body, in which `@app` stands for the id of an app that exists. A line that names no
//! endpoint stands for one of them.

use serde_json::Value;

use crate::world::{self, Asked, Dialect, World};

/// Members whose text may be the name of a machine. It is asked for its branches, so only our own
/// may be named.
const MACHINES: [&str; 5] = ["repo_clone_url", "gitUrl", "host", "url", "repoUrl"];
/// What such a text begins with when nobody else is asked.
const OURS: &str = "http://127.0.0.1:9/";

/// Feeds a request of Cloud Foundry.
pub fn check_cf(input: &[u8]) {
    check(Dialect::Cf, input);
}

/// Feeds a request of DigitalOcean.
pub fn check_digitalocean(input: &[u8]) {
    check(Dialect::DigitalOcean, input);
}

/// Feeds a request of Vercel.
pub fn check_vercel(input: &[u8]) {
    check(Dialect::Vercel, input);
}

/// What an input leads to: the status, if it is sent at all.
pub(crate) fn check(dialect: Dialect, input: &[u8]) -> Option<u16> {
    let line = input.iter().position(|byte| *byte == b'\n');
    let (line, body) = input.split_at(line.unwrap_or(input.len()));
    let body = body.get(1..).unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let endpoints = World::endpoints(dialect);
    let is_named = |endpoint: &&windlass_wire::endpoints::Endpoint| {
        line.strip_prefix(endpoint.method.as_str())
            .and_then(|rest| rest.strip_prefix(' '))
            == Some(endpoint.path.as_str())
    };
    let endpoint = match endpoints.iter().find(is_named) {
        Some(endpoint) => endpoint,
        None => &endpoints[number_of(&line) % endpoints.len()],
    };
    world::with(dialect, |world| {
        let body = world.named(body);
        if asks_strangers(&body) {
            return None;
        }
        let path = world.path(endpoint);
        let kind = kind_of(&path);
        let answer = world.ask(Asked {
            method: &endpoint.method,
            path: &path,
            kind,
            body: &body,
        });
        if let Err(what) = world::is_answer(dialect, &answer) {
            let body = String::from_utf8_lossy(&body);
            let text = answer.text();
            world.broken(&format!(
                "{what}: {} {path}\n{body}\nanswered {} {text}",
                endpoint.method, answer.status
            ));
        }
        Some(answer.status)
    })
}

/// Any number of a text, always the same.
fn number_of(text: &str) -> usize {
    text.bytes().fold(0, |number: usize, byte| {
        number.wrapping_mul(31).wrapping_add(byte.into())
    })
}

/// The type of the bodies of a path.
fn kind_of(path: &str) -> &'static str {
    if path.ends_with("/apply_manifest") || path.ends_with("/manifest_diff") {
        "application/x-yaml"
    } else if path.ends_with("/upload") {
        "multipart/form-data; boundary=border"
    } else if matches!(path, "/oauth/token" | "/check_token") {
        "application/x-www-form-urlencoded"
    } else {
        "application/json"
    }
}

/// Whether a body names a machine of somebody else.
fn asks_strangers(body: &[u8]) -> bool {
    fn is_strange(name: &str, value: &Value) -> bool {
        match value {
            Value::Object(members) => members.iter().any(|(name, value)| is_strange(name, value)),
            Value::Array(entries) => entries.iter().any(|value| is_strange(name, value)),
            Value::String(text) => MACHINES.contains(&name) && !text.starts_with(OURS),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    // The specs of one API come as YAML too, but only where the type of the body says so.
    serde_json::from_slice(body).is_ok_and(|value| is_strange("", &value))
}
