//! A cancel against a scale of the app: while it rolls the scale is refused, while it is put back
//! the base gets as many.

use std::time::Duration;

use http::Method;
use serde_json::json;
use windlass::demo::Failure;

use super::model::deployment::{Reply, Request, Which};
use super::scene::Scene;
use super::start::{Side, race};
use super::wire::canceling;
use super::{Race, Round};
use crate::rig::Rig;

struct CancelScale<'a> {
    scene: Scene<'a>,
    /// What the next scale asks for.
    wanted: u32,
}

pub(super) fn begin(rig: &Rig) -> Result<Box<dyn Race + '_>, Failure> {
    let scene = Scene::new(rig, "cancel-scale")?;
    Ok(Box::new(CancelScale { scene, wanted: 2 }))
}

impl Race for CancelScale<'_> {
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure> {
        let (scene, wanted) = (&mut self.scene, self.wanted);
        let mut round = scene.deploy(1)?;
        scene.until_paused(&mut round)?;
        let guid = round.guid.clone();
        let path = format!("/v3/apps/{}/processes/web/actions/scale", scene.app.guid);
        let (first, second, watcher) = scene.sides(&round);
        let sides = vec![
            canceling(first, &guid, starts[0]),
            Side {
                who: "scale",
                request: Request::Scale(wanted),
                start: starts[1],
                ask: Box::new(|| {
                    let body = json!({ "instances": wanted });
                    let answer = second.call(Method::POST, &path, Some(&body), &[]).ok()?;
                    Some(match answer.status {
                        202 => Reply::Done,
                        422 => Reply::Refused(None),
                        _ => Reply::Strange(format!("{} {}", answer.status, answer.text)),
                    })
                }),
            },
        ];
        race(&mut round.story, sides, Some(watcher));
        let outcome = scene.until_over(&mut round.story, Which::First, &guid)?;
        let wrong = scene.judge(&mut round, 1, outcome)?;
        let scaled = round.story.operations().iter().any(|operation| {
            matches!(operation.request, Request::Scale(_)) && operation.reply == Some(Reply::Done)
        });
        if scaled {
            self.wanted = 3 - wanted;
        }
        self.scene.take_stock()?;
        Ok(Round {
            winner: usize::from(!scaled),
            wrong,
        })
    }

    fn end(self: Box<Self>) -> Result<(), Failure> {
        self.scene.end()
    }
}
