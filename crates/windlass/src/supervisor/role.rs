//! One role: its process, its link, when it starts again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use windlass_clock::task::Instant;

use super::backoff::Backoff;
use crate::crash_point::crash_point;
use crate::handover::{self, Orders};
use crate::program;
use crate::role_link::{self, FromRole, LinkReader, LinkWriter};
use crate::settings::{EXIT_CONFIGURATION, Settings};

/// How long after exit status 78 a role is tried again once it has worked.
const REFUSED_WAIT: Duration = Duration::from_secs(30);

/// How long the last words of a role that has ended are waited for: they lie in its link already,
/// but something that it started may hold the link open.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// The two roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleKind {
    /// APIs, engine, builds, state.
    Control,
    /// Data plane.
    Router,
}

impl RoleKind {
    /// The subcommand, as a process list shows it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Router => "router",
        }
    }
}

/// Something that a role said.
#[derive(Debug)]
pub(super) struct RoleEvent {
    /// Which process.
    pub(super) pid: Pid,
    /// What.
    pub(super) message: FromRole,
}

/// A child that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exit {
    /// Which.
    pub(super) pid: Pid,
    /// Exit status; `None` after a signal.
    pub(super) status: Option<i32>,
    /// How, in words.
    pub(super) text: String,
}

#[derive(Debug)]
enum State {
    Waiting {
        until: Instant,
    },
    Running {
        pid: Pid,
        since: Instant,
        /// Another handle on its link, for the next supervisor.
        link: UnixStream,
        writer: LinkWriter,
        listener: Listener,
    },
}

/// What passes on what a role says.
#[derive(Debug)]
struct Listener {
    /// Ends when everything has been passed on, or when it is halted; then with what it had read
    /// of a line that was not whole.
    task: JoinHandle<Vec<u8>>,
    halt: oneshot::Sender<()>,
}

/// A running role, as one supervisor leaves it to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RoleRecord {
    pub(super) kind: RoleKind,
    pub(super) pid: i32,
    pub(super) was_ready: bool,
    /// Read from its link, but not understood yet.
    #[serde(default)]
    pub(super) unread: String,
    /// Whether it is only to end.
    pub(super) is_leaving: bool,
}

#[derive(Debug)]
pub(super) struct Role {
    kind: RoleKind,
    data_dir: PathBuf,
    backoff: Backoff,
    state: State,
    /// Read from its link, but not understood yet, while nobody listens to it.
    unread: Vec<u8>,
    is_own: bool,
    was_ready: bool,
    said_reason: Option<String>,
    first_refusal: Option<String>,
}

impl Role {
    pub(super) fn new(kind: RoleKind, data_dir: PathBuf) -> Self {
        Self {
            kind,
            data_dir,
            backoff: Backoff::new(),
            state: State::Waiting {
                until: Instant::now(),
            },
            unread: Vec::new(),
            is_own: true,
            was_ready: false,
            said_reason: None,
            first_refusal: None,
        }
    }

    /// The same in a Windlass that has worked before: a refusal does not end it.
    pub(super) fn next(kind: RoleKind, data_dir: PathBuf) -> Self {
        Self {
            was_ready: true,
            ..Self::new(kind, data_dir)
        }
    }

    /// Takes over a role that runs.
    pub(super) fn adopt(
        record: RoleRecord,
        link: UnixStream,
        data_dir: PathBuf,
        events: &mpsc::Sender<RoleEvent>,
    ) -> io::Result<Self> {
        let mut role = Self::new(record.kind, data_dir);
        role.was_ready = record.was_ready;
        role.is_own = false;
        let pid = Pid::from_raw(record.pid);
        role.state = running(pid, link, record.unread.into_bytes(), events)?;
        Ok(role)
    }

    /// Stops listening, so that the next supervisor can. What was said until now has been passed
    /// on.
    pub(super) async fn halt(&mut self) {
        let State::Running { listener, .. } = &mut self.state else {
            return;
        };
        let (halt, _) = oneshot::channel();
        // It may have come to the end of the link by itself.
        let _ = std::mem::replace(&mut listener.halt, halt).send(());
        self.unread = (&mut listener.task).await.unwrap_or_default();
    }

    /// Listens again after [`Self::halt`].
    pub(super) fn listen_again(&mut self, events: &mpsc::Sender<RoleEvent>) -> io::Result<()> {
        let State::Running { pid, link, .. } = &self.state else {
            return Ok(());
        };
        let unread = std::mem::take(&mut self.unread);
        self.state = running(*pid, link.try_clone()?, unread, events)?;
        Ok(())
    }

    /// What the next supervisor must know, after [`Self::halt`]; `None` when it does not run.
    pub(super) fn record(&self, is_leaving: bool) -> Option<RoleRecord> {
        Some(RoleRecord {
            kind: self.kind,
            pid: self.pid()?.as_raw(),
            was_ready: self.was_ready,
            unread: String::from_utf8_lossy(&self.unread).into_owned(),
            is_leaving,
        })
    }

    /// Whether this very supervisor has started it, or will.
    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    /// Its link, for the next supervisor.
    pub(super) fn link(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Running { link, .. } => Some(link.as_fd()),
            State::Waiting { .. } => None,
        }
    }

    pub(super) fn kind(&self) -> RoleKind {
        self.kind
    }

    pub(super) fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } => Some(pid),
            State::Waiting { .. } => None,
        }
    }

    /// When it is to be started; `None` while it runs or must not be.
    pub(super) fn starts_at(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } if !self.refused_at_first_start() => Some(until),
            State::Waiting { .. } | State::Running { .. } => None,
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.starts_at().is_some_and(|at| at <= now)
    }

    pub(super) fn is_ready(&mut self) {
        self.was_ready = true;
    }

    pub(super) fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// It said why it will end with status 78.
    pub(super) fn refused(&mut self, reason: String) {
        self.said_reason = Some(reason);
    }

    pub(super) fn refused_at_first_start(&self) -> bool {
        self.first_refusal.is_some()
    }

    pub(super) fn first_refusal(&mut self) -> Option<String> {
        self.first_refusal.take()
    }

    /// Starts the process and hands it its sockets.
    pub(super) fn start(
        &mut self,
        settings: &Settings,
        sockets: &[(&str, BorrowedFd<'_>)],
        events: &mpsc::Sender<RoleEvent>,
    ) -> io::Result<()> {
        let started = self.spawn(settings, sockets, events);
        if started.is_err() {
            self.state = State::Waiting {
                until: Instant::now() + self.backoff.after(Duration::ZERO),
            };
        }
        started
    }

    fn spawn(
        &mut self,
        settings: &Settings,
        sockets: &[(&str, BorrowedFd<'_>)],
        events: &mpsc::Sender<RoleEvent>,
    ) -> io::Result<()> {
        crash_point!("supervisor-role-before-start");
        let (ours, theirs) = UnixStream::pair()?;
        let orders = Orders {
            settings: settings.clone(),
        };
        handover::send(&ours, &orders, sockets)?;
        crash_point!("supervisor-sockets-handed-over");
        let child = Command::new(program::RUNNING)
            .arg0("windlass")
            .arg(self.kind.name())
            .arg("--data-dir")
            .arg(&self.data_dir)
            .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
            // Control-C on the terminal is for the supervisor, which stops things in order.
            .process_group(0)
            .spawn()?;
        crash_point!("supervisor-role-started");
        let pid = Pid::from_raw(child.id().try_into().map_err(io::Error::other)?);
        self.said_reason = None;
        self.state = running(pid, ours, Vec::new(), events)?;
        Ok(())
    }

    /// Tells it something; a role that has just ended hears nothing.
    pub(super) async fn tell(&mut self, message: &impl Serialize) {
        if let State::Running { writer, .. } = &mut self.state
            && let Err(error) = writer.send(message).await
        {
            tracing::warn!(role = self.kind.name(), %error, "failed to reach a role");
        }
    }

    pub(super) fn signal(&mut self, signal: Signal) {
        if let State::Running { pid, .. } = self.state {
            // It may have ended just now; then the exit is already on its way to us.
            let _ = kill(pid, signal);
        }
    }

    /// Waits until what it said before it ended has been passed on: the news of the exit may
    /// overtake the reason.
    pub(super) async fn last_words(&mut self) {
        if let State::Running { listener, .. } = &mut self.state
            && tokio::time::timeout(LAST_WORDS_LIMIT, &mut listener.task)
                .await
                .is_err()
        {
            tracing::warn!(
                role = self.kind.name(),
                "the link of an ended role stays open"
            );
        }
    }

    /// Its process has ended; says so in words.
    pub(super) fn ended(&mut self, exit: &Exit) -> String {
        let lived = match self.state {
            State::Running { since, .. } => since.elapsed(),
            State::Waiting { .. } => Duration::ZERO,
        };
        let refused = exit.status == Some(i32::from(EXIT_CONFIGURATION));
        let reason = self
            .said_reason
            .take()
            .unwrap_or_else(|| "no reason was given".to_owned());
        let wait = if refused {
            REFUSED_WAIT
        } else {
            self.backoff.after(lived)
        };
        self.state = State::Waiting {
            until: Instant::now() + wait,
        };
        let name = self.kind.name();
        match (refused, self.was_ready) {
            (true, false) => {
                let text = format!("{name} can't start: {reason}");
                self.first_refusal = Some(reason);
                text
            }
            (true, true) => {
                format!(
                    "{name} can't start: {reason}; trying again every {} s",
                    wait.as_secs()
                )
            }
            (false, _) => format!("{name} {}; starting it again in {wait:?}", exit.text),
        }
    }
}

fn running(
    pid: Pid,
    link: UnixStream,
    unread: Vec<u8>,
    events: &mpsc::Sender<RoleEvent>,
) -> io::Result<State> {
    let (reader, writer) = role_link::split(link.try_clone()?, unread)?;
    let (halt, halted) = oneshot::channel();
    let task = tokio::spawn(forward(pid, reader, events.clone(), halted));
    Ok(State::Running {
        pid,
        since: Instant::now(),
        link,
        writer,
        listener: Listener { task, halt },
    })
}

async fn forward(
    pid: Pid,
    mut reader: LinkReader,
    events: mpsc::Sender<RoleEvent>,
    mut halted: oneshot::Receiver<()>,
) -> Vec<u8> {
    loop {
        // The place comes first, so that nothing that was read can't be passed on.
        let place = tokio::select! {
            place = events.reserve() => place,
            _ = &mut halted => return reader.into_unread(),
        };
        let Ok(place) = place else { break };
        let said = tokio::select! {
            said = reader.next::<FromRole>() => said,
            _ = &mut halted => return reader.into_unread(),
        };
        match said {
            Ok(Some(message)) => place.send(RoleEvent { pid, message }),
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%pid, %error, "a role said something that is not understood");
                break;
            }
        }
    }
    Vec::new()
}

/// Takes in every ended child: roles, and whatever was left to us as subreaper.
pub(super) fn reap_children() -> Vec<Exit> {
    let mut exits = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) => {
                let text = format!("ended with status {status}");
                exits.push(Exit {
                    pid,
                    status: Some(status),
                    text,
                });
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                let text = format!("was ended by {signal}");
                exits.push(Exit {
                    pid,
                    status: None,
                    text,
                });
            }
            Ok(WaitStatus::StillAlive) | Err(_) => return exits,
            Ok(_) => {}
        }
    }
}
