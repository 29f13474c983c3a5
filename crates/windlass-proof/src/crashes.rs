//! `windlass-proof crashes`: everybody dies everywhere, and what was promised holds.

use std::io::Write as _;
use std::path::PathBuf;

use windlass::demo::Failure;

use crate::programs;

mod act;
mod books;
mod cell;
mod census;
mod dice;
mod gate;
mod kill;
mod matrix;
mod outcome;
mod phase;
mod point;
mod processes;
mod scene;
mod site;
mod upgrade;

use dice::Dice;
use matrix::Selection;
use phase::Phase;
use point::Role;

/// Kills each role at each named point in each phase and looks what holds afterwards.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A Windlass with crash points; built in the release profile when it is not given.
    #[arg(long, env = "WINDLASS_CRASH_BINARY")]
    program: Option<PathBuf>,
    /// Only these roles.
    #[arg(long)]
    role: Vec<Role>,
    /// Only points with these prefixes.
    #[arg(long)]
    point: Vec<String>,
    /// Only these phases.
    #[arg(long)]
    phase: Vec<Phase>,
    /// So many cells of each role, drawn by the seed.
    #[arg(long)]
    sample: Option<usize>,
    /// Seed of everything drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Isolation of the apps, as for `windlass up`.
    #[arg(long, default_value = "best")]
    isolation: String,
    /// `text`, or `json` for one object on standard output.
    #[arg(long, default_value = "text")]
    output: Form,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs what is asked for; true if everything held.
///
/// # Errors
/// When it could not be run.
pub fn run(arguments: &Arguments) -> Result<bool, Failure> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => programs::with_crash_points()?,
    };
    let example = programs::example()?;
    let mut dice = Dice::new(arguments.seed);
    let chosen = |all: &[Role]| match arguments.role.as_slice() {
        [] => all.to_vec(),
        some => some.to_vec(),
    };
    let selection = Selection {
        roles: chosen(&Role::ALL),
        points: arguments.point.clone(),
        phases: match arguments.phase.as_slice() {
            [] => Phase::ALL.to_vec(),
            some => some.to_vec(),
        },
        sample: arguments.sample,
    };
    let results = matrix::run(
        &program,
        &example,
        &arguments.isolation,
        &selection,
        &mut dice,
    )?;
    match arguments.output {
        Form::Text => print(&format!("seed {}\n\n{}", arguments.seed, results.table())),
        Form::Json => {
            let mut value = results.json();
            value["seed"] = arguments.seed.into();
            print(&format!("{value}\n"));
        }
    }
    Ok(results.held())
}

/// A line for people who watch.
fn say(line: &str) {
    // Nobody needs to watch.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn print(text: &str) {
    // A reader that has left needs nothing.
    let _ = write!(std::io::stdout(), "{text}");
}
