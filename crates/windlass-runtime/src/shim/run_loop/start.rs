//! From the start of the processes to a healthy run.

use std::sync::Arc;

use windlass_clock::thread::Instant;

use super::RunLoop;
use crate::crash_point::crash_point;
use crate::observation::{ExitReason, PortCheck, RunPhase};
use crate::procfs;
use crate::shim::checks::{self, EventSender, STACK_BYTES, Target};
use crate::shim::sampler::Sampler;
use crate::spec::HealthKind;
use crate::state::wall_ms;

impl RunLoop<'_> {
    /// All processes have been executed.
    pub(super) fn start(&mut self) {
        if self.ending.is_some() {
            return;
        }
        crash_point!("shim-started");
        let now = Instant::now();
        self.started = Some(now);
        self.state.started_at_ms = Some(wall_ms());
        let pids: Vec<Option<u32>> = self.spawned.iter().map(|pid| self.host_pid(*pid)).collect();
        self.state.main_pid = pids.first().copied().flatten();
        self.state.phase = RunPhase::Starting;
        self.is_state_new = true;
        let limited = self.spec.processes.iter().zip(&pids);
        let sampler = Sampler {
            limits: self.spec.limits,
            dirs: Sampler::dirs_of(self.spec),
            groups: self.groups.clone(),
            limited: limited
                .filter_map(|(process, pid)| {
                    Some((process.name.clone(), (*pid)?, process.memory_mb?))
                })
                .collect(),
            usage: Arc::clone(&self.usage),
            started: now,
            events: self.sender.clone(),
            init_pid: self.init.pid.as_raw().unsigned_abs(),
        };
        self.thread(move |_| sampler.run());
        match (&self.spec.health.kind, self.spec.port) {
            (HealthKind::Process, _) | (_, None) => self.become_healthy(PortCheck::None),
            (HealthKind::Port | HealthKind::Http { .. }, Some(port)) => {
                let check = self.spec.health.clone();
                let target = self.target(check.patience.port.unwrap_or(port));
                self.thread(move |events| checks::watch_health(&check, target, events));
            }
        }
    }

    fn target(&self, port: u16) -> Target {
        Target {
            port,
            init_pid: self.init.pid.as_raw().unsigned_abs(),
        }
    }

    /// The number that the machine knows a process by; `None` when it has already ended.
    fn host_pid(&self, pid: u32) -> Option<u32> {
        if !self.spec.isolation.pidns {
            return Some(pid);
        }
        let init = self.init.pid.as_raw().unsigned_abs();
        let children = procfs::all().into_iter().filter(|stat| stat.ppid == init);
        children
            .map(|stat| stat.pid)
            .find(|host| procfs::innermost_pid(*host) == Some(pid))
    }

    fn thread(&mut self, work: impl FnOnce(&EventSender) + Send + 'static) {
        let sender = self.sender.clone();
        let made = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn(move || work(&sender));
        if let Err(error) = made {
            let text = format!("cannot make a thread for its checks: {error}");
            self.end(ExitReason::LaunchFailed(text.clone()), &text);
        }
    }

    pub(super) fn become_healthy(&mut self, port_check: PortCheck) {
        self.is_healthy = true;
        self.state.phase = RunPhase::Running;
        self.state.port_check = port_check;
        self.update_routable();
        if let (HealthKind::Port | HealthKind::Http { .. }, Some(port)) =
            (&self.spec.readiness.kind, self.spec.port)
        {
            let check = self.spec.readiness.clone();
            let target = self.target(check.patience.port.unwrap_or(port));
            self.thread(move |events| checks::watch_readiness(&check, target, events));
        }
    }
}
