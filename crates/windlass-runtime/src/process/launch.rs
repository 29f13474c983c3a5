//! Starts shims.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use super::make_passable_dir;
use crate::crash_point::crash_point;
use crate::isolation::ShimCommand;
use crate::shim::{EXIT_LAUNCHED_BEFORE, EXIT_LOCKED, LISTENING};
use crate::spec::LaunchSpec;
use crate::state::SHIM_ERROR_FILE;

/// How long a shim may take until it answers: it gives all files of the app to their user.
const LAUNCH_LIMIT: Duration = Duration::from_mins(5);
/// What a shim is called in process lists, wherever its program is.
const NAME: &str = "windlass";
/// Part of the shim's standard error that becomes the reason, in bytes.
const MAX_ERROR_BYTES: usize = 4096;

/// Starts the shim of a run and returns once it answers on its socket, or another one does.
///
/// # Errors
/// A text for people.
pub(super) async fn launch(shim: &ShimCommand, spec: &LaunchSpec) -> Result<(), String> {
    let text = |error: io::Error| format!("starting {}: {error}", shim.program.display());
    make_passable_dir(&spec.run_dir).map_err(text)?;
    let errors = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(spec.run_dir.join(SHIM_ERROR_FILE))
        .map_err(text)?;
    crash_point!("driver-shim-before-spawn");
    // A plain command: a hook between fork and exec would copy the whole memory of this process.
    // The shim inherits nothing of the environment, which may hold secrets of the server.
    let mut child = Command::new(&shim.program)
        .arg0(NAME)
        .args(&shim.args)
        .arg(&spec.run_dir)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .map_err(text)?;
    crash_point!("driver-shim-spawned");
    let answered = tokio::time::timeout(LAUNCH_LIMIT, hand_over(&mut child, spec)).await;
    crash_point!("driver-shim-answered");
    match answered {
        Ok(Ok(true)) => {
            tokio::spawn(async move {
                // Only to reap it; what it has done is in its files.
                let _ = child.wait().await;
            });
            Ok(())
        }
        Ok(Ok(false)) => {
            let status = child.wait().await.map_err(text)?;
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            match code {
                Some(0 | EXIT_LOCKED | EXIT_LAUNCHED_BEFORE) => Ok(()),
                _ => Err(format!(
                    "its shim ended with {status}: {}",
                    last_words(&spec.run_dir)
                )),
            }
        }
        Ok(Err(error)) => Err(text(error)),
        Err(_) => {
            let _ = child.kill().await;
            Err(format!(
                "its shim gave no sign within {} s",
                LAUNCH_LIMIT.as_secs()
            ))
        }
    }
}

/// Gives the launch spec to the shim; true once it answers, false if it has ended.
async fn hand_over(child: &mut Child, spec: &LaunchSpec) -> io::Result<bool> {
    let bytes = serde_json::to_vec(spec)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A shim that refuses does not read; its status says why.
        let _ = stdin.write_all(&bytes).await;
    }
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout
            .take(LISTENING.len() as u64)
            .read_to_end(&mut answer)
            .await?;
    }
    Ok(answer == LISTENING)
}

fn last_words(run_dir: &Path) -> String {
    let bytes = std::fs::read(run_dir.join(SHIM_ERROR_FILE)).unwrap_or_default();
    let tail = &bytes[bytes.len().saturating_sub(MAX_ERROR_BYTES)..];
    String::from_utf8_lossy(tail).trim().to_owned()
}
