//! `windlass up`: owns the sockets, starts control and router, starts them again when they end.
//!
//! It decides nothing about apps and keeps no state beyond its children: instances live under
//! their shims and survive it. Its loop has one event at a time: a child ended, a role said
//! something, a signal came, a moment was reached.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::prctl;
use nix::unistd::Pid;
use tokio::sync::{mpsc, watch};
use windlass_clock::task::Instant;

use crate::ca::Certificates;
use crate::crash_point::crash_point;
use crate::handover::HandoverError;
use crate::output::Output;
use crate::role_link::FromRole;
use crate::settings::Settings;

mod backoff;
mod candidate;
pub mod door;
pub mod lock;
mod orphans;
mod reload;
mod report;
mod role;
mod signals;
pub mod sockets;
mod stop;
pub mod succession;
mod takeover;
mod unavailable;

use lock::SupervisorLock;
use reload::Reload;
use report::Report;
use role::{Role, RoleEvent, RoleKind};
use signals::{Asked, Signals};
use sockets::{SocketError, Sockets};
use stop::Phase;
use succession::Inheritance;

/// How often the supervisor looks for orphans that reached it without a signal.
const ORPHAN_PERIOD: Duration = Duration::from_secs(1);
/// Words of roles that may wait to be read.
const EVENT_QUEUE: usize = 64;
/// People that may wait to be heard.
const VISIT_QUEUE: usize = 4;

/// Why the supervisor did not run.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A socket can't be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// What the supervisor before this one has left is not whole.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The system refused something.
    #[error("failed to {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// How the supervisor ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// As it was told.
    Done,
    /// A role refused its settings, database or key before anything ever ran.
    Refused(String),
    /// `down` did not stop everything in its time; what was left has been killed.
    Late,
}

/// What `up` needs.
#[derive(Debug)]
pub struct Start {
    /// Settings in force.
    pub settings: Settings,
    /// Certificates for the API and the router.
    pub certificates: Certificates,
    /// Words of the command line behind the program.
    pub arguments: Vec<OsString>,
    /// Form of the output.
    pub output: Output,
    /// Where it all comes from.
    pub origin: Origin,
}

/// Whether there was a supervisor before this one in the same process.
#[derive(Debug)]
pub enum Origin {
    /// No: everything is new, the lock just taken.
    Start(SupervisorLock),
    /// Yes: `windlass reload`.
    Takeover(Inheritance),
}

struct Supervisor {
    sockets: Sockets,
    settings: Settings,
    lock: SupervisorLock,
    arguments: Vec<OsString>,
    roles: [Role; 2],
    /// Roles that others have taken over from, until they have ended.
    leaving: Vec<Role>,
    reload: Option<Reload>,
    /// Shims that are just starting may be of this program too.
    program_before: Option<PathBuf>,
    phase: Phase,
    all_stopped: bool,
    late: bool,
    announced: bool,
    report: Report,
    control_ready: watch::Sender<bool>,
    events: mpsc::Sender<RoleEvent>,
}

/// Runs until it is told to end, perhaps as another program.
///
/// # Errors
/// When the system refuses something at the start.
pub async fn run(start: Start) -> Result<Ended, SupervisorError> {
    let system = |what| move |source| SupervisorError::System { what, source };
    windlass_clock::follow(&start.settings.data_dir);
    // Trees whose shim was killed come to us, not to init.
    prctl::set_child_subreaper(true).map_err(|errno| SupervisorError::System {
        what: "adopt orphans",
        source: errno.into(),
    })?;
    let certificates = start.certificates.clone();
    let (events, mut said) = mpsc::channel(EVENT_QUEUE);
    let mut signals = Signals::listen().map_err(system("watch signals"))?;
    let mut supervisor = Supervisor::begin(start, events)?;
    supervisor
        .answer_while_control_is_away(&certificates)
        .map_err(system("share a socket"))?;
    let (visitors, mut visits) = mpsc::channel(VISIT_QUEUE);
    let own = supervisor.sockets.supervisor.try_clone();
    own.and_then(|own| door::open(own, visitors))
        .map_err(system("share a socket"))?;
    let mut orphan_tick = tokio::time::interval(ORPHAN_PERIOD);
    // Some may have ended while one program became the next.
    supervisor.reap(&mut said).await;
    loop {
        supervisor.hand_over(&mut signals, &mut said).await;
        supervisor.start_due();
        if let Some(ended) = supervisor.ended() {
            return Ok(ended);
        }
        let due = supervisor.next_due();
        tokio::select! {
            asked = signals.next() => supervisor.signalled(asked, &mut said).await,
            Some(event) = said.recv() => supervisor.heard(event).await,
            Some((client, question)) = visits.recv() => supervisor.visited(client, question),
            _ = orphan_tick.tick() => supervisor.sweep(),
            () = windlass_clock::task::sleep_until(due) => supervisor.deadline_passed(),
        }
    }
}

impl Supervisor {
    /// Binds or takes over everything; starts nothing yet.
    fn begin(start: Start, events: mpsc::Sender<RoleEvent>) -> Result<Self, SupervisorError> {
        let Start {
            mut settings,
            certificates: _,
            arguments,
            output,
            origin,
        } = start;
        let report = Report::new(output);
        match origin {
            Origin::Takeover(inheritance) => Self::take_over(inheritance, settings, report, events),
            Origin::Start(lock) => {
                let sockets = Sockets::bind(&mut settings)?;
                report.listening(&settings);
                let role = |kind| Role::new(kind, settings.data_dir.clone());
                let supervisor = Self {
                    sockets,
                    lock,
                    arguments,
                    roles: [role(RoleKind::Router), role(RoleKind::Control)],
                    leaving: Vec::new(),
                    reload: None,
                    program_before: None,
                    phase: Phase::Running,
                    all_stopped: false,
                    late: false,
                    announced: false,
                    report,
                    control_ready: watch::channel(false).0,
                    events,
                    settings,
                };
                supervisor.note_trouble(None);
                Ok(supervisor)
            }
        }
    }

    fn answer_while_control_is_away(&self, certificates: &Certificates) -> io::Result<()> {
        let waiting = [
            (&self.sockets.cf, unavailable::Form::CloudFoundry),
            (&self.sockets.digitalocean, unavailable::Form::DigitalOcean),
            (&self.sockets.vercel, unavailable::Form::Vercel),
        ];
        for (socket, form) in waiting {
            tokio::spawn(unavailable::answer_while_away(
                socket.try_clone()?,
                certificates.api.clone(),
                self.control_ready.subscribe(),
                form,
            ));
        }
        Ok(())
    }

    fn role(&mut self, kind: RoleKind) -> &mut Role {
        let [first, second] = &mut self.roles;
        if first.kind() == kind { first } else { second }
    }

    /// Starts roles whose moment has come.
    fn start_due(&mut self) {
        if matches!(self.phase, Phase::Ending { .. }) {
            return;
        }
        let now = Instant::now();
        let successor = self.reload.as_mut().and_then(Reload::successor_mut);
        for role in self.roles.iter_mut().chain(successor) {
            if !role.is_due(now) {
                continue;
            }
            let sockets = match role.kind() {
                RoleKind::Control => self.sockets.for_control(),
                RoleKind::Router => self.sockets.for_router(),
            };
            let started = role.start(&self.settings, &sockets, &self.events);
            if let Err(error) = started {
                self.report
                    .trouble(&format!("failed to start {}: {error}", role.kind().name()));
            }
        }
    }

    /// When something has to happen without an event.
    fn next_due(&self) -> Instant {
        let far = Instant::now() + Duration::from_hours(1);
        let successor = self.reload.as_ref().and_then(Reload::successor);
        let starts = self
            .roles
            .iter()
            .chain(successor)
            .filter_map(Role::starts_at)
            .min()
            .unwrap_or(far);
        let reload = self.reload.as_ref().map_or(far, Reload::deadline);
        match self.phase {
            Phase::Running => starts.min(reload),
            Phase::StoppingAll { deadline } => starts.min(deadline),
            Phase::Ending { deadline } => deadline,
        }
    }

    async fn signalled(&mut self, asked: Asked, said: &mut mpsc::Receiver<RoleEvent>) {
        match asked {
            Asked::Child => self.reap(said).await,
            Asked::Terminate => self.end_roles("SIGTERM: instances go on running"),
            Asked::HangUp => self.end_roles("SIGHUP: instances go on running"),
            Asked::Interrupt => self.stop_all().await,
        }
    }

    /// Takes in every child that has ended.
    async fn reap(&mut self, said: &mut mpsc::Receiver<RoleEvent>) {
        for exit in role::reap_children() {
            let Some(role) = self.role_of(exit.pid) else {
                self.candidate_ended(&exit).await;
                continue;
            };
            role.last_words().await;
            while let Ok(event) = said.try_recv() {
                self.heard(event).await;
            }
            // What it said may have changed its place.
            if let Some(at) = self
                .leaving
                .iter()
                .position(|role| role.pid() == Some(exit.pid))
            {
                let role = self.leaving.swap_remove(at);
                self.report
                    .step(&format!("the {} before has ended", role.kind().name()));
                continue;
            }
            if self.successor_ended(&exit) {
                continue;
            }
            let Some(role) = self.role_of(exit.pid) else {
                continue;
            };
            crash_point!("supervisor-role-reaped");
            let kind = role.kind();
            let text = role.ended(&exit);
            if kind == RoleKind::Control {
                self.control_ready.send_replace(false);
            }
            if self.succeeded(kind, &exit, &text) {
                continue;
            }
            if self.phase == Phase::Running {
                self.report.trouble(&text);
                if kind == RoleKind::Control {
                    self.note_trouble(Some(&text));
                }
            }
        }
        self.sweep();
    }

    /// The role with this process: in office, about to be, or leaving.
    fn role_of(&mut self, pid: Pid) -> Option<&mut Role> {
        let successor = self.reload.as_mut().and_then(Reload::successor_mut);
        self.roles
            .iter_mut()
            .chain(&mut self.leaving)
            .chain(successor)
            .find(|role| role.pid() == Some(pid))
    }

    /// Leaves a note for `windlass status`, or takes it away.
    fn note_trouble(&self, text: Option<&str>) {
        let path = self.settings.layout().control_trouble();
        let noted = match text {
            // Worth nothing after a crash of the machine, so it is not synced; the directory is
            // ours alone.
            Some(text) => std::fs::write(&path, text),
            None => std::fs::remove_file(&path),
        };
        match noted {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "no note for `windlass status`");
            }
            _ => {}
        }
    }

    async fn heard(&mut self, event: RoleEvent) {
        if self.successor_said(&event) {
            return;
        }
        let Some(role) = self
            .roles
            .iter_mut()
            .find(|role| role.pid() == Some(event.pid))
        else {
            return;
        };
        let kind = role.kind();
        match event.message {
            FromRole::Isolation { used, means } => {
                if !self.announced {
                    self.report.isolation(&used, &means);
                }
            }
            FromRole::Ready => {
                crash_point!("supervisor-role-ready");
                role.is_ready();
                if kind == RoleKind::Control {
                    self.control_ready.send_replace(true);
                    self.note_trouble(None);
                    if matches!(self.phase, Phase::StoppingAll { .. }) {
                        self.order_stop().await;
                    }
                }
                if !self.announced && self.roles.iter().all(Role::was_ready) {
                    self.announced = true;
                    self.report.ready(&self.settings);
                }
                self.in_office(kind);
            }
            FromRole::Refused { reason } => role.refused(reason),
            FromRole::Stopping { left } => self.report.stopping(left),
            FromRole::Stopped => {
                self.all_stopped = true;
                self.end_roles("all instances have stopped");
            }
            FromRole::Waiting | FromRole::Unknown => {}
        }
    }

    /// Ends orphans that reached us; they are what a killed shim left behind.
    fn sweep(&mut self) {
        let candidate = self.reload.as_ref().and_then(Reload::candidate_pid);
        let successor = self.reload.as_ref().and_then(Reload::successor);
        let keep: Vec<_> = self
            .roles
            .iter()
            .chain(&self.leaving)
            .chain(successor)
            .filter_map(Role::pid)
            .chain(candidate)
            .collect();
        let before = self.program_before.as_deref();
        let ended = orphans::sweep(&keep, &self.settings.data_dir, before);
        if ended > 0 {
            crash_point!("supervisor-orphans-ended");
            self.report
                .trouble(&format!("ended {ended} processes whose shim was gone"));
        }
    }
}
