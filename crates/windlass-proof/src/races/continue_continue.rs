//! Two continues of one pause: only one of them opens it.

use std::time::Duration;

use windlass::demo::Failure;

use super::model::deployment::{Reply, Request, Which};
use super::scene::Scene;
use super::start::{Side, race};
use super::wire::resume;
use super::{Race, Round};
use crate::rig::Rig;

const SIDES: [&str; 2] = ["first", "second"];

struct ContinueContinue<'a>(Scene<'a>);

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    Ok(Box::new(ContinueContinue(Scene::new(
        rig,
        "continue-continue",
    )?)))
}

impl Race for ContinueContinue<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.0;
        let mut round = scene.deploy(1)?;
        scene.until_paused(&mut round)?;
        let guid = round.guid.clone();
        let (first, second, watcher) = scene.sides(&round);
        let sides = vec![
            Side {
                who: SIDES[0],
                request: Request::Continue,
                start: starts[0],
                ask: Box::new(|| resume(first, &guid)),
            },
            Side {
                who: SIDES[1],
                request: Request::Continue,
                start: starts[1],
                ask: Box::new(|| resume(second, &guid)),
            },
        ];
        race(&mut round.story, sides, Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let wrong = scene.judge(&mut round, 1, outcome)?;
        scene.take_stock()?;
        let second_won = round.story.operations().iter().any(|operation| {
            operation.who == SIDES[1] && matches!(operation.reply, Some(Reply::Is(_)))
        });
        Ok(Round {
            winner: usize::from(second_won),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.0.end()
    }
}
