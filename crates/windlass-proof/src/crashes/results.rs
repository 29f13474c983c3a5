//! What came of the cells, as a table and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use windlass::demo::Failure;

use super::cell::Outcome;
use super::phase::Phase;
use super::point::{Point, Role};
use super::why;

/// What came of all.
#[derive(Debug, Default)]
pub(super) struct Results {
    cells: Vec<(Point, Phase, Outcome)>,
    /// What was wrong when a Windlass was stopped.
    ends: Vec<String>,
    /// Points at which somebody was to die in some phase and in none did.
    never: Vec<String>,
}

impl Results {
    /// A cell more.
    pub(super) fn cell(&mut self, point: Point, phase: Phase, outcome: Outcome) {
        self.cells.push((point, phase, outcome));
    }

    /// Finds points at which nobody has died in any phase.
    pub(super) fn look_for_never(&mut self) {
        let died = |name: &str| {
            let mut of_point = self.cells.iter().filter(|(point, ..)| point.name == name);
            of_point.any(|(.., outcome)| *outcome != Outcome::NotPassed)
        };
        let names: BTreeSet<&str> = self.cells.iter().map(|(point, ..)| &*point.name).collect();
        let never = names.into_iter().filter(|name| !died(name));
        self.never = never.map(str::to_owned).collect();
    }

    /// What was wrong when a Windlass was stopped.
    pub(super) fn ended(&mut self, ended: Result<Vec<String>, Failure>) {
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
        self.ends.is_empty() && self.never.is_empty() && !self.cells.iter().any(failed)
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
        lines.push(String::new());
        for (why, count) in self.not_passed() {
            lines.push(format!("{count} cells were not passed: {why}"));
        }
        for name in &self.never {
            lines.push(format!("WRONG: nobody has died at {name} in any phase"));
        }
        for line in &self.ends {
            lines.push(format!("WRONG at the end: {line}"));
        }
        lines.join("\n") + "\n"
    }

    /// Why cells were not passed, with their number.
    fn not_passed(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (point, phase, outcome) in &self.cells {
            if *outcome == Outcome::NotPassed {
                *counts.entry(why::not_passed(point, *phase)).or_default() += 1;
            }
        }
        counts
    }

    /// The same for programs.
    pub(super) fn json(&self) -> Value {
        let cell = |(point, phase, outcome): &(Point, Phase, Outcome)| {
            let (word, details) = match outcome {
                Outcome::Ran { how } => ("ran", json!(how)),
                Outcome::NotPassed => ("not_passed", json!(why::not_passed(point, *phase))),
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
            "never": self.never,
            "at_the_end": self.ends,
        })
    }
}

/// A row of the counts.
fn row<T: std::fmt::Display>(name: &str, [ran, not_passed, failed]: [T; 3]) -> String {
    format!("{name:<11} {ran:>8} {not_passed:>11} {failed:>7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_at_which_nobody_dies_is_wrong() {
        let point = |name: &str| Point {
            role: Role::Control,
            name: name.to_owned(),
        };
        let ran = || Outcome::Ran { how: String::new() };
        let mut results = Results::default();
        results.cell(point("a"), Phase::Queued, Outcome::NotPassed);
        results.cell(point("a"), Phase::Paused, ran());
        results.look_for_never();
        assert!(results.held());
        results.cell(point("b"), Phase::Paused, Outcome::NotPassed);
        results.look_for_never();
        assert!(!results.held());
        assert!(results.table().contains("nobody has died at b "));
    }
}
