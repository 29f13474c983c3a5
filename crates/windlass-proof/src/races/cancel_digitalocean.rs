//! A deployment of a DigitalOcean app, canceled by its API and by `windlass` at the same moment.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use windlass::demo::line::Line;
use windlass::demo::platform::text;
use windlass::demo::repository::{BRANCH, Repository};
use windlass::demo::{Failure, wait_for};

use super::cancel_cancel::{api_of, by_command_line, read_canceler};
use super::model::deployment::{Client, Deployments, Reply, Request, State, Which, Word};
use super::scene::Story;
use super::start::{Side, race};
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
        let created = Request::Create(Which::First);
        story.add(
            "creator",
            created,
            Some(Reply::Done),
            (begin, Instant::now()),
        );
        let cancel = format!("{path}/deployments/{id}/cancel");
        let sides = vec![
            Side {
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
            },
            Side {
                who: "windlass",
                request: Request::Cancel {
                    by: 2,
                    client: Client::CommandLine,
                },
                start: starts[1],
                ask: Box::new(|| Some(by_command_line(server, &id, 2))),
            },
        ];
        race(&mut story, sides, None);
        let begin = Instant::now();
        let canceler = Some(Reply::Canceler(read_canceler(server, &id)?));
        let winner = usize::from(canceler != Some(Reply::Canceler(Some(1))));
        story.add(
            "watcher",
            Request::ReadCanceler,
            canceler,
            (begin, Instant::now()),
        );
        let record = wait_for("the outcome", || {
            let record = server.json(&["deployment", "show", &id])?;
            let is_over = record["outcome"].is_string() && record["cleanup"] == "done";
            Ok(if is_over {
                Ok(record)
            } else {
                Err(record["state"].to_string())
            })
        })?;
        let outcome = record["outcome"]
            .as_str()
            .unwrap_or_default()
            .to_uppercase();
        let now = Instant::now();
        let read = Word::of(&outcome).map(Reply::Is);
        story.add("watcher", Request::Read(Which::First), read, (now, now));
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
