//! `races`: two or three who want different things of the same deployment at the same moment,
//! round after round, judged by what each of them saw.
//!
//! Where the moment is the tool finds by itself (`aim`), lets the sides start around it (`start`),
//! and judges the recorded history (`history`) by a small model (`model`): some order of what was
//! asked must explain all that was answered (`linearize`).

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use windlass::demo::Failure;

use crate::programs;
use crate::rig::Rig;
use aim::{Aim, Chance};

pub mod aim;
mod cancel_both;
mod cancel_cancel;
mod cancel_continue;
mod cancel_digitalocean;
mod cancel_finish;
mod cancel_pause;
mod cancel_scale;
mod cancel_stop;
mod cancel_supersede;
mod cancel_vercel;
mod continue_continue;
pub mod history;
pub mod linearize;
pub mod model;
mod rollout;
mod scene;
mod start;
mod task_cancel;
mod trail;
mod verdict;
mod wire;

/// Rounds with something wrong after which a race is given up.
const WRONG_MAX: usize = 5;

/// Two or three who want different things of the same deployment at the same moment.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Rounds of each race; up to five times as many while a side has not won yet.
    #[arg(long, default_value_t = 300)]
    rounds: u64,
    /// Only these races.
    #[arg(long = "race", value_name = "NAME")]
    races: Vec<String>,
    /// What the jitter comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One object.
    Json,
}

/// One race.
trait Race {
    /// One round with these starts.
    ///
    /// # Errors
    /// When something could not be asked or read.
    fn round(&mut self, starts: &[Duration]) -> Result<Round, Failure>;

    /// Takes everything away; what is wrong afterwards.
    ///
    /// # Errors
    /// When it does not go.
    fn end(self: Box<Self>) -> Result<(), Failure>;
}

/// What a round came to.
struct Round {
    /// Which side won, as an index into the sides.
    winner: usize,
    /// What does not hold.
    wrong: Vec<String>,
}

/// A race that can be run.
struct Known {
    name: &'static str,
    sides: &'static [&'static str],
    begin: for<'a> fn(&'a Rig) -> Result<Box<dyn Race + 'a>, Failure>,
}

const RACES: &[Known] = &[
    Known {
        name: "cancel-finish",
        sides: &["cancel", "finish"],
        begin: cancel_finish::begin,
    },
    Known {
        name: "cancel-pause",
        sides: &["cancel", "pause"],
        begin: cancel_pause::begin,
    },
    Known {
        name: "cancel-continue",
        sides: &["cancel", "continue"],
        begin: cancel_continue::begin,
    },
    Known {
        name: "cancel-cancel",
        sides: &["first client", "second client"],
        begin: cancel_cancel::same_user,
    },
    Known {
        name: "cancel-cancel-other-user",
        sides: &["one user", "another user"],
        begin: cancel_cancel::other_user,
    },
    Known {
        name: "cancel-cancel-windlass",
        sides: &["Cloud Foundry", "windlass"],
        begin: cancel_cancel::command_line,
    },
    Known {
        name: "cancel-cancel-digitalocean",
        sides: &["DigitalOcean", "windlass"],
        begin: cancel_digitalocean::begin,
    },
    Known {
        name: "cancel-cancel-vercel",
        sides: &["Vercel", "windlass"],
        begin: cancel_vercel::begin,
    },
    Known {
        name: "cancel-supersede",
        sides: &["cancel", "supersede"],
        begin: cancel_supersede::begin,
    },
    Known {
        name: "cancel-scale",
        sides: &["cancel", "scale"],
        begin: cancel_scale::begin,
    },
    Known {
        name: "cancel-stop",
        sides: &["cancel", "stop"],
        begin: cancel_stop::begin,
    },
    Known {
        name: "continue-continue",
        sides: &["first client", "second client"],
        begin: continue_continue::begin,
    },
    Known {
        name: "task-cancel-completion",
        sides: &["cancel", "completion"],
        begin: task_cancel::completion,
    },
    Known {
        name: "task-cancel-start",
        sides: &["cancel", "start"],
        begin: task_cancel::start,
    },
    Known {
        name: "promote-rollback-abort",
        sides: &["promote", "rollback", "abort"],
        begin: rollout::begin,
    },
];

/// A race that one side has always won goes on, up to so many times its rounds: on a machine that is
/// busy with something else the moment is found late.
const MORE_ROUNDS: u64 = 5;

/// How a race went.
struct Outcome {
    name: &'static str,
    sides: &'static [&'static str],
    wins: Vec<u64>,
    lags_us: Vec<f64>,
    rounds: u64,
    /// The round that took longest.
    slowest: Duration,
    took: Duration,
    wrong: Vec<String>,
}

/// Runs them; whether everything held.
///
/// # Errors
/// When Windlass or the example can't be had, or something could not be asked.
pub fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let chosen: Vec<&Known> = match arguments.races.as_slice() {
        [] => RACES.iter().collect(),
        names => names
            .iter()
            .map(|name| known(name))
            .collect::<Result<_, _>>()?,
    };
    let (program, example) = (programs::windlass()?, programs::example()?);
    let flags = ["--set", "allow_loopback_sources=true"];
    say(&format!(
        "races: {} rounds each, seed {}",
        arguments.rounds, arguments.seed
    ));
    let (mut outcomes, mut left) = (Vec::new(), Vec::new());
    for race in chosen {
        // One each: ports of ended instances rest for a minute, and a Windlass on automatic ports
        // has 400.
        let rig = Rig::new(&program, &example, &flags)?;
        let outcome = run_one(&rig, race, arguments).inspect_err(|_| {
            say(&format!(
                "{} broke; windlass up said:\n{}",
                race.name,
                rig.server.log()
            ));
        })?;
        say(&outcome.to_text());
        outcomes.push(outcome);
        left.extend(rig.end()?);
    }
    for line in &left {
        say(&format!("  at the end: {line}"));
    }
    let holds = left.is_empty() && outcomes.iter().all(Outcome::holds);
    let rounds: u64 = outcomes.iter().map(|outcome| outcome.rounds).sum();
    let wrong: usize = outcomes.iter().map(|outcome| outcome.wrong.len()).sum();
    say(&format!(
        "{} races, {rounds} rounds, {wrong} wrong, seed {}: {}",
        outcomes.len(),
        arguments.seed,
        if holds { "all hold" } else { "NOT ALL HOLD" }
    ));
    if arguments.output == Output::Json {
        let races: Vec<Value> = outcomes.iter().map(Outcome::to_json).collect();
        let whole = json!({
            "seed": arguments.seed, "rounds": rounds, "holds": holds, "races": races, "left": left,
        });
        let _ = writeln!(std::io::stdout(), "{whole}");
    }
    Ok(holds)
}

fn known(name: &str) -> Result<&'static Known, Failure> {
    let names = || {
        RACES
            .iter()
            .map(|race| race.name)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let found = RACES.iter().find(|race| race.name == name);
    found.ok_or_else(|| Failure::Unexpected(format!("no race {name}; one of: {}", names())))
}

fn run_one(rig: &Rig, known: &Known, arguments: &Arguments) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let mut race = (known.begin)(rig)?;
    let mut aim = Aim::new(known.sides.len());
    let mut chance = Chance::new(arguments.seed);
    let mut outcome = Outcome {
        name: known.name,
        sides: known.sides,
        wins: Vec::new(),
        lags_us: Vec::new(),
        rounds: 0,
        took: Duration::ZERO,
        slowest: Duration::ZERO,
        wrong: Vec::new(),
    };
    let most = arguments.rounds.saturating_mul(MORE_ROUNDS);
    let is_open = |outcome: &Outcome, aim: &Aim| {
        let one_sided = aim.hits().contains(&0);
        outcome.wrong.len() < WRONG_MAX
            && (outcome.rounds < arguments.rounds || one_sided && outcome.rounds < most)
    };
    while is_open(&outcome, &aim) {
        let begun = Instant::now();
        let round = race.round(&aim.next(&mut chance))?;
        outcome.slowest = outcome.slowest.max(begun.elapsed());
        outcome.rounds += 1;
        aim.won(round.winner);
        let number = outcome.rounds;
        let numbered = |text: String| format!("round {number}: {text}");
        outcome.wrong.extend(round.wrong.into_iter().map(numbered));
    }
    race.end()?;
    outcome.wins = aim.hits().to_vec();
    outcome.lags_us = aim.lags_us().to_vec();
    outcome.took = started.elapsed();
    Ok(outcome)
}

impl Outcome {
    /// A race that one side always won has shown nothing.
    fn holds(&self) -> bool {
        self.wrong.is_empty() && self.wins.iter().all(|wins| *wins > 0)
    }

    fn to_text(&self) -> String {
        use std::fmt::Write;
        let sides = self.sides.iter().zip(&self.wins);
        let won: Vec<String> = sides.map(|(side, wins)| format!("{side} {wins}")).collect();
        let lags: Vec<String> = self.lags_us.iter().map(|lag| format!("{lag:.0}")).collect();
        let mut text = format!(
            "{:<26} {:>4} rounds  won: {:<40} lags {} µs  slowest {} ms  {} s",
            self.name,
            self.rounds,
            won.join(", "),
            lags.join(" / "),
            self.slowest.as_millis(),
            self.took.as_secs(),
        );
        for (side, wins) in self.sides.iter().zip(&self.wins) {
            if *wins == 0 {
                let _ = write!(text, "\n  {side} never won: nothing is shown");
            }
        }
        for wrong in &self.wrong {
            let _ = write!(text, "\n  {wrong}");
        }
        text
    }

    fn to_json(&self) -> Value {
        let won: serde_json::Map<String, Value> = self
            .sides
            .iter()
            .zip(&self.wins)
            .map(|(side, wins)| ((*side).to_owned(), json!(wins)))
            .collect();
        json!({
            "race": self.name,
            "rounds": self.rounds,
            "won": won,
            "lags_us": self.lags_us,
            "slowest_ms": self.slowest.as_millis(),
            "seconds": self.took.as_secs_f64(),
            "wrong": self.wrong,
            "holds": self.holds(),
        })
    }
}

/// For people.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
