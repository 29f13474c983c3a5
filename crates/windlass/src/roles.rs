//! The roles that `windlass up` starts, and the shim.

use std::path::Path;
use std::process::ExitCode;

use windlass_runtime::{ShimCommand, shim_main};

use crate::cli::CliError;
use crate::program;
use crate::settings::EXIT_CONFIGURATION;

mod control;
mod link;
mod router;

pub use control::{Machine, OpenDriver, control, control_over};
pub use router::router;

/// Name of the machine's boot: what ran in another one is gone for certain.
fn boot_id() -> Result<String, CliError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = std::fs::read_to_string(path).map_err(|source| CliError::File {
        what: "read",
        path: path.to_path_buf(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

/// Runs one shim, or answers a probe.
pub fn shim(run_dir: &Path) -> ExitCode {
    program::take_name();
    #[cfg(windlass_fail)]
    if let Some(data_dir) = run_dir.parent().and_then(Path::parent) {
        use std::io::Write as _;
        let layout = crate::layout::Layout::new(data_dir);
        if let Err(text) = crate::crash::arm(&layout, crate::crash::Mortal::Shim) {
            let _ = writeln!(std::io::stderr(), "windlass shim: {text}");
            return ExitCode::FAILURE;
        }
    }
    shim_main(run_dir)
}

/// How control starts a shim: this very program.
fn shim_command() -> ShimCommand {
    ShimCommand {
        program: program::RUNNING.into(),
        args: vec!["shim".to_owned()],
    }
}

/// Exit status of a role whose settings, key or database can't be used.
fn refused() -> ExitCode {
    ExitCode::from(EXIT_CONFIGURATION)
}
