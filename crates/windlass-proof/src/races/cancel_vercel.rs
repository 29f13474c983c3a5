//! A deployment of a Vercel project, canceled by its API and by `windlass` while it is built.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;
use windlass::demo::Failure;
use windlass::demo::census;
use windlass::demo::line::Line;
use windlass::demo::platform::text;

use super::cancel_both::{cancel_by_both, created};
use super::cancel_cancel::api_of;
use super::model::deployment::{Client, Deployments, Reply, Request, State};
use super::scene::Story;
use super::start::Side;
use super::verdict::judge;
use super::{Race, Round};
use crate::rig::Rig;

const PROJECT: &str = "raced-build";
/// A build that ends only when somebody ends it. The number is its mark.
const COMMAND: &str = "sleep 86394";
const MARK: &str = "86394";

struct CancelVercel<'a> {
    rig: &'a Rig,
    line: Line,
}

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    let line = Line::new(api_of(rig, "WINDLASS_VERCEL_API", "VERCEL_TOKEN")?);
    Ok(Box::new(CancelVercel { rig, line }))
}

impl Race for CancelVercel<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let (server, line) = (&self.rig.server, &mut self.line);
        let body = json!({
            "name": PROJECT,
            "files": [{ "file": "index.html", "data": "never seen" }],
            "target": "production",
            "projectSettings": { "buildCommand": COMMAND, "outputDirectory": "." },
        });
        let mut story = Story::begin();
        let begin = Instant::now();
        let path = "/v13/deployments?skipAutoDetectionConfirmation=1";
        let made = line.call(Method::POST, path, Some(&body), &[])?.ok()?;
        let id = text(&made, "id")?;
        created(&mut story, begin);
        let cancel = format!("/v12/deployments/{id}/cancel");
        let by_api = Side {
            who: "Vercel",
            request: Request::Cancel {
                by: 1,
                client: Client::Vercel,
            },
            start: starts[0],
            ask: Box::new(|| {
                let reason = [("x-windlass-reason", "1")];
                let answer = line.call(Method::PATCH, &cancel, None, &reason).ok()?;
                let state = answer.body["readyState"].as_str();
                let refused = answer.body["error"]["readyState"].as_str();
                Some(match (answer.status, state, refused) {
                    (200, Some("CANCELED"), _) => Reply::Done,
                    (400, _, Some("CANCELED")) => Reply::Refused(None),
                    _ => Reply::Strange(format!("{} {}", answer.status, answer.text)),
                })
            }),
        };
        let (winner, _) = cancel_by_both(server, &mut story, by_api, &id, starts[1])?;
        let mut wrong = judge(&Deployments { pauses: 0 }, &State::new(1), &story);
        let left = census::with_words(&[MARK]);
        if !left.is_empty() {
            wrong.push(format!("canceled, but {left:?} runs"));
        }
        let shown = self.line.get(&format!("/v13/deployments/{id}"))?;
        if shown["readyState"] != "CANCELED" {
            wrong.push(format!("canceled, but it is {}", shown["readyState"]));
        }
        Ok(Round { winner, wrong })
    }

    fn end(mut self: Box<Self>) -> Result<(), Failure> {
        let path = format!("/v9/projects/{PROJECT}");
        let deleted = self.line.call(Method::DELETE, &path, None, &[])?;
        deleted.ok().map(|_| ())
    }
}
