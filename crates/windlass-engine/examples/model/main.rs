//! Model check of the engine: every reachable state of four small worlds.
//!
//! `cargo model [-- WORLD…]` searches them and prints their sizes. With `--expect-violation` it succeeds only
//! if a violation is found: so that mutants (`--cfg windlass_mutant="…"`) are proved to be seen.

#[path = "check.rs"]
mod check;

use std::process::ExitCode;

use check::{Found, World, search};

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn main() -> ExitCode {
    let expect_violation = std::env::args().any(|argument| argument == "--expect-violation");
    let mut violations = 0;
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    for world in World::ALL {
        if !only.is_empty() && !only.iter().any(|name| name == world.name()) {
            continue;
        }
        let begun = std::time::Instant::now();
        match search(world, usize::MAX) {
            Found::Clean {
                states,
                transitions,
            } => println!(
                "{:<14}{states:>9} unique states {transitions:>10} transitions {:>6.1} s",
                world.name(),
                begun.elapsed().as_secs_f64()
            ),
            Found::Violation {
                text,
                trace,
                states,
            } => {
                violations += 1;
                println!(
                    "{:<14}violation after {states} states: {text}",
                    world.name()
                );
                if expect_violation {
                    break;
                }
                for line in trace {
                    println!("    {line}");
                }
            }
        }
    }
    let as_wished = (violations > 0) == expect_violation;
    if as_wished {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
