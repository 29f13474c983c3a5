//! `windlass-proof`: shows what Windlass promises, with counts. `./dev` and the aliases of cargo call
//! it; see `--help`.

use clap::Parser;

/// Shows what Windlass promises, on this machine, with counts.
#[derive(Debug, Parser)]
#[command(name = "windlass-proof", version, arg_required_else_help = true)]
struct Arguments {}

fn main() {
    let Arguments {} = Arguments::parse();
}
