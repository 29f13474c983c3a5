//! Where `windlass reload` reaches the supervisor: a socket of its own, one question a connection.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

/// Longest question, bytes.
const QUESTION_LIMIT_BYTES: usize = 16 * 1024;
/// How long a question may take to arrive.
const QUESTION_LIMIT: Duration = Duration::from_secs(5);
/// Pause after a failed accept (too many open files), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the supervisor is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Question {
    /// Go on as another program.
    Reload {
        /// Its path, absolute; `None` = where the running one was started from.
        #[serde(default)]
        program: Option<PathBuf>,
        /// How long it may take to check itself, its control to be ready, and its router, each in
        /// seconds.
        limit_s: u64,
    },
    /// Something of another version.
    #[serde(other)]
    Unknown,
}

/// What the supervisor says to that, one JSON object a line; the last one ends the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Saying {
    /// How far it is.
    Step {
        /// In words.
        text: String,
    },
    /// Done.
    Done {
        /// The new program.
        program: PathBuf,
        /// Its version.
        version: String,
        /// The supervisor, the same as before.
        supervisor_pid: u32,
        /// The new control.
        control_pid: Option<i32>,
        /// The new router.
        router_pid: Option<i32>,
        /// Routers of earlier programs that still finish what they do.
        draining_router_pids: Vec<i32>,
    },
    /// Nothing was touched.
    Refused {
        /// Why.
        reason: String,
    },
    /// The new program gave way to the one before, which is in charge again.
    GaveWay {
        /// Why.
        reason: String,
    },
    /// The new program does not come up, and the one before can't come back.
    Stuck {
        /// Why.
        reason: String,
    },
    /// Something of another version.
    #[serde(other)]
    Unknown,
}

/// Who asks.
#[derive(Debug)]
pub(super) struct Client(Option<StdStream>);

impl Client {
    /// Takes over the connection of a supervisor before this one.
    pub(super) fn adopt(fd: Option<OwnedFd>) -> io::Result<Self> {
        let adopt = |fd| {
            let stream = StdStream::from(fd);
            stream.set_nonblocking(true)?;
            io::Result::Ok(stream)
        };
        fd.map(adopt).transpose().map(Self)
    }

    /// Says something. Who does not listen any more misses it.
    pub(super) fn say(&mut self, saying: &Saying) {
        let Some(mut stream) = self.0.as_ref() else {
            return;
        };
        let Ok(mut line) = serde_json::to_vec(saying) else {
            return;
        };
        line.push(b'\n');
        // A few short lines fit the socket of whoever reads at all.
        if stream.write_all(&line).is_err() {
            self.0 = None;
        }
    }

    /// The connection, for who comes next.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.0.as_ref().map(AsFd::as_fd)
    }
}

/// Somebody who asks, and what.
pub(super) type Visit = (Client, Question);

/// Passes on what is asked. Must be called within a runtime.
pub(super) fn open(listener: StdListener, visits: mpsc::Sender<Visit>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            if is_allowed(&stream) {
                tokio::spawn(receive(stream, visits.clone()));
            }
        }
    });
    Ok(())
}

/// Only root and our own user, however the socket was reached.
fn is_allowed(stream: &UnixStream) -> bool {
    match stream.peer_cred().map(|peer| peer.uid()) {
        Ok(uid) if uid == geteuid().as_raw() || uid == 0 => true,
        Ok(uid) => {
            tracing::warn!(uid, "another user tried the supervisor's socket");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "a peer of the supervisor's socket is unknown");
            false
        }
    }
}

async fn receive(mut stream: UnixStream, visits: mpsc::Sender<Visit>) {
    let line = async {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') && line.len() < QUESTION_LIMIT_BYTES {
            let mut part = [0; 1024];
            let read = stream.read(&mut part).await?;
            if read == 0 {
                break;
            }
            line.extend_from_slice(&part[..read]);
        }
        io::Result::Ok(line)
    };
    let Ok(Ok(line)) = tokio::time::timeout(QUESTION_LIMIT, line).await else {
        return;
    };
    let mut client = Client(stream.into_std().ok());
    match serde_json::from_slice(&line) {
        // The supervisor is there as long as this task.
        Ok(question) => drop(visits.send((client, question)).await),
        Err(error) => client.say(&Saying::Refused {
            reason: format!("the question is not understood: {error}"),
        }),
    }
}
