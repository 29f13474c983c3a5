//! `windlass backup` and `windlass restore`.

use std::path::Path;

use serde_json::json;

use super::SettingFlags;
use super::client::AdminClient;
use super::error::CliError;
use super::process;
use crate::output::{self, Output};
use crate::settings::Settings;

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
) -> Result<(), CliError> {
    let settings = Settings::check(&process::resolved(data_dir, flags)?)?;
    crate::restore::restore(&settings, file)?;
    match output {
        Output::Json => output::json(&json!({ "data_dir": settings.data_dir })),
        Output::Text => output::line(&format!(
            "restored to {}; start it with `windlass up`",
            settings.data_dir.display()
        )),
    }
    Ok(())
}
