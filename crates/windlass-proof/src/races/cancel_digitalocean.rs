//! A deployment of a DigitalOcean app, canceled by its API and by `windlass` at the same moment.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use windlass::demo::line::Line;
use windlass::demo::platform::text;
use windlass::demo::repository::{BRANCH, Repository};
use windlass::demo::{Failure, wait_for};

use super::cancel_both::{cancel_by_both, created};
use super::cancel_cancel::api_of;
use super::model::deployment::{Client, Deployments, Reply, Request, State};
use super::scene::Story;
use super::start::Side;
use super::verdict::judge;
use super::{Race, Round, trail};
use crate::rig::Rig;

struct CancelDigitalOcean<'a> {
    rig: &'a Rig,
    line: Line,
    app: String,
    spec: Value,
    rounds: u64,
    _repository: Repository,
}

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    let repository = Repository::new(&rig.server.home().join("raced-repository"))?;
    repository.commit(rig.example(), ("hello.conf", "VERSION=1\n"))?;
    let spec = json!({
        "name": "raced-git",
        "services": [{
            "name": "web",
            "git": { "repo_clone_url": repository.url(), "branch": BRANCH },
            "instance_size_slug": "apps-s-1vcpu-0.5gb",
            "instance_count": 1,
        }],
    });
    let api = api_of(rig, "WINDLASS_DIGITALOCEAN_API", "DIGITALOCEAN_TOKEN")?;
    let mut line = Line::new(api);
    let body = json!({ "spec": spec });
    let made = line
        .call(Method::POST, "/v2/apps", Some(&body), &[])?
        .ok()?;
    let app = text(&made["app"], "id")?;
    let first = text(&made["app"]["pending_deployment"], "id")?;
    wait_for("the first deployment", || {
        let found = line.get(&format!("/v2/apps/{app}/deployments/{first}"))?;
        let phase = found["deployment"]["phase"].clone();
        Ok(if phase == "ACTIVE" {
            Ok(())
        } else {
            Err(phase.to_string())
        })
    })?;
    Ok(Box::new(CancelDigitalOcean {
        rig,
        line,
        app,
        spec,
        rounds: 0,
        _repository: repository,
    }))
}

impl Race for CancelDigitalOcean<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        self.rounds += 1;
        let (server, line) = (&self.rig.server, &mut self.line);
        let mut spec = self.spec.clone();
        spec["envs"] = json!([{ "key": "ROUND", "value": self.rounds.to_string() }]);
        let mut story = Story::begin();
        let begin = Instant::now();
        let path = format!("/v2/apps/{}", self.app);
        let made = line
            .call(Method::PUT, &path, Some(&json!({ "spec": spec })), &[])?
            .ok()?;
        let id = text(&made["app"]["pending_deployment"], "id")?;
        created(&mut story, begin);
        let cancel = format!("{path}/deployments/{id}/cancel");
        let by_api = Side {
            who: "DO",
            request: Request::Cancel {
                by: 1,
                client: Client::DigitalOcean,
            },
            start: starts[0],
            ask: Box::new(|| {
                let reason = [("x-windlass-reason", "1")];
                let answer = line.call(Method::POST, &cancel, None, &reason).ok()?;
                Some(
                    match (answer.status, answer.body["deployment"]["phase"].as_str()) {
                        (200, Some("CANCELED")) => Reply::Done,
                        _ => Reply::Strange(format!("{} {}", answer.status, answer.text)),
                    },
                )
            }),
        };
        let (winner, record) = cancel_by_both(server, &mut story, by_api, &id, starts[1])?;
        let mut wrong = trail::problems(&record, "CANCELED");
        wrong.extend(judge(&Deployments { pauses: 0 }, &State::new(1), &story));
        let shown = self.line.get(&path)?;
        if shown["app"]["spec"] != self.spec {
            wrong.push(format!(
                "canceled, but the spec is {}",
                shown["app"]["spec"]
            ));
        }
        Ok(Round { winner, wrong })
    }

    fn end(mut self: Box<Self>) -> Result<(), Failure> {
        let path = format!("/v2/apps/{}", self.app);
        let deleted = self.line.call(Method::DELETE, &path, None, &[])?;
        deleted.ok().map(|_| ())
    }
}
