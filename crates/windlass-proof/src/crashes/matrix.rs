//! The matrix: every point in every phase, as a table and as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use windlass::demo::Failure;

use super::cell::{self, Outcome};
use super::dice::Dice;
use super::phase::Phase;
use super::point::{self, Point, Role};
use super::scene::Scene;

/// Cells that share a Windlass.
const CELLS_OF_ONE: usize = 60;

/// Which cells are run.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub(super) roles: Vec<Role>,
    /// Points with one of these prefixes; all when there is none.
    pub(super) points: Vec<String>,
    pub(super) phases: Vec<Phase>,
    /// So many cells of each role, drawn; all when absent.
    pub(super) sample: Option<usize>,
}

/// What came of all.
#[derive(Debug, Default)]
pub(super) struct Results {
    cells: Vec<(Point, Phase, Outcome)>,
    /// What was wrong when a Windlass was stopped.
    ends: Vec<String>,
}

/// Runs the cells of a selection.
pub(super) fn run(
    program: &Path,
    example: &Path,
    isolation: &str,
    selection: &Selection,
    dice: &mut Dice,
) -> Result<Results, Failure> {
    let mut scene = Scene::new(program, example, isolation)?;
    let points = point::listed(&scene.rig.server.data_dir())?;
    let cells = drawn(selection, &points, dice);
    let mut results = Results::default();
    let mut used = 0;
    let all = cells.len();
    for (number, (point, phase)) in cells.into_iter().enumerate() {
        if used >= CELLS_OF_ONE {
            let next = Scene::new(program, example, isolation)?;
            results.ended(std::mem::replace(&mut scene, next).end());
            used = 0;
        }
        used += 1;
        let outcome = cell::run(&mut scene, &point, phase);
        let text = match &outcome {
            Outcome::Ran { how } => format!("ok ({how})"),
            Outcome::NotPassed => "not passed".to_owned(),
            Outcome::Failed { wrong } => format!("FAILED: {}", wrong.join("; ")),
        };
        super::say(&format!(
            "[{}/{all}] {} {} while {}: {text}",
            number + 1,
            point.role.word(),
            point.name,
            phase.word()
        ));
        if matches!(outcome, Outcome::Failed { .. }) {
            // What is broken must not break the next.
            super::say(&scene.trouble());
            scene = Scene::new(program, example, isolation)?;
            used = 0;
        }
        results.cells.push((point, phase, outcome));
    }
    results.ended(scene.end());
    Ok(results)
}

/// The cells of a selection, in an order that keeps those of one point together.
fn drawn(selection: &Selection, points: &[Point], dice: &mut Dice) -> Vec<(Point, Phase)> {
    let mut cells = Vec::new();
    for role in &selection.roles {
        let prefixes = &selection.points;
        let mut of_role: Vec<(Point, Phase)> = points
            .iter()
            .filter(|point| point.role == *role)
            .filter(|point| {
                prefixes.is_empty() || prefixes.iter().any(|start| point.name.starts_with(start))
            })
            .flat_map(|point| selection.phases.iter().map(|phase| (point.clone(), *phase)))
            .collect();
        if let Some(count) = selection.sample {
            dice.shuffle(&mut of_role);
            of_role.truncate(count);
        }
        cells.extend(of_role);
    }
    cells
}

impl Results {
    fn ended(&mut self, ended: Result<Vec<String>, Failure>) {
        let wrong = ended.unwrap_or_else(|failure| vec![failure.to_string()]);
        for line in &wrong {
            super::say(&format!("at the end: {line}"));
        }
        self.ends.extend(wrong);
    }

    /// Whether everything held.
    pub(super) fn held(&self) -> bool {
        let failed =
            |(_, _, outcome): &(Point, Phase, Outcome)| matches!(outcome, Outcome::Failed { .. });
        self.ends.is_empty() && !self.cells.iter().any(failed)
    }

    /// One row a point, one column a phase.
    pub(super) fn table(&self) -> String {
        let mut rows: BTreeMap<(Role, usize, &str), BTreeMap<Phase, char>> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        let mut counts: BTreeMap<Role, [usize; 3]> = BTreeMap::new();
        for (point, phase, outcome) in &self.cells {
            if !order.contains(&&*point.name) {
                order.push(&point.name);
            }
            let place = order.iter().position(|name| *name == point.name);
            let (mark, column) = match outcome {
                Outcome::Ran { .. } => ('+', 0),
                Outcome::NotPassed => ('.', 1),
                Outcome::Failed { .. } => ('X', 2),
            };
            counts.entry(point.role).or_default()[column] += 1;
            rows.entry((point.role, place.unwrap_or(0), &point.name))
                .or_default()
                .insert(*phase, mark);
        }
        let letters = ["Q", "B", "H", "P", "R", "C", "K", "T", "U"];
        let key: Vec<String> = letters
            .iter()
            .zip(Phase::ALL)
            .map(|(letter, phase)| format!("{letter} {}", phase.word()))
            .collect();
        let mut lines = vec![
            key.join("  "),
            "+ ran   . not passed   X failed".to_owned(),
            String::new(),
            format!("{:<44} {}", "", letters.join(" ")),
        ];
        for ((role, _, name), phases) in &rows {
            let marks: Vec<String> = Phase::ALL
                .iter()
                .map(|phase| phases.get(phase).unwrap_or(&' ').to_string())
                .collect();
            lines.push(format!("{:<11}{name:<33} {}", role.word(), marks.join(" ")));
        }
        lines.push(String::new());
        lines.push(row("", ["ran", "not passed", "failed"]));
        let mut sum = [0; 3];
        for (role, columns) in &counts {
            lines.push(row(role.word(), *columns));
            for (total, count) in sum.iter_mut().zip(columns) {
                *total += count;
            }
        }
        lines.push(row("all", sum));
        lines.join("\n") + "\n"
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let cell = |(point, phase, outcome): &(Point, Phase, Outcome)| {
            let (word, details) = match outcome {
                Outcome::Ran { how } => ("ran", json!(how)),
                Outcome::NotPassed => ("not_passed", Value::Null),
                Outcome::Failed { wrong } => ("failed", json!(wrong)),
            };
            json!({
                "role": point.role.word(),
                "point": point.name,
                "phase": phase.word(),
                "outcome": word,
                "details": details,
            })
        };
        json!({
            "cells": self.cells.iter().map(cell).collect::<Vec<_>>(),
            "at_the_end": self.ends,
        })
    }
}

/// A row of the counts.
fn row<T: std::fmt::Display>(name: &str, [ran, not_passed, failed]: [T; 3]) -> String {
    format!("{name:<11} {ran:>8} {not_passed:>11} {failed:>7}")
}
