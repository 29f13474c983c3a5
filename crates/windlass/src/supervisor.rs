//! `windlass up`: owns the sockets, starts control and router, starts them again when they end.
//!
//! It decides nothing about apps and keeps no state beyond its children: instances live under
//! their shims and survive it. Its loop has one event at a time: a child ended, a role said
//! something, a signal came, a moment was reached.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use windlass_clock::task::Instant;

use crate::ca::Certificates;
use crate::output::Output;
use crate::role_link::{FromRole, ToRole};
use crate::settings::Settings;

mod backoff;
pub mod lock;
mod orphans;
mod report;
mod role;
pub mod sockets;
mod unavailable;

use report::Report;
use role::{Role, RoleEvent, RoleKind};
use sockets::{SocketError, Sockets};

/// Time that roles get to end after SIGTERM (the router drains in it).
const END_LIMIT: Duration = Duration::from_secs(40);
/// How often the supervisor looks for orphans that reached it without a signal.
const ORPHAN_PERIOD: Duration = Duration::from_secs(1);
/// Words of roles that may wait to be read.
const EVENT_QUEUE: usize = 64;

/// Why the supervisor did not run.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// A socket can't be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
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
    /// This program.
    pub program: PathBuf,
    /// Form of the output.
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Keeps the roles running.
    Running,
    /// Control stops all instances; roles end afterwards.
    StoppingAll { deadline: Instant },
    /// Roles end; instances stay unless they were stopped before.
    Ending { deadline: Instant },
}

struct Supervisor {
    sockets: Sockets,
    settings: Settings,
    roles: [Role; 2],
    phase: Phase,
    all_stopped: bool,
    late: bool,
    announced: bool,
    report: Report,
    control_ready: watch::Sender<bool>,
    events: mpsc::Sender<RoleEvent>,
}

/// Runs until it is told to end.
pub async fn run(start: Start) -> Result<Ended, SupervisorError> {
    let Start {
        mut settings,
        certificates,
        program,
        output,
    } = start;
    let system = |what| move |source| SupervisorError::System { what, source };
    let mut children = signal(SignalKind::child()).map_err(system("watch children"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(system("watch signals"))?;
    let mut hangup = signal(SignalKind::hangup()).map_err(system("watch signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("watch signals"))?;
    windlass_clock::follow(&settings.data_dir);
    // Trees whose shim was killed come to us, not to init.
    prctl::set_child_subreaper(true).map_err(|errno| SupervisorError::System {
        what: "adopt orphans",
        source: errno.into(),
    })?;

    let sockets = Sockets::bind(&mut settings)?;
    let report = Report::new(output);
    report.listening(&settings);
    let (control_ready, watch_ready) = watch::channel(false);
    let waiting = [
        (&sockets.cf, unavailable::Form::CloudFoundry),
        (&sockets.digitalocean, unavailable::Form::DigitalOcean),
        (&sockets.vercel, unavailable::Form::Vercel),
    ];
    for (socket, form) in waiting {
        let fallback = socket.try_clone().map_err(system("share a socket"))?;
        tokio::spawn(unavailable::answer_while_away(
            fallback,
            certificates.api.clone(),
            watch_ready.clone(),
            form,
        ));
    }

    let (events, mut said) = mpsc::channel(EVENT_QUEUE);
    let role = |kind| Role::new(kind, program.clone(), settings.data_dir.clone());
    let mut supervisor = Supervisor {
        sockets,
        roles: [role(RoleKind::Router), role(RoleKind::Control)],
        phase: Phase::Running,
        all_stopped: false,
        late: false,
        announced: false,
        report,
        control_ready,
        events,
        settings,
    };
    supervisor.note_trouble(None);
    let mut orphan_tick = tokio::time::interval(ORPHAN_PERIOD);
    loop {
        supervisor.start_due();
        if let Some(ended) = supervisor.ended() {
            return Ok(ended);
        }
        let due = supervisor.next_due();
        tokio::select! {
            _ = children.recv() => supervisor.reap(&mut said).await,
            Some(event) = said.recv() => supervisor.heard(event).await,
            _ = terminate.recv() => supervisor.end_roles("SIGTERM: instances go on running"),
            _ = hangup.recv() => supervisor.end_roles("SIGHUP: instances go on running"),
            _ = interrupt.recv() => supervisor.stop_all().await,
            _ = orphan_tick.tick() => supervisor.sweep(),
            () = windlass_clock::task::sleep_until(due) => supervisor.deadline_passed(),
        }
    }
}

impl Supervisor {
    /// Starts roles whose moment has come.
    fn start_due(&mut self) {
        if matches!(self.phase, Phase::Ending { .. }) {
            return;
        }
        let now = Instant::now();
        for role in &mut self.roles {
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
        let starts = self
            .roles
            .iter()
            .filter_map(Role::starts_at)
            .min()
            .unwrap_or(far);
        match self.phase {
            Phase::Running => starts,
            Phase::StoppingAll { deadline } => starts.min(deadline),
            Phase::Ending { deadline } => deadline,
        }
    }

    /// Takes in every child that has ended.
    async fn reap(&mut self, said: &mut mpsc::Receiver<RoleEvent>) {
        for exit in role::reap_children() {
            let is_exited = |role: &Role| role.pid() == Some(exit.pid);
            let Some(index) = self.roles.iter().position(is_exited) else {
                continue;
            };
            self.roles[index].last_words().await;
            while let Ok(event) = said.try_recv() {
                self.heard(event).await;
            }
            let role = &mut self.roles[index];
            if role.kind() == RoleKind::Control {
                self.control_ready.send_replace(false);
            }
            let is_control = role.kind() == RoleKind::Control;
            let text = role.ended(&exit);
            if self.phase == Phase::Running {
                self.report.trouble(&text);
                if is_control {
                    self.note_trouble(Some(&text));
                }
            }
        }
        self.sweep();
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
        let Some(role) = self
            .roles
            .iter_mut()
            .find(|role| role.pid() == Some(event.pid))
        else {
            return;
        };
        match event.message {
            FromRole::Isolation { used, means } => {
                if !self.announced {
                    self.report.isolation(&used, &means);
                }
            }
            FromRole::Ready => {
                role.is_ready();
                if role.kind() == RoleKind::Control {
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
            }
            FromRole::Refused { reason } => role.refused(reason),
            FromRole::Stopping { left } => self.report.stopping(left),
            FromRole::Stopped => {
                self.all_stopped = true;
                self.end_roles("all instances have stopped");
            }
        }
    }

    /// SIGINT: everything stops; the desired state stays.
    async fn stop_all(&mut self) {
        match self.phase {
            Phase::Running => {
                let limit = Duration::from_secs(self.settings.down_limit_s);
                self.phase = Phase::StoppingAll {
                    deadline: Instant::now() + limit,
                };
                self.report.step(&format!(
                    "stopping all instances, at most {} s; interrupt again to kill them",
                    limit.as_secs()
                ));
                self.order_stop().await;
            }
            Phase::StoppingAll { .. } => self.give_up_waiting(),
            Phase::Ending { .. } => {}
        }
    }

    async fn order_stop(&mut self) {
        let control = self
            .roles
            .iter_mut()
            .find(|role| role.kind() == RoleKind::Control);
        if let Some(control) = control {
            control.tell(&ToRole::StopAll).await;
        }
    }

    fn end_roles(&mut self, why: &str) {
        if matches!(self.phase, Phase::Ending { .. }) {
            return;
        }
        self.report.step(&format!("ending: {why}"));
        self.phase = Phase::Ending {
            deadline: Instant::now() + END_LIMIT,
        };
        for role in &mut self.roles {
            role.signal(Signal::SIGTERM);
        }
    }

    fn give_up_waiting(&mut self) {
        self.late = true;
        self.all_stopped = true;
        self.report
            .trouble("instances did not stop in time and are killed");
        self.end_roles("what is left is killed");
    }

    fn deadline_passed(&mut self) {
        let now = Instant::now();
        match self.phase {
            Phase::StoppingAll { deadline } if now >= deadline => self.give_up_waiting(),
            Phase::Ending { deadline } if now >= deadline => {
                for role in &mut self.roles {
                    role.signal(Signal::SIGKILL);
                }
                self.phase = Phase::Ending {
                    deadline: now + END_LIMIT,
                };
            }
            Phase::Running | Phase::StoppingAll { .. } | Phase::Ending { .. } => {}
        }
    }

    /// Ends orphans that reached us; they are what a killed shim left behind.
    fn sweep(&mut self) {
        let roles: Vec<_> = self.roles.iter().filter_map(Role::pid).collect();
        let ended = orphans::sweep(&roles, &self.settings.data_dir);
        if ended > 0 {
            self.report
                .trouble(&format!("ended {ended} processes whose shim was gone"));
        }
    }

    /// How it ended, once it has.
    fn ended(&mut self) -> Option<Ended> {
        let nothing_runs = self.roles.iter().all(|role| role.pid().is_none());
        match self.phase {
            Phase::Ending { .. } if nothing_runs => {
                if self.late {
                    orphans::kill_everything();
                }
                let refusal = self.roles.iter_mut().find_map(Role::first_refusal);
                Some(match (self.late, refusal) {
                    (_, Some(reason)) => Ended::Refused(reason),
                    (true, None) => Ended::Late,
                    (false, None) => Ended::Done,
                })
            }
            Phase::Ending { .. } | Phase::StoppingAll { .. } => None,
            Phase::Running => {
                if self.roles.iter().any(Role::refused_at_first_start) {
                    self.end_roles("a role can't start");
                    return self.ended();
                }
                None
            }
        }
    }
}
