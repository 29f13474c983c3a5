//! Promote, rollback and abort of one rolling release of a site.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use windlass::demo::api::Answer;
use windlass::demo::line::Line;
use windlass::demo::platform::text;
use windlass::demo::{Failure, wait_for};

use super::cancel_cancel::api_of;
use super::history::History;
use super::model::rollout::{Reply, Request, Rollouts, Stage, State, Version};
use super::start::{Side, Watcher, race};
use super::verdict::judge;
use super::{Race, Round};
use crate::rig::Rig;

const PROJECT: &str = "raced";

type Story = History<Request, Reply>;

struct Rollout {
    lines: [Line; 3],
    watcher: Line,
    old: String,
    new: String,
}

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    let line = || {
        Ok::<_, Failure>(Line::new(api_of(
            rig,
            "WINDLASS_VERCEL_API",
            "VERCEL_TOKEN",
        )?))
    };
    let mut watcher = line()?;
    let old = deploy(&mut watcher, "old")?;
    let new = deploy(&mut watcher, "new")?;
    accepted(
        &mut watcher,
        &format!("/v9/projects/{PROJECT}/rollback/{old}"),
    )?;
    let config = json!({
        "enabled": true,
        "advancementType": "manual-approval",
        "stages": [{ "targetPercentage": 50 }, { "targetPercentage": 100 }],
    });
    let path = format!("/v1/projects/{PROJECT}/rolling-release/config");
    watcher
        .call(Method::PATCH, &path, Some(&config), &[])?
        .ok()?;
    Ok(Box::new(Rollout {
        lines: [line()?, line()?, line()?],
        watcher,
        old,
        new,
    }))
}

impl Race for Rollout {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let canary = json!({ "canaryDeploymentId": self.new });
        let base = format!("/v1/projects/{PROJECT}/rolling-release");
        let start = format!("{base}/start");
        self.watcher
            .call(Method::POST, &start, Some(&canary), &[])?
            .ok()?;
        for line in &mut self.lines {
            line.warm(&base)?;
        }
        let mut story = Story::begin();
        let paths = [
            format!("/v10/projects/{PROJECT}/promote/{}", self.new),
            format!("/v9/projects/{PROJECT}/rollback/{}", self.old),
            format!("{base}/abort"),
        ];
        let requests = [Request::Promote, Request::Rollback, Request::Abort];
        let names = ["promote", "rollback", "abort"];
        let canary = &canary;
        let sides = (self.lines.iter_mut().zip(&paths))
            .zip(requests.into_iter().zip(names).zip(starts))
            .map(|((line, path), ((request, who), start))| Side {
                who,
                request,
                start: *start,
                ask: Box::new(move || {
                    let body = (request == Request::Abort).then_some(canary);
                    let answer = line.call(Method::POST, path, body, &[]).ok()?;
                    Some(reply(&answer))
                }) as Box<dyn FnOnce() -> Option<Reply> + Send>,
            })
            .collect();
        let watched = &mut self.watcher;
        let watcher = Watcher {
            request: Request::Read,
            ask: Box::new(|| read(watched, &base)),
        };
        race(&mut story, sides, Some(watcher));
        let begin = Instant::now();
        let stage = read(&mut self.watcher, &base);
        story.add(
            "watcher",
            Request::Read,
            stage.clone(),
            (begin, Instant::now()),
        );
        let begin = Instant::now();
        let serves = self.serves();
        story.add(
            "watcher",
            Request::ReadProduction,
            serves.clone(),
            (begin, Instant::now()),
        );
        let wrong = judge(&Rollouts, &State::active(), &story);
        let winner = winner(&story);
        self.reset(&base)?;
        Ok(Round { winner, wrong })
    }

    fn end(mut self: Box<Self>) -> Result<(), Failure> {
        let path = format!("/v9/projects/{PROJECT}");
        let deleted = self.watcher.call(Method::DELETE, &path, None, &[])?;
        deleted.ok().map(|_| ())
    }
}

impl Rollout {
    /// Which version is the production deployment.
    fn serves(&mut self) -> Option<Reply> {
        let path = format!("/v9/projects/{PROJECT}/production-deployment");
        let answer = self.watcher.call(Method::GET, &path, None, &[]).ok()?;
        let id = answer.body["deployment"]["id"].as_str();
        Some(match id {
            Some(id) if id == self.old => Reply::Serves(Version::Old),
            Some(id) if id == self.new => Reply::Serves(Version::New),
            _ => Reply::Strange(format!("{} {}", answer.status, answer.text)),
        })
    }

    /// Back to the old version, with nothing that moves.
    fn reset(&mut self, base: &str) -> Result<(), Failure> {
        let back = format!("/v9/projects/{PROJECT}/rollback/{}", self.old);
        wait_for("the old version", || {
            let stage = read(&mut self.watcher, base);
            let serves = self.serves();
            let is_back = serves == Some(Reply::Serves(Version::Old));
            if is_back && stage != Some(Reply::Is(Stage::Active)) {
                return Ok(Ok(()));
            }
            self.watcher.call(Method::POST, &back, None, &[])?;
            Ok(Err(format!("{stage:?} {serves:?}")))
        })
    }
}

/// Which side ended the rolling release. More than one may have been accepted: then the one whose
/// answer came first, or by whose request the other could be accepted.
fn winner(story: &Story) -> usize {
    let sides = [Request::Promote, Request::Rollback, Request::Abort];
    let accepted = story
        .operations()
        .iter()
        .filter(|operation| operation.reply == Some(Reply::Done))
        .min_by_key(|operation| operation.end_ns);
    accepted
        .and_then(|operation| sides.iter().position(|side| *side == operation.request))
        .unwrap_or(0)
}

fn deploy(line: &mut Line, text_of_it: &str) -> Result<String, Failure> {
    let body = json!({
        "name": PROJECT,
        "files": [{ "file": "index.html", "data": text_of_it }],
        "target": "production",
    });
    let path = "/v13/deployments?skipAutoDetectionConfirmation=1";
    let made = line.call(Method::POST, path, Some(&body), &[])?.ok()?;
    let id = text(&made, "id")?;
    wait_for("a deployment with its hosts", || {
        let found = line.get(&format!("/v13/deployments/{id}"))?;
        let has_hosts = found["aliasAssigned"] == true;
        Ok(if has_hosts {
            Ok(())
        } else {
            Err(found["readyState"].to_string())
        })
    })?;
    Ok(id)
}

fn accepted(line: &mut Line, path: &str) -> Result<Value, Failure> {
    line.call(Method::POST, path, Some(&json!({})), &[])?.ok()
}

fn reply(answer: &Answer) -> Reply {
    match answer.status {
        200..=202 => Reply::Done,
        400 | 409 | 422 => Reply::Refused,
        _ => Reply::Strange(format!("{} {}", answer.status, answer.text)),
    }
}

fn read(line: &mut Line, base: &str) -> Option<Reply> {
    let answer = line.call(Method::GET, base, None, &[]).ok()?;
    let stage = match answer.body["rollingRelease"]["state"].as_str() {
        Some("ACTIVE") => Stage::Active,
        Some("COMPLETE") => Stage::Complete,
        Some("ABORTED") => Stage::Aborted,
        _ => return Some(Reply::Strange(format!("{} {}", answer.status, answer.text))),
    };
    Some(Reply::Is(stage))
}
