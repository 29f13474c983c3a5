//! Runs one script of a buildpack.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Tries to start a script that is still open for writing somewhere.
const BUSY_ATTEMPTS: u32 = 100;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Why a script gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScriptError {
    #[error("{script} cannot be run: {source}")]
    Start {
        script: String,
        source: std::io::Error,
    },
    #[error("{script} ended with {status}")]
    Status { script: String, status: ExitStatus },
    #[error("{script} printed more than {limit_bytes} bytes")]
    TooMuchOutput { script: String, limit_bytes: u64 },
    #[error("{script} printed something that is not UTF-8 text")]
    NotText { script: String },
}

/// Runs a script whose output goes to the log.
pub(super) fn run<A: AsRef<OsStr>>(script: &Path, arguments: &[A]) -> Result<(), ScriptError> {
    let mut child = start(script, arguments, Stdio::inherit())?;
    finish(script, &mut child)
}

/// Runs a command with further variables; its output goes to the log.
pub(super) fn run_command(
    program: &Path,
    arguments: &[String],
    variables: Vec<(String, OsString)>,
) -> Result<(), String> {
    let status = Command::new(program)
        .args(arguments)
        .envs(variables)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cannot be run: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("ended with {status}"))
    }
}

/// Runs a line of a shell in a directory, with further variables; its output goes to the log.
/// The answer is how it ended.
pub(super) fn run_line(
    line: &str,
    directory: &Path,
    variables: &[(&str, OsString)],
) -> Result<ExitStatus, String> {
    Command::new("/bin/sh")
        .args(["-c", line])
        .current_dir(directory)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .status()
        .map_err(|error| format!("cannot be run: {error}"))
}

/// Runs a script and takes its standard output; its errors go to the log.
pub(super) fn capture<A: AsRef<OsStr>>(
    script: &Path,
    arguments: &[A],
    limit_bytes: u64,
) -> Result<String, ScriptError> {
    let mut child = start(script, arguments, Stdio::piped())?;
    let mut output = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        let read = pipe.take(limit_bytes + 1).read_to_end(&mut output);
        if let Err(source) = read {
            end(&mut child);
            return Err(ScriptError::Start {
                script: shown(script),
                source,
            });
        }
    }
    if output.len() as u64 > limit_bytes {
        end(&mut child);
        return Err(ScriptError::TooMuchOutput {
            script: shown(script),
            limit_bytes,
        });
    }
    finish(script, &mut child)?;
    String::from_utf8(output).map_err(|_| ScriptError::NotText {
        script: shown(script),
    })
}

fn start<A: AsRef<OsStr>>(
    script: &Path,
    arguments: &[A],
    stdout: Stdio,
) -> Result<Child, ScriptError> {
    let mut command = Command::new(script);
    command.args(arguments).stdin(Stdio::null()).stdout(stdout);
    let mut attempt = 1;
    loop {
        match command.spawn() {
            // Another process was forked while the script was written and has not yet become its
            // program: until then it holds the script open for writing. Nothing tells its end.
            Err(error)
                if error.kind() == ErrorKind::ExecutableFileBusy && attempt < BUSY_ATTEMPTS =>
            {
                attempt += 1;
                std::thread::sleep(BUSY_PAUSE);
            }
            Err(source) => {
                return Err(ScriptError::Start {
                    script: shown(script),
                    source,
                });
            }
            Ok(child) => return Ok(child),
        }
    }
}

fn finish(script: &Path, child: &mut Child) -> Result<(), ScriptError> {
    let status = child.wait().map_err(|source| ScriptError::Start {
        script: shown(script),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(ScriptError::Status {
            script: shown(script),
            status,
        })
    }
}

/// The rest of its tree ends with the run.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// `<buildpack directory>/bin/supply` as `bin/supply`.
fn shown(script: &Path) -> String {
    let name = script.file_name().unwrap_or_default();
    format!("bin/{}", name.to_string_lossy())
}
