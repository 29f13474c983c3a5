//! The matrix: every point in every phase, or some drawn ones.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use windlass::demo::Failure;

use super::cell::{self, Outcome};
use super::dice::Dice;
use super::phase::Phase;
use super::point::{self, Point, Role};
use super::results::Results;
use super::scene::{Scene, Stage};

/// Cells that share a Windlass.
const CELLS_OF_ONE: usize = 60;
/// Points that are tried for a drawn cell until somebody dies.
const TRIES: usize = 4;

/// Which cells are run.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) roles: Vec<Role>,
    /// Points with one of these prefixes; all when there is none.
    pub(super) points: Vec<String>,
    pub(super) phases: Vec<Phase>,
    /// So many cells of each role, drawn; all when absent.
    pub(super) sample: Option<usize>,
    /// So many at once, each on a Windlass of its own.
    pub(super) jobs: usize,
}

/// A cell, or some of which one is to be run: the first in which somebody dies.
type Slot = Vec<(Point, Phase)>;

/// What those who run cells share.
struct Work {
    slots: Mutex<VecDeque<(usize, Slot)>>,
    all: usize,
    results: Mutex<Results>,
}

/// Runs the cells of a selection.
pub(super) fn run(
    stage: &Stage,
    selection: &Selection,
    dice: &mut Dice,
) -> Result<Results, Failure> {
    let first = stage.scene()?;
    let points = point::listed(&first.rig.server.data_dir())?;
    let slots = drawn(selection, &points, dice);
    let work = Work {
        all: slots.len(),
        slots: Mutex::new((1..).zip(slots).collect()),
        results: Mutex::new(Results::default()),
    };
    thread::scope(|scope| {
        let mut first = Some(first);
        let workers: Vec<_> = (0..selection.jobs.max(1))
            .map(|_| {
                let (first, work) = (first.take(), &work);
                scope.spawn(move || work_off(stage, first, work))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            let broke = |_| Failure::Unexpected("a thread of the matrix broke".to_owned());
            worker.join().map_err(broke)?
        })
    })?;
    let mut results = work
        .results
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    // Whoever asks for some phases alone may ask for none in which the point is passed.
    if selection.sample.is_none() && selection.phases.len() == Phase::ALL.len() {
        results.look_for_never();
    }
    Ok(results)
}

/// Runs cells until none is left.
fn work_off(stage: &Stage, first: Option<Scene>, work: &Work) -> Result<(), Failure> {
    let mut scene = first;
    let mut used = 0;
    while let Some((number, slot)) = work.next() {
        for (point, phase) in slot {
            let isolation = needs_isolation(&point);
            let fits = |scene: &Scene| scene.has_isolation(isolation) && used < CELLS_OF_ONE;
            let mut stands = match scene.take() {
                Some(scene) if fits(&scene) => scene,
                old => {
                    if let Some(old) = old {
                        work.results().ended(old.end());
                    }
                    used = 0;
                    stage.scene_with(isolation)?
                }
            };
            used += 1;
            let outcome = cell::run(&mut stands, &point, phase);
            let text = match &outcome {
                Outcome::Ran { how } => format!("ok ({how})"),
                Outcome::NotPassed => "not passed".to_owned(),
                Outcome::Failed { wrong } => format!("FAILED: {}", wrong.join("; ")),
            };
            super::say(&format!(
                "[{number}/{}] {} {} while {}: {text}",
                work.all,
                point.role.word(),
                point.name,
                phase.word()
            ));
            if matches!(outcome, Outcome::Failed { .. }) {
                // What is broken must not break the next.
                super::say(&stands.trouble());
            } else {
                scene = Some(stands);
            }
            let is_done = outcome != Outcome::NotPassed;
            work.results().cell(point, phase, outcome);
            if is_done {
                break;
            }
        }
    }
    if let Some(scene) = scene {
        work.results().ended(scene.end());
    }
    Ok(())
}

/// What an app must not have around it, if the point is to be passed: a shim that is killed takes
/// a namespace with it, and leaves no orphans.
fn needs_isolation(point: &Point) -> Option<&'static str> {
    point
        .name
        .starts_with("supervisor-orphans")
        .then_some("bare")
}

impl Work {
    fn next(&self) -> Option<(usize, Slot)> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.pop_front()
    }

    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cells of a selection, in an order that keeps those of one point together.
fn drawn(selection: &Selection, points: &[Point], dice: &mut Dice) -> Vec<Slot> {
    let is_chosen = |point: &Point| {
        let prefixes = &selection.points;
        prefixes.is_empty() || prefixes.iter().any(|start| point.name.starts_with(start))
    };
    let mut slots = Vec::new();
    let mut phases = selection.phases.clone();
    dice.shuffle(&mut phases);
    // One phase after the other, across the roles: so every one is drawn when there are enough.
    let mut phases = phases.into_iter().cycle();
    for role in &selection.roles {
        let of_role = points.iter().filter(|point| point.role == *role);
        let mut of_role: Vec<Point> = of_role.filter(|point| is_chosen(point)).cloned().collect();
        let Some(count) = selection.sample else {
            for point in of_role {
                let cell = |phase: &Phase| vec![(point.clone(), *phase)];
                slots.extend(selection.phases.iter().map(cell));
            }
            continue;
        };
        dice.shuffle(&mut of_role);
        for (at, phase) in (0..count).zip(&mut phases) {
            let from = of_role.iter().cycle().skip(at * TRIES);
            let tries = from.take(TRIES.min(of_role.len()));
            slots.push(tries.map(|point| (point.clone(), phase)).collect());
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn points() -> Vec<Point> {
        let of = |role: Role| {
            (0..7).map(move |number| Point {
                role,
                name: format!("{}-{number}", role.word()),
            })
        };
        Role::ALL.into_iter().flat_map(of).collect()
    }

    fn selection(sample: Option<usize>) -> Selection {
        Selection {
            roles: Role::ALL.to_vec(),
            points: Vec::new(),
            phases: Phase::ALL.to_vec(),
            sample,
            jobs: 1,
        }
    }

    #[test]
    fn all_cells_are_all_points_in_all_phases() {
        let slots = drawn(&selection(None), &points(), &mut Dice::new(1));
        assert_eq!(slots.len(), 5 * 7 * 9);
        assert!(slots.iter().all(|slot| slot.len() == 1));
    }

    #[test]
    fn a_sample_has_every_role_and_every_phase_with_any_seed() {
        for seed in 0..100 {
            let slots = drawn(&selection(Some(2)), &points(), &mut Dice::new(seed));
            assert_eq!(slots.len(), 10);
            let first = slots.iter().map(|slot| &slot[0]);
            let phases: BTreeSet<Phase> = first.clone().map(|(_, phase)| *phase).collect();
            let roles: BTreeSet<Role> = first.map(|(point, _)| point.role).collect();
            assert_eq!((phases.len(), roles.len()), (9, 5), "seed {seed}");
        }
    }
}
