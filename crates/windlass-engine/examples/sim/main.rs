//! Seeded simulation of the whole engine in a hostile world.
//!
//! `cargo sim -- --seeds 1000 --from 1` runs so many seeds (and says which of them failed); each is one app with its users, a
//! driver, a router, a store and their faults. After each commit the checkers judge it. The same
//! seed is the same run: `cargo sim -- --trace 17` prints it.

mod agenda;
mod checkers;
mod commands;
mod control;
mod drain;
mod driver;
mod history;
mod random;
mod router;
mod scenario;
mod store;
mod tally;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use checkers::{Held, Violation};
use tally::Tally;
use world::World;

/// Seeds that are run unless a number is given.
const SEEDS: u64 = 1_000;

/// What the command line asks for.
struct Wish {
    seeds: u64,
    from: u64,
    trace: Option<u64>,
    /// Whether to go on after a violation, and only count.
    keep_going: bool,
    /// Success is that a violation is found: so that mutants are proved to be seen.
    expect_violation: bool,
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
#[expect(clippy::print_stderr, reason = "a wrong argument is told")]
fn main() -> ExitCode {
    let wish = match wish() {
        Ok(wish) => wish,
        Err(text) => {
            eprintln!(
                "{text}; known are --seeds N, --from S, --trace SEED, --keep-going, --expect-violation"
            );
            return ExitCode::FAILURE;
        }
    };
    if let Some(seed) = wish.trace {
        return match run(seed, true) {
            Ok(tally) => {
                println!("{tally}");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                println!("{}", failure.text);
                ExitCode::FAILURE
            }
        };
    }
    let begun = std::time::Instant::now();
    let mut tally = Tally::default();
    let mut failing = Vec::new();
    for seed in wish.from..wish.from.saturating_add(wish.seeds) {
        match run(seed, false) {
            Ok(one) => tally.add(&one),
            Err(failure) => {
                failing.push(seed.to_string());
                tally.seeds += 1;
                println!("{}", failure.text);
                if !wish.keep_going {
                    break;
                }
            }
        }
    }
    println!(
        "{tally}{:<34}{:>10.1} s",
        "time",
        begun.elapsed().as_secs_f64()
    );
    println!("{:<34}{:>12}", "failing seeds", failing.len());
    if !failing.is_empty() {
        println!("failing: {}", failing.join(" "));
        println!("cargo sim -- --trace SEED prints what happened");
    }
    if failing.is_empty() == wish.expect_violation {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn wish() -> Result<Wish, String> {
    let mut wish = Wish {
        seeds: SEEDS,
        from: 1,
        trace: None,
        keep_going: false,
        expect_violation: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let value = arguments
                .next()
                .ok_or(format!("{argument} needs a number"))?;
            value
                .parse::<u64>()
                .map_err(|_| format!("{value} is no number"))
        };
        match argument.as_str() {
            "--seeds" => wish.seeds = number()?,
            "--from" => wish.from = number()?,
            "--trace" => wish.trace = Some(number()?),
            "--keep-going" => wish.keep_going = true,
            "--expect-violation" => wish.expect_violation = true,
            // The alias ends its own arguments with one; who writes another means the same.
            "--" => {}
            _ => return Err(format!("{argument} is unknown")),
        }
    }
    Ok(wish)
}

struct Failure {
    text: String,
}

/// Runs one seed to its end.
fn run(seed: u64, traces: bool) -> Result<Tally, Failure> {
    let mut world = World::new(seed, traces);
    let held = catch_unwind(AssertUnwindSafe(|| live(&mut world)));
    let violation = match held {
        Ok(Ok(())) => return Ok(world.tally),
        Ok(Err(violation)) => violation,
        Err(_) => Violation {
            property: "nothing panics",
            text: "see above".to_owned(),
        },
    };
    let Violation { property, text } = violation;
    let step = world.tally.steps;
    Err(Failure {
        text: format!("seed {seed}, step {step}: {property}: {text}"),
    })
}

fn live(world: &mut World) -> Held {
    world.set_up()?;
    for _ in 0..world.scenario.steps {
        world.step()?;
    }
    world.come_to_rest()
}
