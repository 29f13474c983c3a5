//! A cancel against a continue of a paused canary.

use std::time::Duration;

use windlass::demo::Failure;

use super::model::deployment::{Request, Which, Word};
use super::scene::Scene;
use super::start::{Side, race};
use super::wire::{canceling, resume};
use super::{Race, Round, trail};
use crate::rig::Rig;

/// Pauses of the canary.
const PAUSES: u8 = 1;

struct CancelContinue<'a>(Scene<'a>);

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    Ok(Box::new(CancelContinue(Scene::new(
        rig,
        "cancel-continue",
    )?)))
}

impl Race for CancelContinue<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.0;
        let mut round = scene.deploy(PAUSES)?;
        scene.until_paused(&mut round)?;
        let guid = round.guid.clone();
        let (first, second, watcher) = scene.sides(&round);
        let sides = vec![
            canceling(first, &guid, starts[0]),
            Side {
                who: "continue",
                request: Request::Continue,
                start: starts[1],
                ask: Box::new(|| resume(second, &guid)),
            },
        ];
        race(&mut round.story, sides, Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let mut wrong = scene.judge(&mut round, PAUSES, outcome)?;
        if outcome == Word::Canceled {
            wrong.extend(scene.judge_canceled()?);
        } else {
            scene.take_stock()?;
        }
        let record = scene.rig.server.json(&["deployment", "show", &guid])?;
        Ok(Round {
            winner: usize::from(trail::kinds(&record).contains(&"continued")),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.0.end()
    }
}
