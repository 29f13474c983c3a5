//! `windlass-proof crashes`: everybody dies everywhere, and what was promised holds.

use std::io::Write as _;
use std::path::PathBuf;

use windlass::demo::Failure;

use crate::programs;

mod act;
mod books;
mod cell;
mod census;
pub(crate) mod dice;
mod fault;
mod faults;
mod gate;
mod kill;
mod matrix;
mod outcome;
mod phase;
mod point;
mod processes;
mod random;
mod results;
mod scene;
mod site;
mod why;

use dice::Dice;
use fault::Fault;
use matrix::Selection;
use phase::Phase;
use point::Role;
use scene::Stage;

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
    /// Instead of the matrix: so many rounds of a random script with kills at random moments.
    #[arg(long, conflicts_with = "sample")]
    random: Option<u64>,
    /// Instead of the matrix: faults of the machine in each phase.
    #[arg(long, conflicts_with_all = ["sample", "random"])]
    faults: bool,
    /// Only these faults.
    #[arg(long, requires = "faults")]
    fault: Vec<Fault>,
    /// So many cells at once, each on a Windlass of its own.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
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
    let stage = Stage {
        program,
        example: programs::example()?,
        isolation: arguments.isolation.clone(),
    };
    let mut dice = Dice::new(arguments.seed);
    if let Some(rounds) = arguments.random {
        let counts = random::run(&stage, rounds, &mut dice)?;
        match arguments.output {
            Form::Text => print(&format!("seed {}\n{}", arguments.seed, counts.text())),
            Form::Json => print(&format!("{}\n", with_seed(counts.json(), arguments.seed))),
        }
        return Ok(counts.held());
    }
    if arguments.faults {
        let faults = chosen(&arguments.fault, &Fault::ALL);
        let outcomes = faults::run(&stage, &faults, &chosen(&arguments.phase, &Phase::ALL))?;
        match arguments.output {
            Form::Text => print(&outcomes.text()),
            Form::Json => print(&format!("{}\n", outcomes.json())),
        }
        return Ok(outcomes.held());
    }
    let selection = Selection {
        roles: chosen(&arguments.role, &Role::ALL),
        points: arguments.point.clone(),
        phases: chosen(&arguments.phase, &Phase::ALL),
        sample: arguments.sample,
        jobs: arguments.jobs,
    };
    let results = matrix::run(&stage, &selection, &mut dice)?;
    match arguments.output {
        Form::Text => print(&format!("seed {}\n\n{}", arguments.seed, results.table())),
        Form::Json => {
            print(&format!("{}\n", with_seed(results.json(), arguments.seed)));
        }
    }
    Ok(results.held())
}

/// Those that were named, or all.
fn chosen<T: Copy>(named: &[T], all: &[T]) -> Vec<T> {
    match named {
        [] => all.to_vec(),
        some => some.to_vec(),
    }
}

fn with_seed(mut value: serde_json::Value, seed: u64) -> serde_json::Value {
    value["seed"] = seed.into();
    value
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
