//! Requests of the table, and what is looked at in their answers.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use windlass_control::Error;

use super::subjects::Subjects;
use super::table::Line;
use crate::world::{Answer, World};

/// How often a refused request is sent once more while something else changes the store.
const TRIES: usize = 50;

/// The world, and what its store had at the last look.
pub(crate) struct Asker {
    pub(crate) world: World,
    /// Number of the last commit when the store was looked at.
    commit: u64,
    contents: BTreeMap<String, u64>,
    number: u32,
}

/// An answer without what the request had put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) text: String,
}

impl Asker {
    pub(crate) fn new(world: World) -> Self {
        Self {
            commit: last_commit(&world),
            contents: contents(&world),
            world,
            number: 0,
        }
    }

    /// A number that no request had.
    pub(crate) fn number(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    fn request(&mut self, line: &Line, token: Option<&str>, ids: &Subjects) -> Request<Body> {
        let number = self.number();
        let fill = |text: &str| {
            let mut text = text.replace("<n>", &number.to_string());
            for (name, value) in &ids.ids {
                text = text.replace(&format!("<{name}>"), value);
            }
            assert!(!text.contains('<'), "{text}");
            text
        };
        let mut request = Request::builder()
            .method(line.method())
            .uri(fill(line.at))
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request
            .body(Body::from(fill(line.body)))
            .expect("a request")
    }

    /// Sends a request.
    pub(crate) async fn send(
        &mut self,
        line: &Line,
        token: Option<&str>,
        ids: &Subjects,
    ) -> Answer {
        let request = self.request(line, token, ids);
        self.world.send(request).await
    }

    /// Sends a request that must be refused, and must change nothing. What it would change it would
    /// change each time, at least the time of the change; something else does not.
    pub(crate) async fn refused(
        &mut self,
        line: &Line,
        token: Option<&str>,
        ids: &Subjects,
    ) -> Plain {
        let mut changed = Vec::new();
        for _ in 0..TRIES {
            let request = self.request(line, token, ids);
            let answer = self.world.send(request).await;
            let commit = last_commit(&self.world);
            if commit == self.commit {
                return plain(answer, ids);
            }
            let now = contents(&self.world);
            changed = differing(&self.contents, &now);
            (self.commit, self.contents) = (commit, now);
            if changed.is_empty() {
                return plain(answer, ids);
            }
        }
        panic!("{line:?} with {ids:?} was to be refused and changed {changed:?}")
    }
}

fn last_commit(world: &World) -> u64 {
    let read = world
        .control
        .store()
        .read(|reader| reader.last_commit().map_err(Error::from));
    read.expect("readable").0
}

/// What the store has, as a number for each table.
fn contents(world: &World) -> BTreeMap<String, u64> {
    let read = world
        .control
        .store()
        .read(|reader| reader.contents().map_err(Error::from));
    read.expect("readable")
}

fn differing(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<String> {
    after
        .iter()
        .filter(|(table, digest)| before.get(*table) != Some(digest))
        .map(|(table, _)| table.clone())
        .collect()
}

fn plain(answer: Answer, ids: &Subjects) -> Plain {
    let mut body = answer.body;
    if let Some(id) = body.get_mut("request_id") {
        *id = "<request>".into();
    }
    let mut text = body.to_string();
    for (name, value) in &ids.ids {
        text = text.replace(value, &format!("<{name}>"));
    }
    let mut headers: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    headers.sort();
    Plain {
        status: answer.status,
        headers,
        text,
    }
}
