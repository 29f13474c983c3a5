//! A cancel against the end of a rolling deployment.

use std::time::Duration;

use windlass::demo::Failure;

use super::model::deployment::{Which, Word};
use super::scene::Scene;
use super::start::race;
use super::wire::canceling;
use super::{Race, Round};
use crate::rig::Rig;

struct CancelFinish<'a>(Scene<'a>);

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    Ok(Box::new(CancelFinish(Scene::new(rig, "cancel-finish")?)))
}

impl Race for CancelFinish<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.0;
        let mut round = scene.deploy(0)?;
        let guid = round.guid.clone();
        let (first, _, watcher) = scene.sides(&round);
        let side = canceling(first, &guid, starts[0].saturating_sub(starts[1]));
        race(&mut round.story, vec![side], Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let mut wrong = scene.judge(&mut round, 0, outcome)?;
        if outcome == Word::Canceled {
            wrong.extend(scene.judge_canceled()?);
        } else {
            scene.take_stock()?;
        }
        Ok(Round {
            winner: usize::from(outcome != Word::Canceled),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.0.end()
    }
}
