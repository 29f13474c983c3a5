//! Where tracing goes: standard error, one line an event, without colours.

use tracing_subscriber::EnvFilter;

use crate::cli::CliError;
use crate::settings::options::Name;
use crate::settings::sources::Resolved;

/// Starts tracing with the filter of the `log` setting.
pub fn start(resolved: &Resolved) -> Result<(), CliError> {
    start_with(resolved.text(Name::Log))
        .map_err(|text| CliError::Settings(resolved.refuse(Name::Log, &text)))
}

/// Starts tracing with a filter.
pub fn start_with(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("is no filter: {error}"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init()
        .map_err(|error| error.to_string())
}
