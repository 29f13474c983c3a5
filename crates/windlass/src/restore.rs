//! `windlass restore`: an empty data directory becomes that of a backup.

use std::path::Path;

use crate::cli::CliError;
use crate::settings::Settings;

/// Fills the data directory.
pub fn restore(settings: &Settings, file: &Path) -> Result<(), CliError> {
    let _ = (settings, file);
    Err(CliError::Failed("not wired".to_owned()))
}
