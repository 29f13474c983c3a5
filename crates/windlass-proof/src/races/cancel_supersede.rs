//! A cancel against a deployment that takes over.

use std::time::Duration;

use http::Method;
use windlass::demo::Failure;
use windlass::demo::platform::text;

use super::model::deployment::{Request, Which, Word};
use super::scene::Scene;
use super::start::{Side, race};
use super::wire::{canceling, reply};
use super::{Race, Round};
use crate::rig::Rig;

struct CancelSupersede<'a>(Scene<'a>);

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    Ok(Box::new(CancelSupersede(Scene::new(
        rig,
        "cancel-supersede",
    )?)))
}

impl Race for CancelSupersede<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.0;
        let mut round = scene.deploy(1)?;
        scene.until_paused(&mut round)?;
        let guid = round.guid.clone();
        let body = scene.superseding();
        let mut newer = None;
        let (first, second, watcher) = scene.sides(&round);
        let sides = vec![
            canceling(first, &guid, starts[0]),
            Side {
                who: "creator",
                request: Request::Create(Which::Second),
                start: starts[1],
                ask: Box::new(|| {
                    let answer = second.call(Method::POST, "/v3/deployments", Some(&body), &[]);
                    let answer = answer.ok()?;
                    newer = text(&answer.body, "guid").ok();
                    Some(reply(&answer))
                }),
            },
        ];
        race(&mut round.story, sides, Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let newer = newer.ok_or_else(|| {
            let story = round.story.to_text();
            Failure::Unexpected(format!("the newer deployment was not created:\n{story}"))
        })?;
        let after = scene.until_over(&mut round.story, Which::Second, &newer)?;
        let mut wrong = scene.judge(&mut round, 1, outcome)?;
        if after != Word::Deployed {
            wrong.push(format!("the newer deployment is {after:?}"));
        }
        // Its target is the version that ran, so that one runs again.
        scene.take_stock()?;
        Ok(Round {
            winner: usize::from(outcome == Word::Superseded),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.0.end()
    }
}
