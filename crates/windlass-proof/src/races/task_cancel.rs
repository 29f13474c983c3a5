//! A cancel of a task against its end, and against its start.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use windlass::demo::api::Answer;
use windlass::demo::line::Line;
use windlass::demo::platform::text;
use windlass::demo::{Failure, wait_for};

use super::history::History;
use super::model::task::{Reply, Request, Stage, Tasks};
use super::scene::Scene;
use super::start::{Side, Watcher, race};
use super::verdict::judge;
use super::{Race, Round};
use crate::rig::Rig;

type Story = History<Request, Reply>;

/// A task that is over at once.
const SHORT: &str = "./hello task one";
/// A task that ends only when somebody ends it.
const LONG: &str = "sleep 86392";

/// Cancel against completion.
struct Completion<'a>(Scene<'a>);

/// Cancel against start: whether it was seen running before.
struct Start<'a> {
    scene: Scene<'a>,
    rounds: u64,
}

pub(super) fn completion(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    Ok(Box::new(Completion(Scene::new(rig, "task-completion")?)))
}

pub(super) fn start(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    let scene = Scene::new(rig, "task-start")?;
    Ok(Box::new(Start { scene, rounds: 0 }))
}

impl Race for Completion<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.0;
        let mut story = Story::begin();
        let guid = run(&mut scene.first, &scene.app.guid, SHORT, &mut story)?;
        let (first, second) = (&mut scene.first, &mut scene.second);
        let watcher = Watcher {
            request: Request::Read,
            ask: Box::new(|| read(second, &guid)),
        };
        let side = Side {
            who: "cancel",
            request: Request::Cancel,
            start: starts[0].saturating_sub(starts[1]),
            ask: Box::new(|| cancel(first, &guid)),
        };
        race(&mut story, vec![side], Some(watcher));
        let outcome = until_over(&mut scene.second, &guid, &mut story)?;
        Ok(Round {
            winner: usize::from(outcome != Stage::Canceled),
            wrong: judge(&Tasks, &None, &story),
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.0.end()
    }
}

impl Race for Start<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.scene;
        self.rounds += 1;
        let name = format!("round-{}", self.rounds);
        let app = scene.app.guid.clone();
        let mut story = Story::begin();
        for line in [&mut scene.first, &mut scene.second] {
            line.warm(&format!("/v3/apps/{app}"))?;
        }
        // The answer to the one who runs it waits until it runs. Who cancels finds it before.
        let (first, second) = (&mut scene.first, &mut scene.second);
        let mut guid = None;
        let lag = starts[0].saturating_sub(starts[1]);
        let mut found = None;
        let sides = vec![Side {
            who: "runner",
            request: Request::Run,
            start: Duration::ZERO,
            ask: Box::new(|| {
                let answer = create(first, &app, &name, LONG).ok()?;
                guid = text(&answer.body, "guid").ok();
                Some(reply(&answer))
            }),
        }];
        std::thread::scope(|scope| {
            let canceler = scope.spawn(|| {
                let guid = find(second, &app, &name)?;
                std::thread::sleep(lag);
                let begin = Instant::now();
                let reply = cancel(second, &guid);
                Ok::<_, Failure>((guid, reply, (begin, Instant::now())))
            });
            race(&mut story, sides, None);
            found = canceler.join().ok();
        });
        let missing = || Failure::Unexpected(format!("the task {name} was not found"));
        let (known, answered, times) = found.ok_or_else(missing)??;
        story.add("cancel", Request::Cancel, answered, times);
        let outcome = until_over(&mut scene.second, &known, &mut story)?;
        let mut wrong = judge(&Tasks, &None, &story);
        if guid.as_ref().is_some_and(|guid| *guid != known) {
            wrong.push(format!("{guid:?} was run, {known} found"));
        }
        if outcome != Stage::Canceled {
            wrong.push(format!("canceled before its end, but {outcome:?}"));
        }
        let events = scene.events()?;
        let ran = events
            .iter()
            .any(|event| event["subject"] == known.as_str() && event["kind"] == "running");
        Ok(Round {
            winner: usize::from(ran),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.scene.end()
    }
}

/// Runs a task and notes it; its guid.
fn run(line: &mut Line, app: &str, command: &str, story: &mut Story) -> Result<String, Failure> {
    let begin = Instant::now();
    let answer = create(line, app, "round", command)?;
    story.add(
        "runner",
        Request::Run,
        Some(reply(&answer)),
        (begin, Instant::now()),
    );
    text(&answer.ok()?, "guid")
}

fn create(line: &mut Line, app: &str, name: &str, command: &str) -> Result<Answer, Failure> {
    let body = json!({
        "name": name, "command": command, "memory_in_mb": 64, "disk_in_mb": 64,
    });
    line.call(
        Method::POST,
        &format!("/v3/apps/{app}/tasks"),
        Some(&body),
        &[],
    )
}

/// The guid of the task with this name, as soon as there is one.
fn find(line: &mut Line, app: &str, name: &str) -> Result<String, Failure> {
    let path = format!("/v3/apps/{app}/tasks?names={name}");
    let started = Instant::now();
    loop {
        let found = line.get(&path)?;
        if let Some(guid) = found["resources"][0]["guid"].as_str() {
            return Ok(guid.to_owned());
        }
        if started.elapsed() > windlass::demo::WAIT_LIMIT {
            return Err(Failure::Unexpected(format!("{path}: {found}")));
        }
    }
}

fn cancel(line: &mut Line, guid: &str) -> Option<Reply> {
    let path = format!("/v3/tasks/{guid}/actions/cancel");
    line.call(Method::POST, &path, None, &[])
        .ok()
        .as_ref()
        .map(reply)
}

fn read(line: &mut Line, guid: &str) -> Option<Reply> {
    let path = format!("/v3/tasks/{guid}");
    line.call(Method::GET, &path, None, &[])
        .ok()
        .as_ref()
        .map(reply)
}

fn until_over(line: &mut Line, guid: &str, story: &mut Story) -> Result<Stage, Failure> {
    let mut last = None;
    wait_for("the end of a task", || {
        let begin = Instant::now();
        let seen = read(line, guid);
        let span = (begin, Instant::now());
        let Some(Reply::Is(stage)) = seen else {
            return Err(Failure::Unexpected(format!("task {guid}: {seen:?}")));
        };
        if stage.is_over() || last != Some(stage) {
            story.add("watcher", Request::Read, seen, span);
            last = Some(stage);
        }
        Ok(if stage.is_over() {
            Ok(stage)
        } else {
            Err(format!("{stage:?}"))
        })
    })
}

/// An answer about a task in the words of the model.
fn reply(answer: &Answer) -> Reply {
    let strange = || Reply::Strange(format!("{} {}", answer.status, answer.text));
    match answer.status {
        200..=202 => {
            let stage = stage(&answer.body);
            stage.map_or_else(strange, Reply::Is)
        }
        422 => {
            let detail = answer.body["errors"][0]["detail"]
                .as_str()
                .unwrap_or_default();
            let word = detail
                .strip_prefix("Task state is ")
                .and_then(|rest| rest.split(' ').next());
            let stage = word.and_then(|word| Stage::of(word, None));
            stage.map_or_else(strange, Reply::Refused)
        }
        _ => strange(),
    }
}

fn stage(task: &Value) -> Option<Stage> {
    Stage::of(
        task["state"].as_str()?,
        task["result"]["failure_reason"].as_str(),
    )
}
