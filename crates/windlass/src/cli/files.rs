//! `windlass backup` and `windlass restore`.

use std::path::Path;

use serde_json::json;

use super::SettingFlags;
use super::client::AdminClient;
use super::error::CliError;
use super::process;
use crate::output::{self, Output};

pub(super) async fn backup(
    client: &AdminClient,
    output: Output,
    file: &Path,
) -> Result<(), CliError> {
    let absolute = std::path::absolute(file).map_err(|source| CliError::File {
        what: "use",
        path: file.to_path_buf(),
        source,
    })?;
    let answer = client.post("/backup", &json!({ "file": absolute })).await?;
    match output {
        Output::Json => output::json(&answer),
        Output::Text => output::line(&format!("written: {}", absolute.display())),
    }
    Ok(())
}

pub(super) fn restore(
    data_dir: Option<&Path>,
    flags: &SettingFlags,
    output: Output,
    file: &Path,
    replace: bool,
) -> Result<(), CliError> {
    let settings = process::settings(data_dir, flags)?;
    #[cfg(windlass_fail)]
    crate::crash::arm(&settings.layout(), crate::crash::Mortal::Restore)
        .map_err(CliError::Failed)?;
    let restored = crate::restore::restore(&settings, file, replace)?;
    match output {
        Output::Json => output::json(&json!({
            "data_dir": settings.data_dir,
            "ended_runs": restored.ended_runs,
        })),
        Output::Text => output::line(&format!(
            "restored to {}; start it with `windlass up`",
            settings.data_dir.display()
        )),
    }
    Ok(())
}
