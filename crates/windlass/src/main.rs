//! The `windlass` program; everything is in the library beside it.

use std::process::ExitCode;

use clap::Parser;
use windlass::cli;

fn main() -> ExitCode {
    cli::run(cli::Cli::parse())
}
