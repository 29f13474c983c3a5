//! One cell of the matrix: a phase, a point at which somebody dies in it, and what holds afterwards.

use windlass::demo::{Failure, wait_for};

use super::act::{self, Act, Disturbance};
use super::outcome::Wanted;
use super::phase::{self, Phase};
use super::point::{Point, Role};
use super::scene::Scene;

/// Answers after a cell, all of the version that serves.
const ANSWERS: u64 = 20;
/// Requests that may be in flight on whoever is killed: one a visitor.
pub(super) const CUT_AT_ONCE: u64 = 6;

/// What came of a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody died, and everything held.
    Ran {
        /// What was done.
        how: String,
    },
    /// Everything came to its end and nobody had passed the point.
    NotPassed,
    /// Something does not hold.
    Failed {
        /// What, one line each.
        wrong: Vec<String>,
    },
}

/// What is done in a phase, the likeliest to be tried first.
fn acts(phase: Phase) -> &'static [Act] {
    match phase {
        Phase::RollingBack => &[Act::Next],
        Phase::Queued | Phase::Rolling | Phase::Canceling | Phase::TaskCanceling => {
            &[Act::Next, Act::Cancel]
        }
        Phase::Building | Phase::HealthWait | Phase::Paused | Phase::TaskRunning => {
            &[Act::Cancel, Act::Next]
        }
    }
}

/// The first of them.
pub(super) fn likeliest(phase: Phase) -> Act {
    acts(phase)[0]
}

/// Ways to have somebody pass a point, the likeliest first.
fn ways(point: &Point, phase: Phase) -> Vec<(Disturbance, Act)> {
    let acts = acts(phase);
    let name = &point.name;
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let disturbances: &[Disturbance] = if starts(&["supervisor-orphans"]) {
        &[Disturbance::KillShimUnseen]
    } else if starts(&["driver-lost"]) {
        &[Disturbance::KillShim]
    } else if starts(&["supervisor-end"]) {
        &[Disturbance::Restart]
    } else if starts(&["supervisor-"]) {
        &[Disturbance::KillControl, Disturbance::KillRouter]
    } else if starts(&["control-adopted", "control-begun"]) {
        &[Disturbance::KillControl]
    } else if starts(&["router-file-read", "router-greeted"]) {
        &[Disturbance::KillRouter]
    } else if starts(&["store-migration"]) {
        &[Disturbance::Upgrade]
    } else if starts(&["store-checkpointed"]) {
        &[Disturbance::ManyCommits]
    } else if starts(&["store-backup"]) {
        &[Disturbance::Backup]
    } else if point.role == Role::Restore {
        // Both ways on from an interrupted restore, in phases that take turns.
        match phase as usize % 2 {
            0 => &[Disturbance::Restore { again: true }],
            _ => &[Disturbance::Restore { again: false }],
        }
    } else {
        return acts.iter().map(|act| (Disturbance::None, *act)).collect();
    };
    disturbances
        .iter()
        .map(|disturbance| (*disturbance, likeliest(phase)))
        .collect()
}

/// Runs a cell.
pub(super) fn run(scene: &mut Scene, point: &Point, phase: Phase) -> Outcome {
    let ways = ways(point, phase);
    // A rolling deployment goes on by itself and may be over before anybody is to die: then the
    // phase is entered again.
    let rounds = if phase == Phase::Rolling { 3 } else { 1 };
    let all = ways.len() * rounds;
    for (disturbance, act) in ways.into_iter().cycle().take(all) {
        match try_way(scene, point, phase, disturbance, act) {
            Ok(Tried { wrong, .. }) if !wrong.is_empty() => return Outcome::Failed { wrong },
            Ok(Tried { died: true, .. }) => {
                let how = match disturbance {
                    Disturbance::None => format!("{act:?}"),
                    other => format!("{other:?}, {act:?}"),
                };
                return Outcome::Ran { how };
            }
            Ok(_) => {}
            Err(failure) => {
                let wrong = vec![format!("{disturbance:?}, {act:?}: {failure}")];
                return Outcome::Failed { wrong };
            }
        }
    }
    Outcome::NotPassed
}

struct Tried {
    died: bool,
    wrong: Vec<String>,
}

fn try_way(
    scene: &mut Scene,
    point: &Point,
    phase: Phase,
    disturbance: Disturbance,
    act: Act,
) -> Result<Tried, Failure> {
    let reason = format!("{} while {}", point.name, phase.word());
    let router_dies = point.role == Role::Router || disturbance == Disturbance::KillRouter;
    let supervisor_dies = point.role == Role::Supervisor || disturbance.ends_supervisor();
    let shim_dies = point.role == Role::Shim || disturbance.ends_runs();
    let visitors = !supervisor_dies && !phase.moves_clock();
    if visitors {
        scene.let_in()?;
    }
    let entered = phase::enter(scene, phase, &reason)?;
    if let Some(load) = scene.load.as_ref().filter(|_| router_dies) {
        load.router_dies();
    }
    let file = scene.file();
    arm(&file, &point.name)?;
    act::disturb(scene, &entered, disturbance)?;
    let wanted = act::perform(scene, &entered, act, &reason, shim_dies)?;
    let (died, mut wrong) = settle(scene, &wanted, &reason)?;
    if let Some(load) = scene.load.as_ref().filter(|_| router_dies) {
        load.router_is_dead();
    }
    // Once for a killed instance; once for who was cut by a router and is cut by the next.
    let twice = disturbance == Disturbance::KillRouter && point.role == Role::Router && died;
    let cuts = u64::from(shim_dies) + u64::from(twice);
    wrong.extend(visited(scene, CUT_AT_ONCE * cuts)?);
    scene.rest()?;
    Ok(Tried { died, wrong })
}

/// Names the point, whole at once.
fn arm(file: &std::path::Path, point: &str) -> Result<(), Failure> {
    let beside = file.with_extension("next");
    let written = std::fs::write(&beside, point).and_then(|()| std::fs::rename(&beside, file));
    written.map_err(|source| Failure::File {
        what: "write",
        path: file.to_path_buf(),
        source,
    })
}

/// Waits until everything has its outcome and nothing is left over. Whether somebody has died is
/// known then: whoever removes the file first, he or we, says so.
pub(super) fn settle(
    scene: &mut Scene,
    wanted: &[Wanted],
    reason: &str,
) -> Result<(bool, Vec<String>), Failure> {
    let (mut wrong, mut ended) = (Vec::new(), Vec::new());
    for want in wanted {
        let what = format!("the outcome of {:?}, {reason}", want.thing);
        let outcome = wait_for(&what, || {
            let found = scene.ask(&what, |scene| want.thing.outcome(scene))?;
            Ok(found.ok_or_else(|| "none".to_owned()))
        })?;
        if !want.outcomes.contains(&&*outcome) {
            wrong.push(format!(
                "{:?} ended {outcome}, not {}",
                want.thing,
                want.outcomes.join(" or ")
            ));
        }
        if outcome == "deployed" {
            scene.swap();
        }
        scene.note(want.thing.clone(), &outcome);
        ended.push(outcome);
    }
    tidy(scene)?;
    let died = std::fs::remove_file(scene.file()).is_err();
    if died {
        // The last to die may have died of the very last step.
        scene.revive()?;
        tidy(scene)?;
    }
    for (want, outcome) in wanted.iter().zip(&ended) {
        let reason = want.reason.as_deref().filter(|_| outcome != "deployed");
        wrong.extend(scene.ask("a record", |scene| want.thing.faults(scene, reason))?);
    }
    Ok((died, wrong))
}

/// Waits until nothing happens any more and nothing is left over.
pub(super) fn tidy(scene: &mut Scene) -> Result<(), Failure> {
    wait_for("nothing to be left over", || {
        scene.revive()?;
        let untidy = scene.untidy()?;
        Ok(if untidy.is_empty() {
            Ok(())
        } else {
            Err(untidy.join("; "))
        })
    })
}

/// What visitors have to complain about; only the version that serves may answer now.
pub(super) fn visited(scene: &mut Scene, may_be_cut: u64) -> Result<Vec<String>, Failure> {
    scene.let_in()?;
    let Some(load) = scene.load.take() else {
        return Ok(Vec::new());
    };
    load.section();
    wait_for("answers", || {
        let counts = load.counts();
        Ok(if counts.total() >= ANSWERS {
            Ok(())
        } else {
            Err(format!("{counts:?}, {:?}", load.totals()))
        })
    })?;
    let (counts, version) = (load.counts(), scene.version());
    let totals = load.finish();
    let mut wrong = Vec::new();
    if counts.of(version) != counts.total() {
        wrong.push(format!(
            "not all answers are of version {version}: {counts:?}"
        ));
    }
    if totals.failed > may_be_cut {
        wrong.push(format!(
            "{} of {} requests failed: {}",
            totals.failed,
            totals.requests,
            totals.failures.join("; ")
        ));
    }
    Ok(wrong)
}
