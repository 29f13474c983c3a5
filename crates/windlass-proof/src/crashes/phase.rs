//! What an app is in the middle of when somebody dies.

use std::collections::BTreeSet;

use serde_json::json;
use windlass::demo::{Failure, wait_for};

use super::gate::Gate;
use super::scene::Scene;

/// A phase of a deployment, a build or a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Phase {
    /// A build waits for a slot.
    Queued,
    /// A build runs.
    Building,
    /// A deployment waits for instances that do not become healthy.
    HealthWait,
    /// A canary stands at its step.
    Paused,
    /// A rolling deployment replaces instance after instance.
    Rolling,
    /// A canceled deployment waits for instances of the base, which start first.
    Canceling,
    /// A deployment without progress passes its deadline and is put back.
    RollingBack,
    /// A task runs.
    TaskRunning,
    /// A canceled task and what hides of it ignore SIGTERM.
    TaskCanceling,
}

impl Phase {
    /// All of them, in the order of a deployment's life.
    pub(super) const ALL: [Self; 9] = [
        Self::Queued,
        Self::Building,
        Self::HealthWait,
        Self::Paused,
        Self::Rolling,
        Self::Canceling,
        Self::RollingBack,
        Self::TaskRunning,
        Self::TaskCanceling,
    ];

    /// Its name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Building => "building",
            Self::HealthWait => "health wait",
            Self::Paused => "paused",
            Self::Rolling => "rolling",
            Self::Canceling => "canceling",
            Self::RollingBack => "rolling back",
            Self::TaskRunning => "task running",
            Self::TaskCanceling => "task canceling",
        }
    }

    /// Whether its next step is that much time passes at once: a request in flight would be cut.
    pub(super) fn moves_clock(self) -> bool {
        matches!(self, Self::RollingBack | Self::TaskCanceling)
    }
}

/// A phase that was reached.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) phase: Phase,
    /// The deployment, build or task it is about.
    pub(super) id: String,
    /// The build that waits behind it.
    pub(super) behind: Option<String>,
    /// Where its build or task waits.
    pub(super) gate: Option<Gate>,
    /// Runs from before it.
    pub(super) before: BTreeSet<String>,
}

/// Brings the app into a phase.
pub(super) fn enter(scene: &mut Scene, phase: Phase, reason: &str) -> Result<Entered, Failure> {
    let before = scene.run_names();
    let mut entered = Entered {
        phase,
        id: String::new(),
        behind: None,
        gate: None,
        before,
    };
    match phase {
        Phase::Queued | Phase::Building => {
            let gate = Gate::new()?;
            entered.id = scene.site.deploy("builds", &gate.command())?;
            wait_for("a build at the gate", || {
                Ok(match gate.arrived() {
                    0 => Err("nobody has come".to_owned()),
                    _ => Ok(()),
                })
            })?;
            if phase == Phase::Queued {
                let behind = scene.site.deploy("waits", "true")?;
                let state = scene.site.deployment(&behind)?["readyState"].clone();
                if state != "QUEUED" {
                    return Err(Failure::Unexpected(format!("{state} instead of QUEUED")));
                }
                entered.behind = Some(behind);
            }
            entered.gate = Some(gate);
        }
        Phase::HealthWait | Phase::RollingBack => {
            let options = json!({ "strategy": "rolling" });
            let platform = &scene.rig.platform;
            entered.id = platform.deploy(&scene.app, &scene.deaf, options)?;
            scene.wait_new_run(&entered.before)?;
        }
        Phase::Paused => {
            entered.id = paused(scene, 50)?;
        }
        Phase::Rolling => {
            let options = json!({ "strategy": "rolling", "options": { "max_in_flight": 1 } });
            let platform = &scene.rig.platform;
            entered.id = platform.deploy(&scene.app, scene.target(), options)?;
            scene.wait_new_run(&entered.before)?;
        }
        Phase::Canceling => {
            entered.id = paused(scene, 100)?;
            let answer = scene.rig.platform.cancel(&entered.id, reason)?;
            answer.ok()?;
        }
        Phase::TaskRunning => {
            let gate = Gate::new()?;
            entered.id = scene.rig.platform.run_task(&scene.app, &gate.command())?;
            wait_for("a task at the gate", || {
                Ok(match gate.arrived() {
                    0 => Err("nobody has come".to_owned()),
                    _ => Ok(()),
                })
            })?;
            entered.gate = Some(gate);
        }
        Phase::TaskCanceling => {
            let platform = &scene.rig.platform;
            entered.id = platform.run_task(&scene.app, "./hello task-ignore-term")?;
            scene.wait_hidden()?;
            scene.rig.platform.cancel_task(&entered.id)?.ok()?;
        }
    }
    Ok(entered)
}

fn paused(scene: &Scene, weight: u32) -> Result<String, Failure> {
    let platform = &scene.rig.platform;
    let canary = platform.canary(&scene.app, scene.target(), &[weight])?;
    platform.wait_paused(&canary, 1)?;
    Ok(canary)
}
