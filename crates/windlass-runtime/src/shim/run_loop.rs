//! The life of a run, from the start of its processes until nothing of it is left.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::checks::{self, Event, EventSender, STACK_BYTES, Target};
use super::ending::{Ending, reap_all};
use super::init::{Init, Report};
use super::output::Output;
use super::peers::Peers;
use super::sampler::{MIB, Sampler, size_bytes};
use crate::cgroup::Groups;
use crate::log::{CELL, LogPosition, LogStream, LogWriter, RateLimit};
use crate::observation::{Exit, ExitReason, PortCheck, RunPhase, Usage};
use crate::procfs;
use crate::protocol::{FromShim, ToShim};
use crate::spec::{HealthKind, LaunchSpec, PROTOCOL};
use crate::state::{RunState, wall_ms, wall_us};

/// Events of the checking threads that may wait.
const MAX_EVENTS: usize = 16;
/// Shortest pause between two hints that the log has grown.
const LOG_HINT_PAUSE: Duration = Duration::from_millis(20);
/// Reads after the end of a run, per output: what a pipe can hold is far less.
const MAX_LAST_READS: usize = 8;
/// Pause before the state is written again when that has failed.
const WRITE_PAUSE: Duration = Duration::from_secs(1);
/// Tries to record the end of a run; after them it counts as lost.
const MAX_LAST_WRITES: usize = 60;

pub(super) struct RunLoop<'a> {
    spec: &'a LaunchSpec,
    run_dir: &'a Path,
    state: RunState,
    is_state_new: bool,
    write_at: Instant,
    log: LogWriter,
    log_hint: (LogPosition, Instant),
    rate: Option<RateLimit>,
    sources: Vec<String>,
    init: Init,
    is_init_alive: bool,
    groups: Option<Groups>,
    outputs: Vec<Output>,
    peers: Peers,
    signals: SignalFd,
    wake: Arc<EventFd>,
    events: Receiver<Event>,
    sender: EventSender,
    usage: Arc<Mutex<Usage>>,
    /// Pids of the processes as init sees them.
    spawned: Vec<u32>,
    live: usize,
    first_exit: Option<(usize, Option<i32>, Option<i32>)>,
    started: Option<Instant>,
    is_healthy: bool,
    is_ready: bool,
    ending: Option<Ending>,
    buffer: Vec<u8>,
}

impl<'a> RunLoop<'a> {
    pub(super) fn new(
        spec: &'a LaunchSpec,
        run_dir: &'a Path,
        state: RunState,
        log: LogWriter,
        mut init: Init,
        groups: Option<Groups>,
        listener: UnixListener,
    ) -> io::Result<Self> {
        let mut mask = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
            mask.add(signal);
        }
        mask.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&mask, flags)?;
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        let (events_end, events) = sync_channel(MAX_EVENTS);
        let pipes = std::mem::take(&mut init.outputs).into_iter().enumerate();
        let outputs = pipes.flat_map(|(index, (out, err))| {
            [
                Output::new(index, LogStream::Out, out),
                Output::new(index, LogStream::Err, err),
            ]
        });
        let now = Instant::now();
        Ok(Self {
            sources: sources(spec),
            rate: spec
                .limits
                .log_bytes_per_second
                .map(|rate| RateLimit::new(rate, now)),
            log_hint: (log.end(), now),
            outputs: outputs.collect(),
            peers: Peers::new(listener),
            sender: EventSender {
                events: events_end,
                wake: Arc::clone(&wake),
            },
            usage: Arc::default(),
            is_state_new: false,
            write_at: now,
            is_init_alive: true,
            spawned: Vec::new(),
            live: 0,
            first_exit: None,
            started: None,
            is_healthy: false,
            is_ready: matches!(spec.readiness.kind, HealthKind::Process),
            ending: None,
            buffer: Vec::new(),
            spec,
            run_dir,
            state,
            log,
            init,
            groups,
            signals,
            wake,
            events,
        })
    }

    /// Returns when nothing of the run is left and its end is on disk.
    pub(super) fn run(mut self) -> io::Result<()> {
        self.init.go()?;
        loop {
            self.wait()?;
            let is_childless = self.take_signals();
            self.take_reports();
            while let Ok(event) = self.events.try_recv() {
                self.take_event(event);
            }
            self.take_output();
            self.take_messages();
            let is_over = self.take_time(is_childless);
            if is_over {
                return self.finish();
            }
            self.publish();
        }
    }

    fn wait(&self) -> io::Result<()> {
        let mut fds = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.wake.as_fd(), PollFlags::POLLIN),
        ];
        if self.is_init_alive {
            fds.push(PollFd::new(self.init.channel.as_fd(), PollFlags::POLLIN));
        }
        fds.extend(
            self.outputs
                .iter()
                .map(|output| PollFd::new(output.as_fd(), PollFlags::POLLIN)),
        );
        fds.extend(self.peers.fds().map(|(fd, writes)| {
            let flags = if writes {
                PollFlags::POLLIN | PollFlags::POLLOUT
            } else {
                PollFlags::POLLIN
            };
            PollFd::new(fd, flags)
        }));
        let timeout = self.next_due().map_or(PollTimeout::NONE, |due| {
            let left = due.saturating_duration_since(Instant::now());
            // Round up: waking a moment too early would spin.
            PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::Error::EINTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let now = Instant::now();
        let time_limit = self.time_limit_at().filter(|_| self.ending.is_none());
        let announcement = self.rate.as_ref().and_then(|rate| rate.announce_at(now));
        let write = self.is_state_new.then_some(self.write_at);
        let hint = (self.log.end() != self.log_hint.0).then(|| self.log_hint.1 + LOG_HINT_PAUSE);
        let ending = self.ending.as_ref().map(Ending::due);
        [time_limit, announcement, write, hint, ending]
            .into_iter()
            .flatten()
            .min()
    }

    fn time_limit_at(&self) -> Option<Instant> {
        let limit = Duration::from_millis(self.spec.limits.time_limit_ms?);
        self.started?.checked_add(limit)
    }

    /// True if nothing descends from this process any more.
    fn take_signals(&mut self) -> bool {
        let _ = self.wake.read();
        while let Ok(Some(signal)) = self.signals.read_signal() {
            if signal.ssi_signo != Signal::SIGCHLD as u32 {
                self.stop(self.spec.grace_ms);
            }
        }
        let reaped = reap_all(&self.init);
        if reaped.init {
            // Its last words may still be in the channel.
            self.take_reports();
            self.is_init_alive = false;
            if self.ending.is_none() {
                self.end(ExitReason::Exited, "its init process was ended");
            }
        }
        reaped.is_childless
    }

    fn take_reports(&mut self) {
        while self.is_init_alive {
            match self.init.report() {
                Ok(Some(report)) => self.take_report(report),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn take_report(&mut self, report: Report) {
        match report {
            Report::Failed(text) => {
                let words = format!("could not be started: {text}");
                self.end(ExitReason::LaunchFailed(text), &words);
                // Nothing is there that could use a grace.
                self.ending.iter_mut().for_each(Ending::kill_now);
            }
            Report::Spawned { pid, .. } => {
                self.spawned.push(pid);
                self.live += 1;
                if self.spawned.len() == self.spec.processes.len() {
                    self.start();
                }
            }
            Report::Exited {
                index,
                code,
                signal,
            } => self.take_exit(index, code, signal),
        }
    }

    fn take_exit(&mut self, index: usize, code: Option<i32>, signal: Option<i32>) {
        self.live = self.live.saturating_sub(1);
        self.first_exit.get_or_insert((index, code, signal));
        if let Some(ending) = &mut self.ending {
            if self.live == 0 {
                ending.kill_now();
            }
            return;
        }
        let name = &self.spec.processes[index].name;
        let how = match (code, signal) {
            (Some(code), _) => format!("exited with status {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "ended".to_owned(),
        };
        let words = format!("process {name} {how}");
        let is_out_of_memory = self
            .groups
            .as_ref()
            .is_some_and(|groups| groups.out_of_memory_kills() > 0);
        let reason = if is_out_of_memory {
            ExitReason::OutOfMemory
        } else if code != Some(0) && self.is_disk_exceeded() {
            ExitReason::OutOfDisk
        } else {
            ExitReason::Exited
        };
        self.end(reason, &words);
    }

    /// A process that met the limit of a file's size often dies of it before the next measurement.
    fn is_disk_exceeded(&self) -> bool {
        self.spec.limits.disk_mb.is_some_and(|limit_mb| {
            let used: u64 = Sampler::dirs_of(self.spec)
                .iter()
                .map(|dir| size_bytes(dir))
                .sum();
            used > limit_mb * MIB
        })
    }

    /// All processes have been executed.
    fn start(&mut self) {
        if self.ending.is_some() {
            return;
        }
        let now = Instant::now();
        self.started = Some(now);
        self.state.started_at_ms = Some(wall_ms());
        let pids: Vec<u32> = self.spawned.iter().map(|pid| self.host_pid(*pid)).collect();
        self.state.main_pid = pids.first().copied();
        self.state.phase = RunPhase::Starting;
        self.is_state_new = true;
        let limited = self.spec.processes.iter().zip(&pids);
        let sampler = Sampler {
            limits: self.spec.limits,
            dirs: Sampler::dirs_of(self.spec),
            groups: self.groups.clone(),
            limited: limited
                .filter_map(|(process, pid)| Some((process.name.clone(), *pid, process.memory_mb?)))
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
                let (check, target) = (self.spec.health.clone(), self.target(port));
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

    fn host_pid(&self, pid: u32) -> u32 {
        if !self.spec.isolation.pidns {
            return pid;
        }
        let init = self.init.pid.as_raw().unsigned_abs();
        let children = procfs::all().into_iter().filter(|stat| stat.ppid == init);
        let found = children
            .map(|stat| stat.pid)
            .find(|host| procfs::innermost_pid(*host) == Some(pid));
        found.unwrap_or(pid)
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

    fn become_healthy(&mut self, port_check: PortCheck) {
        self.is_healthy = true;
        self.state.phase = RunPhase::Running;
        self.state.port_check = port_check;
        self.update_routable();
        if let (HealthKind::Port | HealthKind::Http { .. }, Some(port)) =
            (&self.spec.readiness.kind, self.spec.port)
        {
            let (check, target) = (self.spec.readiness.clone(), self.target(port));
            self.thread(move |events| checks::watch_readiness(&check, target, events));
        }
    }

    fn update_routable(&mut self) {
        self.state.routable = self.is_healthy && self.is_ready && self.ending.is_none();
        self.is_state_new = true;
    }

    fn take_event(&mut self, event: Event) {
        if self.ending.is_some() {
            return;
        }
        match event {
            Event::Healthy(port_check) => self.become_healthy(port_check),
            Event::StartTimeout(text) => {
                let limit_ms = self.spec.health.start_timeout_ms;
                let words = format!("did not become healthy within {limit_ms} ms: {text}");
                self.end(ExitReason::StartTimeout, &words);
            }
            Event::Unhealthy(text) => {
                self.end(ExitReason::Liveness, &format!("became unhealthy: {text}"));
            }
            Event::Ready(is_ready) => {
                self.is_ready = is_ready;
                let words = if is_ready { "is ready" } else { "is not ready" };
                platform_line(&mut self.log, self.spec, words);
                self.update_routable();
            }
            Event::OutOfMemory(text) => self.end(ExitReason::OutOfMemory, &text),
            Event::OutOfDisk(text) => self.end(ExitReason::OutOfDisk, &text),
        }
    }

    /// Ends the run at once.
    fn end(&mut self, reason: ExitReason, words: &str) {
        if self.ending.is_none() {
            platform_line(&mut self.log, self.spec, words);
            self.ending = Some(Ending::new(reason, Instant::now()));
            self.stopping();
        }
    }

    /// Ends the run with SIGTERM, and after the grace with SIGKILL. A later, shorter grace counts.
    fn stop(&mut self, grace_ms: u64) {
        self.end_gently(ExitReason::Stopped, grace_ms, "is being stopped");
    }

    fn end_gently(&mut self, reason: ExitReason, grace_ms: u64, words: &str) {
        let now = Instant::now();
        let kill_at = now
            .checked_add(Duration::from_millis(grace_ms))
            .unwrap_or(now);
        if let Some(ending) = &mut self.ending {
            ending.kill_at = ending.kill_at.min(kill_at);
            return;
        }
        platform_line(&mut self.log, self.spec, words);
        self.ending = Some(Ending::new(reason, kill_at));
        // If init is still starting processes, it obeys when they all have been started.
        self.init.terminate();
        self.stopping();
    }

    fn stopping(&mut self) {
        self.state.phase = RunPhase::Stopping;
        self.update_routable();
    }

    fn take_output(&mut self) {
        let now_us = wall_us();
        let now = Instant::now();
        let Self {
            outputs,
            buffer,
            log,
            rate,
            sources,
            spec,
            ..
        } = self;
        outputs.retain_mut(|output| {
            let (process, stream) = (output.process, output.stream);
            output.read(buffer, |line| {
                // One byte more: the line feed.
                if rate
                    .as_mut()
                    .is_none_or(|rate| rate.admit(line.len() + 1, now))
                {
                    log.line(now_us, stream, &sources[process], spec.instance_index, line);
                }
            })
        });
    }

    fn take_messages(&mut self) {
        let hello = || FromShim::Hello {
            protocol: PROTOCOL,
            state: Box::new(self.state.clone()),
        };
        for (peer, message) in self.peers.turn(&hello) {
            match message {
                ToShim::Stop { grace_ms } => self.stop(grace_ms),
                ToShim::Kill => self.stop(0),
                ToShim::Status => {
                    let state = Box::new(self.state.clone());
                    self.peers.send(peer, &FromShim::State { state });
                }
                ToShim::Usage { id } => {
                    let usage = *self.usage.lock().unwrap_or_else(PoisonError::into_inner);
                    self.peers.send(peer, &FromShim::Usage { id, usage });
                }
                ToShim::Hello { .. } | ToShim::Unknown => {}
            }
        }
    }

    /// Does what is due; true once the run is over.
    fn take_time(&mut self, is_childless: bool) -> bool {
        let now = Instant::now();
        if self.ending.is_none() && self.time_limit_at().is_some_and(|at| now >= at) {
            let limit_ms = self.spec.limits.time_limit_ms.unwrap_or_default();
            let words = format!("ran longer than its limit of {limit_ms} ms");
            self.end_gently(ExitReason::TimeLimit, self.spec.grace_ms, &words);
        }
        if let Some(text) = self
            .rate
            .as_mut()
            .and_then(|rate| rate.announcement(now, false))
        {
            platform_line(&mut self.log, self.spec, &text);
        }
        let Some(ending) = &mut self.ending else {
            return false;
        };
        if now < ending.kill_at {
            return false;
        }
        if is_childless {
            return true;
        }
        if now >= ending.due() {
            let has_namespace = self.spec.isolation.pidns;
            let is_user_exclusive = self.spec.uid_exclusive && self.spec.isolation.uid;
            ending.pass(
                &mut self.init,
                self.is_init_alive,
                self.groups.as_ref(),
                is_user_exclusive,
                has_namespace,
            );
        }
        false
    }

    /// Makes everything that has changed known: first on disk, then to the peers.
    fn publish(&mut self) {
        let now = Instant::now();
        self.log.flush();
        let lost = self.log.take_lost();
        if lost > 0 {
            platform_line(
                &mut self.log,
                self.spec,
                &format!("{lost} log lines could not be written"),
            );
        }
        if self.is_state_new && now >= self.write_at {
            self.state.log_end = self.log.end();
            if self.state.write(self.run_dir).is_ok() {
                self.is_state_new = false;
                let state = Box::new(self.state.clone());
                self.peers.broadcast(&FromShim::State { state });
            } else {
                // A full disk is no reason to end an app that runs. Nobody is told before.
                self.write_at = now + WRITE_PAUSE;
            }
        }
        let end = self.log.end();
        if end != self.log_hint.0 && now >= self.log_hint.1 + LOG_HINT_PAUSE {
            self.log_hint = (end, now);
            self.peers.broadcast(&FromShim::Log { end });
        }
    }

    /// Nothing of the run is left: collects its last words and records its end.
    fn finish(mut self) -> io::Result<()> {
        for _ in 0..MAX_LAST_READS {
            self.take_output();
        }
        for mut output in std::mem::take(&mut self.outputs) {
            let source = &self.sources[output.process];
            let (log, index, stream) = (&mut self.log, self.spec.instance_index, output.stream);
            output.finish(|line| log.line(wall_us(), stream, source, index, line));
        }
        let now = Instant::now();
        if let Some(text) = self
            .rate
            .as_mut()
            .and_then(|rate| rate.announcement(now, true))
        {
            platform_line(&mut self.log, self.spec, &text);
        }
        if let Some(groups) = &self.groups {
            groups.remove();
        }
        let reason = self
            .ending
            .take()
            .map_or(ExitReason::Exited, |ending| ending.reason);
        let (process, code, signal) = match self.first_exit {
            Some((index, code, signal)) => {
                (Some(self.spec.processes[index].name.clone()), code, signal)
            }
            None => (None, None, None),
        };
        self.state.exit = Some(Exit {
            code,
            signal,
            reason,
            process,
            at_ms: wall_ms(),
        });
        self.state.phase = RunPhase::Ended;
        self.state.routable = false;
        self.is_state_new = true;
        for _ in 0..MAX_LAST_WRITES {
            self.publish();
            if !self.is_state_new {
                return Ok(());
            }
            std::thread::sleep(WRITE_PAUSE);
        }
        Err(io::Error::other(
            "the end of the run could not be written to disk",
        ))
    }
}

/// A line by the platform in the log of the run.
pub(super) fn platform_line(log: &mut LogWriter, spec: &LaunchSpec, words: &str) {
    log.line(
        wall_us(),
        LogStream::Out,
        CELL,
        spec.instance_index,
        words.as_bytes(),
    );
}

/// Source types of the processes: the main one has that of the run.
fn sources(spec: &LaunchSpec) -> Vec<String> {
    let sidecar = |name: &str| {
        let name: String = name
            .chars()
            .map(|c| if c.is_whitespace() { '_' } else { c })
            .collect();
        format!("{}/SIDECAR/{}", spec.source_type, name.to_uppercase())
    };
    let names = spec.processes.iter().enumerate();
    names
        .map(|(index, process)| match index {
            0 => spec.source_type.clone(),
            _ => sidecar(&process.name),
        })
        .collect()
}
