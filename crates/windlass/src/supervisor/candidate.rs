//! A program that may become the next supervisor checks itself first: settings, key, database,
//! protocols. Nothing is touched until it has said yes.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use super::role::Exit;
use crate::reload_check::{Passed, Question, Verdict};

/// Most that is read of what it prints, bytes.
const OUTPUT_LIMIT_BYTES: u64 = 64 * 1024;
/// Most of it that a reason quotes, characters.
const QUOTE_LIMIT: usize = 300;
/// How long its last words are waited for: something that it started may hold the pipe.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// A program while it checks itself.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) program: PathBuf,
    /// Which file that was.
    identity: Identity,
    pid: Pid,
    output: JoinHandle<String>,
    errors: JoinHandle<String>,
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity([i64; 5]);

impl Identity {
    fn of(program: &Path) -> io::Result<Self> {
        let file = std::fs::metadata(program)?;
        let number = |number: u64| i64::from_ne_bytes(number.to_ne_bytes());
        Ok(Self([
            number(file.dev()),
            number(file.ino()),
            number(file.size()),
            file.mtime_nsec() ^ file.mtime(),
            file.ctime_nsec() ^ file.ctime(),
        ]))
    }
}

impl Candidate {
    /// Starts the check. An error says in words why the program can't be used.
    pub(super) fn start(
        program: PathBuf,
        arguments: &[OsString],
        question: &Question,
    ) -> Result<Self, String> {
        let cannot = |error: io::Error| format!("{} can't be run: {error}", program.display());
        let identity = Identity::of(&program).map_err(cannot)?;
        let mut child = Command::new(&program)
            .arg("reload-check")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(cannot)?;
        let pid = i32::try_from(child.id()).map_err(|error| cannot(io::Error::other(error)))?;
        if let (Some(mut stdin), Ok(text)) = (child.stdin.take(), serde_json::to_vec(question)) {
            // Shorter than a pipe is long. A program that does not read it does not pass.
            let _ = stdin.write_all(&text);
        }
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        // Its end is taken in with that of every other child.
        drop(child);
        Ok(Self {
            program,
            identity,
            pid: Pid::from_raw(pid),
            output: tokio::spawn(read(output.map(OwnedFd::from))),
            errors: tokio::spawn(read(errors.map(OwnedFd::from))),
        })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Ends it with what it has started.
    pub(super) fn kill(&self) {
        // It may have ended just now.
        let _ = killpg(self.pid, Signal::SIGKILL);
    }

    /// It has ended: the program, if it passes, else why it does not.
    pub(super) async fn judge(mut self, exit: &Exit) -> Result<(PathBuf, Passed), String> {
        self.kill();
        let output = last_words(&mut self.output).await;
        let name = self.program.display();
        match serde_json::from_str(&output) {
            Ok(Verdict::Passed(passed)) if exit.status == Some(0) => {
                let is_same = Identity::of(&self.program).is_ok_and(|now| now == self.identity);
                if is_same {
                    Ok((self.program, passed))
                } else {
                    Err(format!(
                        "{name} was changed while it was checked; try again"
                    ))
                }
            }
            Ok(Verdict::Refused { reason }) => Err(format!("{name} refuses: {reason}")),
            Ok(Verdict::Passed(_)) | Err(_) => {
                let errors = last_words(&mut self.errors).await;
                let quote: String = errors
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .chars()
                    .take(QUOTE_LIMIT)
                    .collect();
                let quote = if quote.is_empty() {
                    String::new()
                } else {
                    format!(" and said: {quote}")
                };
                Err(format!(
                    "{name} is no Windlass that can take over: its check {}{quote}",
                    exit.text
                ))
            }
        }
    }
}

async fn last_words(reader: &mut JoinHandle<String>) -> String {
    match tokio::time::timeout(LAST_WORDS_LIMIT, reader).await {
        Ok(Ok(text)) => text,
        Ok(Err(_)) | Err(_) => String::new(),
    }
}

async fn read(pipe: Option<OwnedFd>) -> String {
    let Some(Ok(pipe)) = pipe.map(pipe::Receiver::from_owned_fd) else {
        return String::new();
    };
    let mut bytes = Vec::new();
    let _ = pipe.take(OUTPUT_LIMIT_BYTES).read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
