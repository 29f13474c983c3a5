//! `windlass-proof`: shows what Windlass promises, with counts. `./dev` and the aliases of cargo call
//! it; see `--help`.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use windlass_proof::{bench, crashes, double, load, races};

/// Shows what Windlass promises, on this machine, with counts.
#[derive(Debug, Parser)]
#[command(name = "windlass-proof", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    tool: Tool,
}

/// One for each thing that is shown.
#[derive(Debug, Subcommand)]
enum Tool {
    /// Deploys, cancels, continues and rolls back under load: nothing may fail.
    Load(load::Arguments),
    /// Kills each role at each named point in each phase, or at random, and looks what holds.
    Crashes(crashes::Arguments),
    /// Lets cancel and its neighbours race, and judges what each client saw.
    Races(races::Arguments),
    /// Measures on this machine, beside peers in the same run.
    Bench(bench::Arguments),
    /// A router without a control, for the benchmarks.
    #[command(hide = true)]
    RouterAlone(bench::Alone),
}

fn main() -> ExitCode {
    if let Some(done) = double::role() {
        return done;
    }
    let done = match Arguments::parse().tool {
        Tool::Load(arguments) => load::run(&arguments),
        Tool::Crashes(arguments) => crashes::run(&arguments),
        Tool::Races(arguments) => races::run(&arguments),
        Tool::Bench(arguments) => bench::run(&arguments).map(|()| true),
        Tool::RouterAlone(arguments) => bench::router_alone(&arguments).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "windlass-proof: {error}");
            ExitCode::FAILURE
        }
    }
}
