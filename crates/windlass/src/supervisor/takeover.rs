//! The two moments in which one program becomes the other.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use tokio::sync::{mpsc, watch};
use windlass_clock::task::Instant;
use windlass_store::Store;

use super::door::{Client, Saying};
use super::reload::{Before, Reload, Step, own_file};
use super::report::Report;
use super::role::{Role, RoleEvent, RoleKind};
use super::signals::Signals;
use super::sockets::Sockets;
use super::stop::Phase;
use super::succession::{
    Inheritance, Others, ReloadRecord, Succession, VERSION, become_next, link_name, path_of,
};
use super::{Supervisor, SupervisorError};
use crate::program;
use crate::settings::Settings;

/// How long the end of a killed process is waited for.
const KILLED_LIMIT: Duration = Duration::from_secs(5);
/// Pause between two looks at it.
const KILLED_PAUSE: Duration = Duration::from_millis(2);

impl Supervisor {
    /// Takes over from the supervisor before this one.
    pub(super) fn take_over(
        mut inheritance: Inheritance,
        mut settings: Settings,
        report: Report,
        events: mpsc::Sender<RoleEvent>,
    ) -> Result<Self, SupervisorError> {
        let system = |what| move |source| SupervisorError::System { what, source };
        let Succession {
            arguments,
            roles: records,
            reload: record,
            version,
        } = inheritance.0.orders.clone();
        let sockets = Sockets::adopt(&mut inheritance.0, &mut settings)?;
        let lock = inheritance.lock()?;
        let file = inheritance.program()?;
        let client = Client::adopt(inheritance.client()).map_err(system("share a socket"))?;
        let next = |kind| Role::next(kind, settings.data_dir.clone());
        let mut supervisor = Self {
            sockets,
            lock,
            arguments,
            roles: [next(RoleKind::Router), next(RoleKind::Control)],
            leaving: Vec::new(),
            reload: None,
            program_before: Some(record.program_before.clone()),
            phase: Phase::Running,
            all_stopped: false,
            late: false,
            announced: true,
            report,
            control_ready: watch::channel(false).0,
            events,
            settings,
        };
        for record in records {
            let (kind, is_leaving) = (record.kind, record.is_leaving);
            let was_ready = record.was_ready;
            let link = inheritance.link(record.pid)?;
            let data_dir = supervisor.settings.data_dir.clone();
            let role = Role::adopt(record, link, data_dir, &supervisor.events)
                .map_err(system("share a socket"))?;
            if is_leaving {
                supervisor.leaving.push(role);
                continue;
            }
            *supervisor.role(kind) = role;
            if kind == RoleKind::Control {
                supervisor.control_ready.send_replace(was_ready);
            }
        }
        supervisor.go_on(
            client,
            Before {
                file,
                version,
                record,
            },
        );
        Ok(supervisor)
    }

    /// Takes up the reload where the other program left it.
    fn go_on(&mut self, client: Client, before: Before) {
        let limit = Duration::from_secs(before.record.limit_s);
        let is_there = self.role(RoleKind::Control).pid().is_some();
        let is_ready = *self.control_ready.borrow();
        let (text, step) = if let Some(reason) = before.record.gave_way.clone() {
            ("back again", Step::Returning { reason })
        } else {
            let data_dir = self.settings.data_dir.clone();
            let step = Step::Replacing {
                kind: RoleKind::Control,
                successor: is_there.then(|| Role::next(RoleKind::Control, data_dir)),
                before,
                trouble: None,
            };
            ("in charge", step)
        };
        let name = program::path().unwrap_or_default();
        let text = format!("{} is {text}", name.display());
        self.report.step(&format!("reload: {text}"));
        let mut reload = Reload {
            client,
            limit,
            deadline: Instant::now() + limit,
            step,
        };
        reload.client.say(&Saying::Step { text });
        self.reload = Some(reload);
        if is_ready {
            self.in_office(RoleKind::Control);
        }
    }

    /// Becomes the other program, if it is time for that.
    pub(super) async fn hand_over(
        &mut self,
        signals: &mut Signals,
        said: &mut mpsc::Receiver<RoleEvent>,
    ) {
        let is_time = |reload: &mut Reload| {
            matches!(reload.step, Step::Passed { .. } | Step::GivingWay { .. })
        };
        let Some(mut reload) = self.reload.take_if(is_time) else {
            return;
        };
        match reload.step {
            Step::Passed { program, passed } => {
                let text = format!("version {} passes and takes over", passed.version);
                reload.client.say(&Saying::Step { text });
                let record = ReloadRecord {
                    program: program.clone(),
                    program_before: program::path().unwrap_or_default(),
                    limit_s: reload.limit.as_secs(),
                    schema_before: passed.schema_before,
                    gave_way: None,
                };
                let tried = match own_file() {
                    Ok(own) => {
                        let way = Way {
                            path: &program,
                            file: &own,
                            client: &reload.client,
                            version: VERSION,
                            record,
                        };
                        self.exec(way, signals, said).await
                    }
                    Err(error) => error.to_string(),
                };
                let reason = format!("{} can't take over: {tried}", program.display());
                self.report.trouble(&format!("reload refused: {reason}"));
                reload.client.say(&Saying::Refused { reason });
            }
            Step::GivingWay { before, reason } => {
                let reason = self
                    .try_back(&reload.client, before, reason, signals, said)
                    .await;
                self.report.trouble(&reason);
                reload.client.say(&Saying::Stuck { reason });
            }
            step => {
                reload.step = step;
                self.reload = Some(reload);
            }
        }
    }

    /// Becomes the program before. Returns only when that can't be: with the reason.
    async fn try_back(
        &mut self,
        client: &Client,
        before: Before,
        reason: String,
        signals: &mut Signals,
        said: &mut mpsc::Receiver<RoleEvent>,
    ) -> String {
        let was_ready = *self.control_ready.borrow();
        let control = self.role(RoleKind::Control);
        let own = control.pid().filter(|_| control.is_own());
        if own.is_some() && !was_ready {
            // From here on it changes nothing any more.
            control.signal(Signal::SIGKILL);
            self.gone(RoleKind::Control).await;
        }
        let database = self.settings.layout().database();
        let known = before.record.schema_before;
        if let Ok(now) = Store::schema_version(&database)
            && now != known
        {
            return format!(
                "{reason}; the program before can't come back, because the database was migrated \
                 from version {known} to {now}: this one keeps trying, `windlass status` says how \
                 it goes"
            );
        }
        let control = self.role(RoleKind::Control);
        if control.is_own() && control.pid().is_some() {
            control.signal(Signal::SIGTERM);
            let next = Role::next(RoleKind::Control, self.settings.data_dir.clone());
            let leaving = std::mem::replace(self.role(RoleKind::Control), next);
            self.leaving.push(leaving);
            self.control_ready.send_replace(false);
        }
        let Before {
            file,
            version,
            mut record,
        } = before;
        record.gave_way = Some(reason.clone());
        let path = path_of(&file);
        let way = Way {
            path: &path,
            file: &file,
            client,
            version,
            record,
        };
        let tried = self.exec(way, signals, said).await;
        format!("{reason}; the program before can't come back: {tried}")
    }

    /// Waits for the end of a role that was killed.
    async fn gone(&mut self, kind: RoleKind) {
        let Some(pid) = self.role(kind).pid() else {
            return;
        };
        let until = std::time::Instant::now() + KILLED_LIMIT;
        while std::time::Instant::now() < until {
            if let Ok(WaitStatus::StillAlive) = waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
                tokio::time::sleep(KILLED_PAUSE).await;
                continue;
            }
            let next = Role::next(kind, self.settings.data_dir.clone());
            *self.role(kind) = next;
            return;
        }
    }

    /// Becomes another program. Returns only when that fails, with the reason; then all goes on
    /// as before.
    async fn exec(
        &mut self,
        way: Way<'_>,
        signals: &mut Signals,
        said: &mut mpsc::Receiver<RoleEvent>,
    ) -> String {
        match signals.hold_back().await {
            Ok(None) => {}
            Ok(Some(asked)) => {
                Box::pin(self.signalled(asked, said)).await;
                return "Windlass is ending".to_owned();
            }
            Err(error) => return error.to_string(),
        }
        for role in self.roles.iter_mut().chain(&mut self.leaving) {
            role.halt().await;
        }
        while let Ok(event) = said.try_recv() {
            self.heard(event).await;
        }
        let error = self.leave(&way);
        for role in self.roles.iter_mut().chain(&mut self.leaving) {
            if let Err(error) = role.listen_again(&self.events) {
                tracing::error!(%error, "a role is not heard any more");
            }
        }
        match Signals::let_through() {
            Ok(()) => error.to_string(),
            Err(also) => format!("{error}; and no signals come any more: {also}"),
        }
    }

    fn leave(&self, way: &Way<'_>) -> std::io::Error {
        let office = self.roles.iter().map(|role| (role, false));
        let leaving = self.leaving.iter().map(|role| (role, true));
        let all: Vec<(&Role, bool)> = office.chain(leaving).collect();
        let succession = Succession {
            version: way.version,
            arguments: self.arguments.clone(),
            roles: all
                .iter()
                .filter_map(|(role, is_leaving)| role.record(*is_leaving))
                .collect(),
            reload: way.record.clone(),
        };
        let stdin = std::io::stdin();
        let others = Others {
            lock: self.lock.as_fd(),
            program: way.file.as_fd(),
            client: way.client.fd(),
            stdin: stdin.as_fd(),
        };
        let links = all
            .iter()
            .filter_map(|(role, _)| Some((link_name(role.pid()?.as_raw()), role.link()?)));
        let sockets = self.sockets.for_successor();
        let sockets = sockets.into_iter().map(|(name, fd)| (name.to_owned(), fd));
        let descriptors: Vec<_> = sockets.chain(others.named()).chain(links).collect();
        become_next(way.path, &succession, &descriptors)
    }
}

/// How to become another program.
#[derive(Debug)]
struct Way<'a> {
    path: &'a Path,
    /// The file that the other one gets: of this program, or its own.
    file: &'a File,
    client: &'a Client,
    /// Version of the succession that the other one understands.
    version: u32,
    record: ReloadRecord,
}
