//! The router's connection to control: hello, deltas in, acknowledgements and
//! reports out. Without control the router goes on with the table it has.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::MissedTickBehavior;
use tracing::{debug, info, warn};
use windlass_clock::task::Instant;

use crate::crash_point::crash_point;
use crate::protocol::{
    self, LineReader, OLDEST_VERSION, ProtocolError, ToControl, ToRouter, VERSION,
};
use crate::switcher::{Switcher, WorkerGone};
use crate::worker::Report;

/// First rest before connecting again.
const FIRST_BACK_OFF: Duration = Duration::from_millis(10);
/// Longest rest.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// How often instances on demand are looked at for requests.
const IDLE_LOOK_EVERY: Duration = Duration::from_secs(5);

/// The router's end of the link.
#[derive(Debug)]
pub(crate) struct ControlClient {
    pub(crate) switcher: Switcher,
    /// Name of this router's presence.
    pub(crate) name: String,
    pub(crate) reports: mpsc::Receiver<Report>,
    /// Told when a withdrawn upstream may have become empty.
    pub(crate) drained: Arc<Notify>,
    /// Set when this router ends: who serves now is another.
    pub(crate) draining: watch::Receiver<Option<Duration>>,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum SessionEnd {
    #[error(transparent)]
    Worker(#[from] WorkerGone),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("control closed the connection")]
    Closed,
    #[error("the table file does not hold what control has announced")]
    FileBehind,
}

impl ControlClient {
    /// Connects if control is there, and reads the file in any case, in this
    /// order.
    pub(crate) async fn begin(&mut self, socket: &Path) -> Result<Option<UnixStream>, WorkerGone> {
        let stream = UnixStream::connect(socket).await.ok();
        self.switcher.read_file().await?;
        crash_point!("router-file-read");
        self.switcher.note_withdrawn();
        Ok(stream)
    }

    /// Speaks with control, again and again, for ever.
    pub(crate) async fn run(mut self, socket: &Path, first: Option<UnixStream>) -> WorkerGone {
        let mut back_off = FIRST_BACK_OFF;
        let mut stream = first;
        loop {
            if stream.is_none() {
                stream = UnixStream::connect(socket).await.ok();
            }
            if let Some(stream) = stream.take() {
                match self.session(stream, &mut back_off).await {
                    SessionEnd::Worker(gone) => return gone,
                    end @ (SessionEnd::Protocol(_)
                    | SessionEnd::Closed
                    | SessionEnd::FileBehind) => {
                        info!(end = %end, "disconnected from control");
                    }
                }
            }
            tokio::time::sleep(back_off).await;
            back_off = (back_off * 2).min(LONGEST_BACK_OFF);
        }
    }

    async fn session(&mut self, stream: UnixStream, back_off: &mut Duration) -> SessionEnd {
        match self.converse(stream, back_off).await {
            Ok(()) => SessionEnd::Closed,
            Err(end) => end,
        }
    }

    async fn converse(
        &mut self,
        stream: UnixStream,
        back_off: &mut Duration,
    ) -> Result<(), SessionEnd> {
        // The file is read after connecting: what is published later is sent.
        self.switcher.read_file().await?;
        self.switcher.note_withdrawn();
        let (from, mut to) = stream.into_split();
        let mut lines = LineReader::new(BufReader::new(from));
        let hello = ToControl::Hello {
            oldest_version: OLDEST_VERSION,
            version: VERSION,
            name: self.name.clone(),
            pid: std::process::id(),
            position: self.switcher.position(),
        };
        protocol::send(&mut to, &hello).await?;
        crash_point!("router-greeted");
        let mut look = tokio::time::interval(IDLE_LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = lines.next::<ToRouter>() => match message? {
                    Some(ToRouter::Welcome { version }) => {
                        debug!(version, "connected to control");
                        *back_off = FIRST_BACK_OFF;
                    }
                    Some(message) => self.take_in(message, &mut to).await?,
                    None => return Ok(()),
                },
                report = self.reports.recv() => {
                    if let Some(report) = report {
                        protocol::send(&mut to, &message_of(report)).await?;
                    }
                }
                // That nobody asks this router any more says nothing about an instance.
                _ = look.tick(), if self.draining.borrow().is_none() => {
                    send_all(&mut to, self.switcher.idle(Instant::now())).await?;
                }
                () = self.drained.notified() => {
                    self.report_empty(&mut to).await?;
                }
            }
        }
    }

    async fn take_in(
        &mut self,
        message: ToRouter,
        to: &mut OwnedWriteHalf,
    ) -> Result<(), SessionEnd> {
        match message {
            ToRouter::Delta { delta } => {
                if !self.switcher.apply(&delta).await? {
                    self.switcher.read_file().await?;
                    if self.switcher.position() < delta.position() {
                        return Err(SessionEnd::FileBehind);
                    }
                }
                self.acknowledge(to).await
            }
            ToRouter::ReadFile { position } => {
                self.switcher.read_file().await?;
                if self.switcher.position() < position {
                    return Err(SessionEnd::FileBehind);
                }
                self.acknowledge(to).await
            }
            ToRouter::AskEmpty { upstreams } => {
                Ok(send_all(to, self.switcher.ask(upstreams)).await?)
            }
            ToRouter::Refused { reason } => {
                warn!(reason, "control refused this router");
                Err(ProtocolError::Refused(reason).into())
            }
            ToRouter::Welcome { .. } | ToRouter::Unknown => Ok(()),
        }
    }

    async fn acknowledge(&mut self, to: &mut OwnedWriteHalf) -> Result<(), SessionEnd> {
        let position = self.switcher.position();
        crash_point!("router-applied");
        protocol::send(to, &ToControl::Ack { position }).await?;
        crash_point!("router-acknowledged");
        self.switcher.note_withdrawn();
        self.report_empty(to).await
    }

    /// Tells which withdrawn upstreams have no request left.
    async fn report_empty(&mut self, to: &mut OwnedWriteHalf) -> Result<(), SessionEnd> {
        let empty = self.switcher.newly_empty();
        if empty.is_empty() {
            return Ok(());
        }
        crash_point!("router-drained");
        send_all(to, empty).await?;
        crash_point!("router-drain-reported");
        Ok(())
    }
}

async fn send_all(to: &mut OwnedWriteHalf, messages: Vec<ToControl>) -> Result<(), ProtocolError> {
    for message in messages {
        protocol::send(to, &message).await?;
    }
    Ok(())
}

fn message_of(report: Report) -> ToControl {
    match report {
        Report::Unreachable(upstream) => ToControl::Unreachable { upstream },
        Report::Wanted { group, version } => ToControl::Wanted { group, version },
    }
}
