//! `windlass reload`.

use std::path::Path;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::error::CliError;
use crate::layout::Layout;
use crate::output::{self, Output};
use crate::supervisor::door::{Question, Saying};
use crate::unix_socket;

pub(super) async fn reload(
    data_dir: &Path,
    output: Output,
    program: Option<&Path>,
    limit_s: u64,
) -> Result<(), CliError> {
    let lost = |error: std::io::Error| {
        CliError::Failed(format!(
            "the supervisor does not answer ({error}); `windlass status` shows what runs"
        ))
    };
    let program = program.map(std::path::absolute).transpose().map_err(lost)?;
    let socket = Layout::new(data_dir).supervisor_socket();
    let stream = unix_socket::connect(&socket).map_err(|_| CliError::NotRunning {
        data_dir: data_dir.to_path_buf(),
    })?;
    stream.set_nonblocking(true).map_err(lost)?;
    let (from, mut to) = tokio::net::UnixStream::from_std(stream)
        .map_err(lost)?
        .into_split();
    let mut question = json!(Question::Reload { program, limit_s }).to_string();
    question.push('\n');
    to.write_all(question.as_bytes()).await.map_err(lost)?;
    // The supervisor bounds every step, so it comes to an end.
    let mut lines = BufReader::new(from).lines();
    while let Some(line) = lines.next_line().await.map_err(lost)? {
        let saying = serde_json::from_str(&line).map_err(|error| lost(error.into()))?;
        match saying {
            Saying::Step { text } if output == Output::Text => {
                output::line(&format!("windlass: {text}"));
            }
            Saying::Step { .. } | Saying::Unknown => {}
            Saying::Refused { reason } => {
                return Err(CliError::Rejected(format!("{reason}; nothing was changed")));
            }
            Saying::GaveWay { reason } => {
                return Err(CliError::Rejected(format!(
                    "{reason}; the program before goes on"
                )));
            }
            Saying::Stuck { reason } => return Err(CliError::Rejected(reason)),
            Saying::Done { .. } => {
                done(output, &saying);
                return Ok(());
            }
        }
    }
    let reason = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    Err(lost(reason))
}

fn done(output: Output, saying: &Saying) {
    let Saying::Done {
        program,
        version,
        supervisor_pid,
        control_pid,
        router_pid,
        draining_router_pids,
    } = saying
    else {
        return;
    };
    if output == Output::Json {
        return output::json(&json!({
            "program": program,
            "version": version,
            "supervisor_pid": supervisor_pid,
            "control_pid": control_pid,
            "router_pid": router_pid,
            "draining_router_pids": draining_router_pids,
        }));
    }
    output::line(&format!(
        "reloaded: version {version}, {}; `windlass status` shows what runs",
        program.display()
    ));
}
