//! A program that is only a shim, for the tests of this crate.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(run_dir) => windlass_runtime::shim_main(Path::new(&run_dir)),
        None => ExitCode::FAILURE,
    }
}
