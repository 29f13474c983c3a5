//! `windlass reload`, from the question to its answer.
//!
//! Two programs share the work, in one process: the running one lets the next check itself and
//! becomes it ([`super::takeover`]); the next one replaces control, then the router, and is done.
//! If a new role does not come up, it becomes the program before again, which finds its own roles
//! where they still run and starts them where they don't.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use windlass_clock::task::Instant;

use super::Supervisor;
use super::candidate::Candidate;
use super::door::{Client, Question, Saying};
use super::role::{Exit, Role, RoleEvent, RoleKind};
use super::stop::Phase;
use super::succession::ReloadRecord;
use crate::program;
use crate::reload_check::{self, Passed, Protocols};
use crate::role_link::FromRole;
use crate::settings::EXIT_CONFIGURATION;

/// Routers of earlier programs that may drain at the same time: each holds a place in the next
/// handover.
const DRAINING_LIMIT: usize = 16;
/// Longest and shortest wait that somebody may ask for.
const LIMITS_S: std::ops::RangeInclusive<u64> = 1..=600;

/// A reload that goes on.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) client: Client,
    /// Longest wait for each step.
    pub(super) limit: Duration,
    pub(super) deadline: Instant,
    pub(super) step: Step,
}

/// Where it stands.
#[derive(Debug)]
pub(super) enum Step {
    /// The next program checks itself.
    Checking(Candidate),
    /// It has passed: this one becomes it as soon as it has a moment.
    Passed { program: PathBuf, passed: Passed },
    /// This is the next program: a role of this kind is to take over.
    Replacing {
        kind: RoleKind,
        /// The new role while the one before is in office.
        successor: Option<Role>,
        before: Before,
        /// What went wrong with it so far.
        trouble: Option<String>,
    },
    /// This is the next program, and it gives way as soon as it has a moment.
    GivingWay { before: Before, reason: String },
    /// This is the program before, in charge again; its control is not ready yet.
    Returning { reason: String },
}

/// The program before.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) file: File,
    /// Version of the succession that it understands.
    pub(super) version: u32,
    pub(super) record: ReloadRecord,
}

impl Reload {
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn successor(&self) -> Option<&Role> {
        match &self.step {
            Step::Replacing { successor, .. } => successor.as_ref(),
            _ => None,
        }
    }

    pub(super) fn successor_mut(&mut self) -> Option<&mut Role> {
        match &mut self.step {
            Step::Replacing { successor, .. } => successor.as_mut(),
            _ => None,
        }
    }

    pub(super) fn candidate_pid(&self) -> Option<Pid> {
        match &self.step {
            Step::Checking(candidate) => Some(candidate.pid()),
            _ => None,
        }
    }
}

impl Supervisor {
    /// Somebody has asked for something.
    pub(super) fn visited(&mut self, mut client: Client, question: Question) {
        let begun = match question {
            Question::Reload { program, limit_s } => self.begin_reload(program, limit_s),
            Question::Unknown => Err("the running Windlass does not know that word".to_owned()),
        };
        match begun {
            Ok((candidate, limit)) => {
                let text = format!("checking {}", candidate.program.display());
                self.report.step(&format!("reload: {text}"));
                client.say(&Saying::Step { text });
                self.reload = Some(Reload {
                    client,
                    limit,
                    deadline: Instant::now() + limit,
                    step: Step::Checking(candidate),
                });
            }
            Err(reason) => client.say(&Saying::Refused { reason }),
        }
    }

    fn begin_reload(
        &self,
        program: Option<PathBuf>,
        limit_s: u64,
    ) -> Result<(Candidate, Duration), String> {
        if self.phase != Phase::Running {
            return Err("Windlass is ending".to_owned());
        }
        if self.reload.is_some() {
            return Err("another reload is going on; wait for its end".to_owned());
        }
        if self.leaving.len() >= DRAINING_LIMIT {
            return Err(format!(
                "{DRAINING_LIMIT} routers of earlier reloads still finish what they do; try again \
                 later"
            ));
        }
        if !LIMITS_S.contains(&limit_s) {
            return Err(format!(
                "the limit must be {} to {} seconds",
                LIMITS_S.start(),
                LIMITS_S.end()
            ));
        }
        let program = match program {
            Some(program) if program.is_absolute() => program,
            Some(_) => return Err("the path of the program must be absolute".to_owned()),
            None => program::path().map_err(|error| format!("/proc can't be read: {error}"))?,
        };
        let question = reload_check::Question {
            data_dir: self.settings.data_dir.clone(),
            listen: self.settings.listen.clone(),
            protocols: Protocols::own(),
        };
        let candidate = Candidate::start(program, &self.arguments, &question)?;
        Ok((candidate, Duration::from_secs(limit_s)))
    }

    /// A child has ended that is no role: perhaps the check.
    pub(super) async fn candidate_ended(&mut self, exit: &Exit) {
        let is_candidate = |reload: &mut Reload| reload.candidate_pid() == Some(exit.pid);
        let Some(mut reload) = self.reload.take_if(is_candidate) else {
            return;
        };
        let Step::Checking(candidate) = reload.step else {
            return;
        };
        match candidate.judge(exit).await {
            Ok((program, passed)) => {
                reload.step = Step::Passed { program, passed };
                self.reload = Some(reload);
            }
            Err(reason) => {
                self.report.trouble(&format!("reload refused: {reason}"));
                reload.client.say(&Saying::Refused { reason });
            }
        }
    }

    /// Takes in what a new role says that is not in office yet.
    pub(super) fn successor_said(&mut self, event: &RoleEvent) -> bool {
        let Some(Reload {
            step: Step::Replacing { successor, .. },
            ..
        }) = &mut self.reload
        else {
            return false;
        };
        let Some(role) = successor
            .as_mut()
            .filter(|role| role.pid() == Some(event.pid))
        else {
            return false;
        };
        match (&event.message, role.kind()) {
            // It can do no more before the one in office has let go of the database.
            (FromRole::Waiting, RoleKind::Control) => {
                self.role(RoleKind::Control).signal(Signal::SIGTERM);
            }
            (FromRole::Refused { reason }, _) => role.refused(reason.clone()),
            // Both accept clients now; the one before finishes what it has.
            (FromRole::Ready, RoleKind::Router) => {
                role.is_ready();
                self.promote();
                self.in_office(RoleKind::Router);
            }
            (
                FromRole::Ready
                | FromRole::Waiting
                | FromRole::Isolation { .. }
                | FromRole::Stopping { .. }
                | FromRole::Stopped
                | FromRole::Unknown,
                _,
            ) => {}
        }
        true
    }

    /// Puts the new role in the place of the one before, which is told to end.
    fn promote(&mut self) {
        let successor = self
            .reload
            .as_mut()
            .and_then(|reload| match &mut reload.step {
                Step::Replacing { successor, .. } => successor.take(),
                _ => None,
            });
        let Some(successor) = successor else { return };
        let place = self.role(successor.kind());
        let mut before = std::mem::replace(place, successor);
        if before.pid().is_some() {
            before.signal(match before.kind() {
                RoleKind::Control => Signal::SIGTERM,
                // It need not hurry.
                RoleKind::Router => Signal::SIGUSR1,
            });
            self.leaving.push(before);
        }
    }

    /// A role in office is ready: the next step, if this one waited for it.
    pub(super) fn in_office(&mut self, ready: RoleKind) {
        let Some(mut reload) = self.reload.take() else {
            return;
        };
        match reload.step {
            Step::Replacing {
                kind,
                successor: None,
                before,
                ..
            } if kind == ready && self.role(kind).is_own() => match kind {
                RoleKind::Control => {
                    let pid = self.role(kind).pid().map_or(0, Pid::as_raw);
                    let text = format!("the new control is ready (pid {pid})");
                    reload.client.say(&Saying::Step { text });
                    reload.deadline = Instant::now() + reload.limit;
                    let router = self.role(RoleKind::Router);
                    let is_there = router.pid().is_some() && !router.is_own();
                    let data_dir = self.settings.data_dir.clone();
                    reload.step = Step::Replacing {
                        kind: RoleKind::Router,
                        successor: is_there.then(|| Role::next(RoleKind::Router, data_dir)),
                        before,
                        trouble: None,
                    };
                    self.reload = Some(reload);
                }
                RoleKind::Router => self.done(reload.client),
            },
            Step::Returning { reason } if ready == RoleKind::Control => {
                self.report
                    .trouble(&format!("the new program gave way: {reason}"));
                reload.client.say(&Saying::GaveWay { reason });
            }
            step => {
                reload.step = step;
                self.reload = Some(reload);
            }
        }
    }

    fn done(&mut self, mut client: Client) {
        let pid = |role: &mut Role| role.pid().map(Pid::as_raw);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.report.step(&format!("reloaded: version {version}"));
        let done = Saying::Done {
            program: program::path().unwrap_or_default(),
            version,
            supervisor_pid: std::process::id(),
            control_pid: pid(self.role(RoleKind::Control)),
            router_pid: pid(self.role(RoleKind::Router)),
            draining_router_pids: self.leaving.iter_mut().filter_map(pid).collect(),
        };
        client.say(&done);
    }

    /// A new role that is not in office yet has ended.
    pub(super) fn successor_ended(&mut self, exit: &Exit) -> bool {
        let successor = self.reload.as_mut().and_then(Reload::successor_mut);
        let Some(role) = successor.filter(|role| role.pid() == Some(exit.pid)) else {
            return false;
        };
        let text = role.ended(exit);
        self.report.trouble(&text);
        self.note_of_failure(exit, text);
        true
    }

    /// A role in office has ended: true when that is part of the reload.
    pub(super) fn succeeded(&mut self, kind: RoleKind, exit: &Exit, text: &str) -> bool {
        let Some(Reload {
            step:
                Step::Replacing {
                    kind: of,
                    successor,
                    ..
                },
            ..
        }) = &self.reload
        else {
            return false;
        };
        if *of != kind {
            return false;
        }
        if successor.is_some() {
            // The one before; nobody has to start it again.
            self.promote();
            return true;
        }
        self.note_of_failure(exit, text.to_owned());
        false
    }

    /// A new role has failed. Trying again helps only if it did not refuse.
    fn note_of_failure(&mut self, exit: &Exit, text: String) {
        if exit.status == Some(i32::from(EXIT_CONFIGURATION)) {
            return self.give_way(text);
        }
        if let Some(Reload {
            step: Step::Replacing { trouble, .. },
            ..
        }) = &mut self.reload
        {
            *trouble = Some(text);
        }
    }

    /// The new program can't do it.
    fn give_way(&mut self, reason: String) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        let returning = Step::Returning {
            reason: String::new(),
        };
        match std::mem::replace(&mut reload.step, returning) {
            Step::Replacing {
                successor, before, ..
            } => {
                if let Some(mut role) = successor
                    && role.pid().is_some()
                {
                    role.signal(Signal::SIGKILL);
                    self.leaving.push(role);
                }
                reload.step = Step::GivingWay { before, reason };
            }
            step => reload.step = step,
        }
    }

    /// Time is over for what goes on.
    pub(super) fn reload_deadline_passed(&mut self, now: Instant) {
        let Some(reload) = &mut self.reload else {
            return;
        };
        if now < reload.deadline {
            return;
        }
        let limit_s = reload.limit.as_secs();
        match &mut reload.step {
            Step::Checking(candidate) => {
                candidate.kill();
                let reason = format!(
                    "{} did not check itself within {limit_s} s",
                    candidate.program.display()
                );
                self.report.trouble(&format!("reload refused: {reason}"));
                reload.client.say(&Saying::Refused { reason });
                self.reload = None;
            }
            Step::Replacing { kind, trouble, .. } => {
                let why = trouble
                    .take()
                    .map_or_else(String::new, |text| format!(" ({text})"));
                let reason = format!(
                    "the new {} was not ready within {limit_s} s{why}",
                    kind.name()
                );
                self.give_way(reason);
            }
            Step::Returning { reason } => {
                let reason = format!(
                    "{reason}; the control of the program before is not ready after {limit_s} s \
                     either, look at `windlass status`"
                );
                reload.client.say(&Saying::GaveWay { reason });
                self.reload = None;
            }
            // These wait for nothing.
            Step::Passed { .. } | Step::GivingWay { .. } => {}
        }
    }

    /// Something more important came: everything ends.
    pub(super) fn abandon_reload(&mut self) {
        let Some(mut reload) = self.reload.take() else {
            return;
        };
        let reason = "Windlass is ending".to_owned();
        match reload.step {
            Step::Checking(candidate) => candidate.kill(),
            Step::Replacing {
                successor: Some(mut role),
                ..
            } => {
                if role.pid().is_some() {
                    role.signal(Signal::SIGTERM);
                    self.leaving.push(role);
                }
            }
            Step::Replacing { .. }
            | Step::Passed { .. }
            | Step::GivingWay { .. }
            | Step::Returning { .. } => {}
        }
        reload.client.say(&Saying::Refused { reason });
    }
}

/// The file of the running program.
pub(super) fn own_file() -> io::Result<File> {
    File::open(program::RUNNING)
}
