//! What is done in a phase so that somebody passes a point: a disturbance, then the phase's own
//! next step or a cancel.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use windlass::demo::api::Answer;
use windlass::demo::census;
use windlass::demo::server::Role as Process;
use windlass::demo::{Failure, wait_for};

use super::kill;
use super::outcome::{Thing, Wanted};
use super::phase::{Entered, Phase};
use super::scene::Scene;

/// Beyond the deadline of a deployment.
const DEADLINE_MS: u64 = 16 * 60_000;
/// Beyond the grace of a task.
const GRACE_MS: u64 = 15_000;
/// Commits after which the store writes its log back, and some more.
const MANY_COMMITS: usize = 560;

/// What is done in a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// What the phase waits for happens.
    Next,
    /// Somebody cancels.
    Cancel,
}

/// What happens to Windlass before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disturbance {
    /// Nothing.
    None,
    /// Control is killed.
    KillControl,
    /// The router is killed.
    KillRouter,
    /// The shim of the phase is killed.
    KillShim,
    /// The same while its init process hangs, and control is killed before it can have noticed.
    KillShimUnseen,
    /// The supervisor is told to end and leave the apps running; then it is started again.
    Restart,
    /// The same, and the database is of an older version meanwhile.
    Upgrade,
    /// So many changes that the log is written back.
    ManyCommits,
    /// A backup is made.
    Backup,
    /// A backup is made, the supervisor is told to end and leave the apps running, the backup is
    /// restored over the state.
    Restore {
        /// Whether a restore that was interrupted is done again before the next start.
        again: bool,
    },
}

impl Disturbance {
    /// Whether the router ends with it, so that there are no visitors.
    pub(super) fn ends_supervisor(self) -> bool {
        match self {
            Self::Restart | Self::Upgrade | Self::Restore { .. } => true,
            Self::None
            | Self::KillControl
            | Self::KillRouter
            | Self::KillShim
            | Self::KillShimUnseen
            | Self::ManyCommits
            | Self::Backup => false,
        }
    }

    /// Whether runs end with it: builds and tasks are lost, instances start again.
    pub(super) fn ends_runs(self) -> bool {
        matches!(
            self,
            Self::KillShim | Self::KillShimUnseen | Self::Restore { .. }
        )
    }
}

/// Disturbs.
pub(super) fn disturb(
    scene: &mut Scene,
    entered: &Entered,
    disturbance: Disturbance,
) -> Result<(), Failure> {
    match disturbance {
        Disturbance::None => Ok(()),
        Disturbance::KillControl => scene.rig.server.kill(Process::Control),
        Disturbance::KillRouter => scene.rig.server.kill(Process::Router),
        Disturbance::KillShim => {
            let shim = scene.shim_since(&entered.before);
            shim.map_or(Ok(()), kill::now)
        }
        Disturbance::KillShimUnseen => {
            let control = scene.rig.server.pid(Process::Control);
            control.map_or(Ok(()), kill::stop)?;
            if let Some(shim) = scene.shim_since(&entered.before) {
                for below in census::children(shim) {
                    kill::stop(below.pid)?;
                }
                kill::now(shim)?;
                wait_for("the end of a killed shim", || {
                    let is_gone = census::start_ticks(shim).is_none() || census::is_zombie(shim);
                    Ok(if is_gone {
                        Ok(())
                    } else {
                        Err("it lives".into())
                    })
                })?;
            }
            control.map_or(Ok(()), kill::now)
        }
        Disturbance::Restart | Disturbance::Upgrade => {
            end_supervisor(scene)?;
            let older = (disturbance == Disturbance::Upgrade)
                .then(|| windlass_store::testing::put_back(&scene.database()))
                .transpose()
                .map_err(Failure::Unexpected)?;
            scene.revive()?;
            match older {
                Some(kept) => scene.ask("rows of before", |_| {
                    kept.give_back().map_err(Failure::Unexpected)
                }),
                None => Ok(()),
            }
        }
        Disturbance::ManyCommits => {
            for number in 0..MANY_COMMITS {
                if !scene.file().exists() {
                    break;
                }
                let path = format!("/v3/apps/{}", scene.app.guid);
                let body = json!({ "metadata": { "annotations": { "n": number.to_string() } } });
                // Control may be dying of it.
                let _ = scene.rig.platform.api.patch(&path, &body);
            }
            Ok(())
        }
        Disturbance::Backup => {
            // It fails if control dies of it.
            let _ = back_up(scene);
            Ok(())
        }
        Disturbance::Restore { again } => {
            let backup = back_up(scene)?;
            end_supervisor(scene)?;
            let is_done = restore(scene, &backup)?;
            if again && !is_done && !restore(scene, &backup)? {
                return Err(Failure::Unexpected("nobody was to die again".to_owned()));
            }
            scene.revive().map(drop)
        }
    }
}

fn end_supervisor(scene: &mut Scene) -> Result<(), Failure> {
    if let Some(pid) = scene.rig.server.pid(Process::Supervisor) {
        kill::gently(pid)?;
    }
    wait_for("the end of the supervisor", || {
        let ended = scene.rig.server.has_ended()?;
        Ok(if ended { Ok(()) } else { Err("it runs".into()) })
    })
}

fn back_up(scene: &Scene) -> Result<PathBuf, Failure> {
    let file = scene.rig.server.home().join("backup.tar");
    let _ = std::fs::remove_file(&file);
    let mut command = scene.rig.server.command(&["backup"]);
    ran(command.arg(&file)).map(|()| file)
}

/// Restores over what is there; false if it died of a point.
fn restore(scene: &Scene, backup: &Path) -> Result<bool, Failure> {
    let server = &scene.rig.server;
    let is_armed = scene.file().exists();
    let mut command = server.command(&["restore", "--replace"]);
    command.arg("--key-file").arg(server.key_file()).arg(backup);
    match ran(&mut command) {
        Ok(()) => Ok(true),
        Err(_) if is_armed && !scene.file().exists() => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn ran(command: &mut Command) -> Result<(), Failure> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Failure::System {
            what: "run windlass",
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::Unexpected(format!(
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    )))
}

/// Acts; what must become of everything.
pub(super) fn perform(
    scene: &mut Scene,
    entered: &Entered,
    act: Act,
    reason: &str,
    are_runs_lost: bool,
) -> Result<Vec<Wanted>, Failure> {
    let id = entered.id.clone();
    let deployment = |outcomes: &[&'static str], reason: Option<&str>| Wanted {
        thing: Thing::Deployment(id.clone()),
        outcomes: outcomes.to_vec(),
        reason: reason.map(str::to_owned),
    };
    let site = |id: &str, outcomes: &[&'static str], reason: Option<&str>| Wanted {
        thing: Thing::Site(id.to_owned()),
        outcomes: outcomes.to_vec(),
        reason: reason.map(str::to_owned),
    };
    let task = |outcomes: &[&'static str]| Wanted {
        thing: Thing::Task(id.clone()),
        outcomes: outcomes.to_vec(),
        reason: None,
    };
    // A build is lost at most twice; that, and that of a task, is its end.
    let built: &[&str] = if are_runs_lost {
        &["READY", "ERROR"]
    } else {
        &["READY"]
    };
    let done: &[&str] = if are_runs_lost {
        &["SUCCEEDED", "FAILED"]
    } else {
        &["SUCCEEDED"]
    };
    Ok(match (entered.phase, act) {
        (Phase::Queued, act) => {
            let behind = entered.behind.clone().unwrap_or_default();
            let (canceled, other) = match act {
                Act::Next => (&id, &behind),
                Act::Cancel => (&behind, &id),
            };
            cancel_site(scene, canceled, reason)?;
            open(entered);
            vec![
                site(canceled, &["CANCELED"], Some(reason)),
                site(other, built, None),
            ]
        }
        (Phase::Building, Act::Next) => {
            open(entered);
            vec![site(&id, built, None)]
        }
        (Phase::Building, Act::Cancel) => {
            cancel_site(scene, &id, reason)?;
            vec![site(&id, &["CANCELED"], Some(reason))]
        }
        (Phase::HealthWait, Act::Next) => {
            let next = supersede(scene, &id)?;
            vec![
                deployment(&["superseded"], None),
                Wanted {
                    thing: Thing::Deployment(next),
                    outcomes: vec!["deployed"],
                    reason: None,
                },
            ]
        }
        (Phase::HealthWait | Phase::Paused | Phase::Rolling | Phase::Canceling, Act::Cancel) => {
            // A rolling deployment may be over before; then the cancel was refused.
            let outcomes: &[&str] = match cancel(scene, &id, reason)? {
                Accepted::Unknown if entered.phase == Phase::Rolling => &["canceled", "deployed"],
                Accepted::Yes | Accepted::Unknown => &["canceled"],
            };
            vec![deployment(outcomes, Some(reason))]
        }
        (Phase::Paused, Act::Next) => {
            let answer = scene.ask("an answer to continue", |scene| {
                answered(scene.rig.platform.resume(&id)?)
            })?;
            accept(&answer, &[200, 422])?;
            vec![deployment(&["deployed"], None)]
        }
        (Phase::Rolling, Act::Next) => vec![deployment(&["deployed"], None)],
        (Phase::Canceling, Act::Next) => vec![deployment(&["canceled"], Some(reason))],
        (Phase::RollingBack, Act::Next | Act::Cancel) => {
            scene.pass(DEADLINE_MS)?;
            vec![deployment(&["failed"], None)]
        }
        (Phase::TaskRunning, Act::Next) => {
            open(entered);
            vec![task(done)]
        }
        (Phase::TaskRunning, Act::Cancel) => {
            cancel_task(scene, &id)?;
            vec![task(&["FAILED"])]
        }
        (Phase::TaskCanceling, act) => {
            if act == Act::Cancel {
                cancel_task(scene, &id)?;
            }
            scene.pass(GRACE_MS)?;
            vec![task(&["FAILED"])]
        }
    })
}

fn open(entered: &Entered) {
    if let Some(gate) = &entered.gate {
        gate.open();
    }
}

/// What the last answer to a cancel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accepted {
    /// It is accepted.
    Yes,
    /// It is over: by an earlier try that was not answered, or otherwise.
    Unknown,
}

/// Cancels until that is answered; it may have been accepted when it was not.
fn cancel(scene: &mut Scene, id: &str, reason: &str) -> Result<Accepted, Failure> {
    let answer = scene.ask("an answer to cancel", |scene| {
        answered(scene.rig.platform.cancel(id, reason)?)
    })?;
    accept(&answer, &[200, 422])?;
    Ok(match answer.status {
        200 => Accepted::Yes,
        _ => Accepted::Unknown,
    })
}

fn cancel_site(scene: &mut Scene, id: &str, reason: &str) -> Result<(), Failure> {
    let answer = scene.ask("an answer to cancel", |scene| {
        answered(scene.site.cancel(id, reason)?)
    })?;
    accept(&answer, &[200, 400, 409])
}

fn cancel_task(scene: &mut Scene, id: &str) -> Result<(), Failure> {
    let answer = scene.ask("an answer to cancel", |scene| {
        answered(scene.rig.platform.cancel_task(id)?)
    })?;
    accept(&answer, &[200, 202, 422])
}

/// A 503 is of the supervisor: control is away.
fn answered(answer: Answer) -> Result<Answer, Failure> {
    if answer.status != 503 {
        return Ok(answer);
    }
    Err(Failure::Refused {
        request: answer.request,
        status: answer.status,
        text: answer.text,
    })
}

fn accept(answer: &Answer, statuses: &[u16]) -> Result<(), Failure> {
    if statuses.contains(&answer.status) {
        return Ok(());
    }
    Err(Failure::Refused {
        request: answer.request.clone(),
        status: answer.status,
        text: answer.text.clone(),
    })
}

/// Deploys the good version over one that hangs. Who was not answered looks what has come of it.
fn supersede(scene: &mut Scene, old: &str) -> Result<String, Failure> {
    scene.ask("a newer deployment", |scene| {
        let platform = &scene.rig.platform;
        let path = format!(
            "/v3/deployments?app_guids={}&order_by=-created_at&per_page=1",
            scene.app.guid
        );
        let list: Value = platform.api.get(&path)?;
        match windlass::demo::platform::first(&list, "guid")? {
            newest if newest != old => Ok(newest),
            _ => {
                let options = json!({ "strategy": "rolling" });
                platform.deploy(&scene.app, scene.target(), options)
            }
        }
    })
}
