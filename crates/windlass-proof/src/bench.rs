//! Numbers on this machine, beside peers and raw costs in the same run. Nothing here is a test: a
//! missed target is printed as missed, and the exit status stays 0.

use clap::ValueEnum;
use windlass::demo::Failure;
use windlass::output::{self, Output};

mod api;
mod backend;
mod cancel;
pub(crate) mod client;
mod figure;
mod flip;
mod footprint;
mod machine;
pub(crate) mod memory;
mod proxy;
mod restart;
mod router;
mod start;
pub(crate) mod stats;
mod transitions;
mod visitors;

pub use figure::{Figure, Target};
pub use proxy::{Alone, router_alone};

/// One benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bench {
    /// A cancel over the wire: to the answer, to the table in force.
    Cancel,
    /// The router beside nginx and HAProxy.
    Router,
    /// From the push of a route to the first and the last request that it moves.
    Flip,
    /// Durable transitions a second.
    Transitions,
    /// Reading and creating deployments over the API.
    Api,
    /// Size of the program, memory, first answer after the start.
    Footprint,
    /// A killed control with many apps.
    Restart,
    /// From the wish for an instance to its first byte.
    Start,
}

impl Bench {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Router => "router",
            Self::Flip => "flip",
            Self::Transitions => "transitions",
            Self::Api => "api",
            Self::Footprint => "footprint",
            Self::Restart => "restart",
            Self::Start => "start",
        }
    }

    fn figures(self, rounds: usize) -> Result<Vec<Figure>, Failure> {
        match self {
            Self::Cancel => cancel::measure(rounds),
            Self::Router => router::measure(rounds),
            Self::Flip => flip::measure(rounds),
            Self::Transitions => transitions::measure(rounds),
            Self::Api => api::measure(rounds),
            Self::Footprint => footprint::measure(rounds),
            Self::Restart => restart::measure(),
            Self::Start => start::measure(rounds),
        }
    }
}

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which ones; all of them unless some are named.
    #[arg(value_enum)]
    names: Vec<Bench>,
    /// Rounds that are measured in turn with the peers'.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Form of the output.
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Measures and prints.
///
/// # Errors
/// When something could not be measured at all; what was measured before has been printed.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let all: Vec<Bench> = if arguments.names.is_empty() {
        Bench::value_variants().to_vec()
    } else {
        arguments.names.clone()
    };
    let mut results = Vec::new();
    let mut failed = None;
    for bench in all {
        output::complain(&format!("measuring {} ...", bench.name()));
        match bench.figures(arguments.rounds.max(1)) {
            Ok(figures) => {
                for figure in &figures {
                    output::complain(&figure.line());
                }
                results.extend(figures);
            }
            Err(failure) => {
                output::complain(&format!("{} was not measured: {failure}", bench.name()));
                failed.get_or_insert(failure);
            }
        }
    }
    if arguments.output == Output::Json {
        output::json(&serde_json::json!({
            "machine": machine::describe(),
            "results": results,
        }));
    }
    failed.map_or(Ok(()), Err)
}
