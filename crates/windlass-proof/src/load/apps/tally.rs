//! What was seen, and what of it does not hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use windlass::demo::Failure;

use super::books::Books;
use super::memory::{self, Moment};
use super::round::Played;
use super::secs;
use crate::bench::stats::percentile;

/// One cancel of so many may stand behind the work of others: its client may not have been let run
/// when the answer came.
const BEHIND_ONE_IN: usize = 100;

/// Everything of all rounds.
#[derive(Debug)]
pub(crate) struct Seen {
    apps: usize,
    seed: u64,
    stories: BTreeMap<&'static str, usize>,
    outcomes: BTreeMap<&'static str, usize>,
    commits: u64,
    waits: Vec<Wait>,
    reply_ms: Vec<f64>,
    not_in_force: Vec<String>,
    before: Moment,
    pub(super) took: Vec<Duration>,
    pub(super) safe_ms: Vec<f64>,
    pub(super) peaks: Vec<Moment>,
    pub(super) afters: Vec<Moment>,
    pub(super) most_at_once: usize,
    pub(super) wrong: Vec<String>,
}

/// Commits of the whole server while a cancel was on its way.
#[derive(Debug, Clone, Copy)]
struct Wait {
    /// Between its sending and its own.
    to_commit: u64,
    /// Between its own and its answer, that is its table in force.
    to_answer: u64,
    /// All of its round.
    of_round: u64,
}

impl Wait {
    /// Whether it had to stand behind the work of the others.
    fn is_behind(&self) -> bool {
        2 * (self.to_commit + self.to_answer) > self.of_round
    }
}

impl Seen {
    pub(super) fn new(apps: usize, seed: u64, before: Moment) -> Self {
        Self {
            apps,
            seed,
            stories: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            commits: 0,
            waits: Vec::new(),
            reply_ms: Vec::new(),
            not_in_force: Vec::new(),
            before,
            took: Vec::new(),
            safe_ms: Vec::new(),
            peaks: Vec::new(),
            afters: Vec::new(),
            most_at_once: 0,
            wrong: Vec::new(),
        }
    }

    /// Takes in a round of so many commits.
    pub(super) fn round(
        &mut self,
        played: &[Played],
        books: &Books,
        commits: u64,
    ) -> Result<(), Failure> {
        self.commits += commits;
        for app in played {
            *self.stories.entry(app.story.name()).or_default() += 1;
            for made in &app.made {
                *self.outcomes.entry(made.outcome).or_default() += 1;
            }
            for cancel in &app.cancels {
                let own = books.commit_of_cancel(&cancel.guid)?;
                self.waits.push(Wait {
                    to_commit: own.saturating_sub(cancel.sent),
                    to_answer: cancel.answered.saturating_sub(own),
                    of_round: commits,
                });
                self.reply_ms.push(secs(cancel.took) * 1_000.0);
                match cancel.safe_ms {
                    Some(ms) => self.safe_ms.push(ms),
                    None => self.not_in_force.push(cancel.guid.clone()),
                }
            }
        }
        Ok(())
    }

    /// Cancels whose answer said that their table was not in force yet.
    pub(super) fn cancels_not_in_force(&self) -> Vec<String> {
        self.not_in_force.clone()
    }

    fn all_wrong(&self) -> Vec<String> {
        let mut wrong = self.wrong.clone();
        let overtaken = self.waits.iter().filter(|wait| wait.is_behind()).count();
        if overtaken * BEHIND_ONE_IN > self.waits.len() {
            wrong.push(format!(
                "{overtaken} of {} cancels waited for half of the work of all others",
                self.waits.len()
            ));
        }
        if let (Some(middle), Some(last)) = (self.middle(), self.afters.last()) {
            wrong.extend(memory::grown(middle, last));
        }
        wrong
    }

    /// After the round in the middle.
    fn middle(&self) -> Option<&Moment> {
        self.afters.get((self.afters.len() / 2).saturating_sub(1))
    }

    /// Whether everything held.
    pub(crate) fn holds(&self) -> bool {
        self.all_wrong().is_empty()
    }

    /// For people.
    pub(super) fn tell(&self) {
        super::super::say(&self.to_text());
        let wrong = self.all_wrong();
        for line in &wrong {
            super::super::say(&format!("  {line}"));
        }
        super::super::say(if wrong.is_empty() {
            "all holds"
        } else {
            "NOT ALL HOLDS"
        });
    }

    fn to_text(&self) -> String {
        let counted = |counts: &BTreeMap<&'static str, usize>| {
            let rows = counts.iter().map(|(name, count)| format!("{count} {name}"));
            rows.collect::<Vec<_>>().join(", ")
        };
        let (commit, answer) = (
            self.counts(|wait| wait.to_commit),
            self.counts(|wait| wait.to_answer),
        );
        let rounds = self.took.iter().map(|took| format!("{:.1}", secs(*took)));
        let mut text = format!(
            "apps: {} apps, {} rounds, seed {}: {}\n{} deployments: {}; {} under way at once\n\
             {} cancels, {} in force with their answer; to the answer {} ms; to the safe table {} ms\n\
             commits of the server while a cancel was under way, of {} a round: to its own {}; from \
             there to its answer {}\n{} s a round",
            self.apps,
            self.took.len(),
            self.seed,
            counted(&self.stories),
            self.outcomes.values().sum::<usize>(),
            counted(&self.outcomes),
            self.most_at_once,
            self.waits.len(),
            self.waits.len() - self.not_in_force.len(),
            spread(&self.reply_ms),
            spread(&self.safe_ms),
            self.commits / self.took.len().max(1) as u64,
            spread(&commit),
            spread(&answer),
            rounds.collect::<Vec<_>>().join(", "),
        );
        let moments = [
            ("before", Some(&self.before)),
            ("at the first peak", self.peaks.first()),
        ]
        .into_iter()
        .chain([("after the first round", self.afters.first())])
        .chain([("at the last peak", self.peaks.last())])
        .chain([("after the last round", self.afters.last())]);
        for (when, moment) in moments {
            let Some(moment) = moment else { continue };
            let _ = write!(text, "\n  {when}:");
            for holds in moment {
                let _ = write!(
                    text,
                    " {} {:.1} MiB ({:.1} its own, {} files)",
                    holds.role, holds.resident_mib, holds.own_mib, holds.files
                );
            }
        }
        text
    }

    #[expect(clippy::cast_precision_loss, reason = "commits are far below 2^52")]
    fn counts(&self, of: impl Fn(&Wait) -> u64) -> Vec<f64> {
        self.waits.iter().map(|wait| of(wait) as f64).collect()
    }

    /// One object.
    pub(crate) fn to_json(&self) -> Value {
        let wrong = self.all_wrong();
        let of = |values: &[f64]| {
            json!({ "p50": percentile(values, 50.0), "p99": percentile(values, 99.0),
                    "max": percentile(values, 100.0) })
        };
        let moment = |moment: &Moment| {
            let roles = moment.iter().map(|holds| {
                let row = json!({ "resident_mib": holds.resident_mib, "own_mib": holds.own_mib,
                                  "files": holds.files });
                (holds.role.to_owned(), row)
            });
            Value::Object(roles.collect())
        };
        json!({
            "apps": self.apps,
            "rounds": self.took.len(),
            "seed": self.seed,
            "stories": self.stories,
            "outcomes": self.outcomes,
            "most_at_once": self.most_at_once,
            "cancels": self.waits.len(),
            "in_force_with_the_answer": self.waits.len() - self.not_in_force.len(),
            "reply_ms": of(&self.reply_ms),
            "time_to_safe_ms": of(&self.safe_ms),
            "commits": self.commits,
            "commits_to_own": of(&self.counts(|wait| wait.to_commit)),
            "commits_to_answer": of(&self.counts(|wait| wait.to_answer)),
            "memory": {
                "before": moment(&self.before),
                "peaks": self.peaks.iter().map(moment).collect::<Vec<_>>(),
                "after": self.afters.iter().map(moment).collect::<Vec<_>>(),
            },
            "wrong": wrong,
            "holds": wrong.is_empty(),
        })
    }
}

fn spread(values: &[f64]) -> String {
    format!(
        "p50 {:.1}, p99 {:.1}, max {:.1}",
        percentile(values, 50.0),
        percentile(values, 99.0),
        percentile(values, 100.0)
    )
}

#[cfg(test)]
mod tests {
    use super::super::memory::Holds;
    use super::*;

    fn seen(waits: &[(u64, u64)]) -> Seen {
        let holds = Holds {
            role: "control",
            resident_mib: 1.0,
            own_mib: 1.0,
            files: 1,
        };
        let mut seen = Seen::new(100, 1, [holds; 3]);
        seen.waits = waits
            .iter()
            .map(|(to_commit, to_answer)| Wait {
                to_commit: *to_commit,
                to_answer: *to_answer,
                of_round: 1_000,
            })
            .collect();
        seen
    }

    #[test]
    fn cancels_behind_the_work_of_others_are_wrong() {
        assert!(seen(&[(100, 400); 50]).holds());
        assert!(!seen(&[(100, 401); 50]).holds());
        let mut waits = vec![(1, 1); 99];
        waits.push((900, 0));
        assert!(seen(&waits).holds(), "one in a hundred");
        waits.push((0, 900));
        assert!(!seen(&waits).holds());
    }
}
