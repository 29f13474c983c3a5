//! A cancel against the pause of a canary: either way it ends canceled.

use std::time::Duration;

use windlass::demo::Failure;

use super::model::deployment::Which;
use super::scene::Scene;
use super::start::race;
use super::wire::canceling;
use super::{Race, Round, trail};
use crate::rig::Rig;

struct CancelPause<'a>(Scene<'a>);

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    Ok(Box::new(CancelPause(Scene::new(rig, "cancel-pause")?)))
}

impl Race for CancelPause<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let scene = &mut self.0;
        let mut round = scene.deploy(1)?;
        let guid = round.guid.clone();
        let (first, _, watcher) = scene.sides(&round);
        let side = canceling(first, &guid, starts[0].saturating_sub(starts[1]));
        race(&mut round.story, vec![side], Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let mut wrong = scene.judge(&mut round, 1, outcome)?;
        wrong.extend(scene.judge_canceled()?);
        let record = scene.rig.server.json(&["deployment", "show", &guid])?;
        Ok(Round {
            winner: usize::from(trail::is_before(&record, "paused", "canceling")),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.0.end()
    }
}
