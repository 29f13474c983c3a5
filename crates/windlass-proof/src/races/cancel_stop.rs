//! A cancel against a stop of the app: either way it ends canceled and nothing runs.

use std::time::Duration;

use http::Method;
use serde_json::Value;
use windlass::demo::Failure;

use super::model::deployment::{Reply, Request, Which};
use super::scene::Scene;
use super::start::{Side, race};
use super::wire::canceling;
use super::{Race, Round};
use crate::rig::Rig;

struct CancelStop<'a>(Scene<'a>);

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    Ok(Box::new(CancelStop(Scene::new(rig, "cancel-stop")?)))
}

/// By the commits, which both leave their events in.
fn stop_came_first(scene: &Scene<'_>, guid: &str) -> Result<bool, Failure> {
    let events = scene.events()?;
    let last = |subject: &str, kind: &str| {
        let mut all = events.iter();
        all.rposition(|event| event["subject"] == subject && event["kind"] == kind)
    };
    match (last(&scene.app.guid, "stopped"), last(guid, "canceling")) {
        (Some(stop), Some(cancel)) => Ok(stop < cancel),
        found => Err(Failure::Unexpected(format!("events of {guid}: {found:?}"))),
    }
}

impl Race for CancelStop<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.0;
        let mut round = scene.deploy(1)?;
        scene.until_paused(&mut round)?;
        let guid = round.guid.clone();
        let path = format!("/v3/apps/{}/actions/stop", scene.app.guid);
        let (first, second, watcher) = scene.sides(&round);
        let sides = vec![
            canceling(first, &guid, starts[0]),
            Side {
                who: "stop",
                request: Request::Stop,
                start: starts[1],
                ask: Box::new(|| {
                    let answer = second.call(Method::POST, &path, None, &[]).ok()?;
                    Some(match (answer.status, answer.body["state"].as_str()) {
                        (200, Some("STOPPED")) => Reply::Done,
                        _ => Reply::Strange(format!("{} {}", answer.status, answer.text)),
                    })
                }),
            },
        ];
        race(&mut round.story, sides, Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let mut wrong = scene.judge(&mut round, 1, outcome)?;
        scene.until_nothing_runs()?;
        let stopped_first = stop_came_first(scene, &guid)?;
        let app = format!("/v3/apps/{}", scene.app.guid);
        let state = scene.first.get(&app)?["state"].clone();
        if state != "STOPPED" {
            wrong.push(format!("stopped, but it is {state}"));
        }
        let path = format!("{app}/actions/start");
        scene
            .first
            .call(Method::POST, &path, Some(&Value::Null), &[])?
            .ok()?;
        scene.take_stock()?;
        Ok(Round {
            winner: usize::from(stopped_first),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.0.end()
    }
}
