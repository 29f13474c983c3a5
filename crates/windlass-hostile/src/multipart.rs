//! Multipart forms with the files of an app: an upload is answered, and bits that are taken are the
//! bytes between the borders.
//!
//! An input is the type of the body, a line feed, and the body; or, after a byte `0xff`, the parts
//! of a form, of which a right one is made.

use crate::feed::Feed;
use crate::world::{self, Answer, Asked, Dialect, World};

/// Begins a list of parts.
const PARTS: u8 = 0xff;
/// Names of parts: those that are known, and others.
const NAMES: [&str; 6] = ["bits", "resources", "bits", "x", "", "bits[]"];
/// Most parts of a form that is made.
const PART_LIMIT: usize = 6;

/// Feeds one form.
pub fn check(input: &[u8]) {
    match input.split_first() {
        Some((&PARTS, parts)) => made(parts),
        _ => raw(input),
    }
}

fn raw(input: &[u8]) {
    let line = input.iter().position(|byte| *byte == b'\n');
    let (kind, body) = input.split_at(line.unwrap_or(input.len()));
    let kind: String = String::from_utf8_lossy(kind)
        .chars()
        .filter(|char| char.is_ascii_graphic() || *char == ' ')
        .collect();
    world::with(Dialect::Cf, |world| {
        let package = package(world);
        upload(world, &package, &kind, body.get(1..).unwrap_or_default());
    });
}

/// A form with right borders: what is taken must be what was sent.
fn made(bytes: &[u8]) {
    let mut feed = Feed(bytes);
    let border = format!("border-{:02x}", feed.byte());
    let mut parts: Vec<(&str, &[u8])> = Vec::new();
    while !feed.is_empty() && parts.len() < PART_LIMIT {
        let name = NAMES[usize::from(feed.byte()) % NAMES.len()];
        parts.push((name, feed.bytes()));
    }
    let mut body = Vec::new();
    for (name, content) in &parts {
        body.extend_from_slice(
            format!("--{border}\r\nContent-Disposition: form-data; ").as_bytes(),
        );
        body.extend_from_slice(format!("name=\"{name}\"; filename=\"f\"\r\n\r\n").as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{border}--\r\n").as_bytes());
    let delimiter = format!("\r\n--{border}");
    let is_clear = parts.iter().all(|(_, content)| {
        let content = [b"\r\n", *content].concat();
        !contains(&content, delimiter.as_bytes())
    });
    world::with(Dialect::Cf, |world| {
        let package = package(world);
        let kind = format!("multipart/form-data; boundary={border}");
        let status = upload(world, &package, &kind, &body).status;
        let taken: Vec<&[u8]> = parts
            .iter()
            .filter(|(name, content)| *name == "bits" && !content.is_empty())
            .map(|(_, content)| *content)
            .collect();
        if !is_clear {
            return;
        }
        if parts
            .iter()
            .any(|(name, _)| !matches!(*name, "bits" | "resources"))
            || parts.is_empty()
        {
            assert_eq!(status, 422, "parts that nobody knows are refused");
        }
        if status < 300 {
            is_kept(world, &package, &taken);
        }
    });
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The package holds the one file that was sent, if it could be a package at all.
fn is_kept(world: &mut World, package: &str, taken: &[&[u8]]) {
    let answer = world.get(&format!("/v3/packages/{package}/download"));
    if answer.status != 200 {
        return;
    }
    let is_same = taken.first().is_some_and(|bits| *bits == answer.bytes);
    if !is_same {
        world.broken("the package is not what was uploaded");
    }
}

/// A new package that awaits its upload.
fn package(world: &mut World) -> String {
    let app = world.subjects["near"].clone();
    let body = serde_json::json!({
        "type": "bits", "relationships": {"app": {"data": {"guid": app}}}
    });
    let made = world.json("POST", "/v3/packages", &body);
    let guid = made.json()["guid"].as_str().map(str::to_owned);
    guid.unwrap_or_else(|| world.broken(&made.text()))
}

fn upload(world: &mut World, package: &str, kind: &str, body: &[u8]) -> Answer {
    let path = format!("/v3/packages/{package}/upload");
    let answer = world.ask(Asked {
        method: "POST",
        path: &path,
        kind,
        body,
    });
    if let Err(what) = world::is_answer(Dialect::Cf, &answer) {
        world.broken(&format!(
            "{what}: {kind}\n{} {}",
            answer.status,
            answer.text()
        ));
    }
    answer
}
