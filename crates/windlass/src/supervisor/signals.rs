//! The signals that the supervisor listens to, and a moment without any.

use std::io;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Long enough for one turn of the reactor, which brings what has arrived to its stream.
const TURN: Duration = Duration::from_millis(1);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A child has ended.
    Child,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
    /// SIGINT.
    Interrupt,
}

#[derive(Debug)]
pub(super) struct Signals {
    children: Signal,
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on. Signals that a supervisor before this one held back arrive now.
    pub(super) fn listen() -> io::Result<Self> {
        let signals = Self {
            children: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        ours().thread_unblock()?;
        Ok(signals)
    }

    /// The next one. It may be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.children.recv() => Asked::Child,
            _ = self.terminate.recv() => Asked::Terminate,
            _ = self.hang_up.recv() => Asked::HangUp,
            _ = self.interrupt.recv() => Asked::Interrupt,
        }
    }

    /// Holds all signals back from now on; the kernel keeps them, also over an exec. If somebody
    /// has asked for an end already, nothing is held back and that is returned.
    pub(super) async fn hold_back(&mut self) -> io::Result<Option<Asked>> {
        ours().thread_block()?;
        // What has arrived before is on its way to us.
        tokio::time::sleep(TURN).await;
        loop {
            let asked = tokio::select! {
                biased;
                asked = self.next() => asked,
                () = std::future::ready(()) => return Ok(None),
            };
            match asked {
                // Whoever comes next looks for ended children first of all.
                Asked::Child => {}
                Asked::Terminate | Asked::HangUp | Asked::Interrupt => {
                    Self::let_through()?;
                    return Ok(Some(asked));
                }
            }
        }
    }

    /// Ends [`Self::hold_back`].
    pub(super) fn let_through() -> io::Result<()> {
        Ok(ours().thread_unblock()?)
    }
}

fn ours() -> SigSet {
    [
        Number::SIGCHLD,
        Number::SIGTERM,
        Number::SIGHUP,
        Number::SIGINT,
    ]
    .into_iter()
    .collect()
}
