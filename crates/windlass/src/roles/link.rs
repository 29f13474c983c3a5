//! A role's side of its link to the supervisor.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc;

use crate::role_link::{FromRole, ToRole};

/// Longest order, bytes.
const LINE_LIMIT_BYTES: u64 = 64 * 1024;
/// Orders that may wait.
const ORDER_LIMIT: usize = 16;

/// What the role says. Clones share the link.
#[derive(Debug, Clone)]
pub(super) struct Supervisor {
    link: Arc<Mutex<UnixStream>>,
}

impl Supervisor {
    /// Says something. A supervisor that is gone is noticed elsewhere.
    pub(super) fn say(&self, message: &FromRole) {
        let Ok(mut line) = serde_json::to_vec(message) else {
            return;
        };
        line.push(b'\n');
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = link.write_all(&line);
    }
}

/// Listens to the link on a thread of its own. When it ends, the supervisor is gone, and this
/// process is told by SIGTERM to end in its own way.
pub(super) fn listen(link: UnixStream) -> io::Result<(Supervisor, mpsc::Receiver<ToRole>)> {
    link.set_nonblocking(false)?;
    let reader = link.try_clone()?;
    let (orders, receiver) = mpsc::channel(ORDER_LIMIT);
    thread::Builder::new()
        .name("supervisor-link".to_owned())
        .spawn(move || {
            let mut reader = BufReader::new(reader);
            loop {
                let mut line = Vec::new();
                let read = (&mut reader)
                    .take(LINE_LIMIT_BYTES)
                    .read_until(b'\n', &mut line);
                if read.is_err() || line.last() != Some(&b'\n') {
                    break;
                }
                match serde_json::from_slice(&line) {
                    Ok(order) => {
                        if orders.blocking_send(order).is_err() {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "an order of the supervisor is not understood");
                    }
                }
            }
            let _ = kill(Pid::this(), Signal::SIGTERM);
        })?;
    Ok((
        Supervisor {
            link: Arc::new(Mutex::new(link)),
        },
        receiver,
    ))
}
