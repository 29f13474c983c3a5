//! The life of a run, from the start of its processes until nothing of it is left.

mod record;
mod start;

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use windlass_clock::thread::{Instant, look};

pub(super) use record::platform_line;
use record::sources;

use super::checks::{Event, EventSender};
use super::disk::size_bytes;
use super::ending::{Ending, reap_all};
use super::init::{Init, Report};
use super::output::Output;
use super::peers::Peers;
use super::sampler::{MIB, Sampler};
use crate::cgroup::Groups;
use crate::crash_point::crash_point;
use crate::log::{LogPosition, LogStream, LogWriter, RateLimit};
use crate::observation::{ExitReason, RunPhase, Usage};
use crate::protocol::{FromShim, ToShim};
use crate::spec::{HealthKind, LaunchSpec, PROTOCOL};
use crate::state::{RunState, wall_us};

/// Events of the checking threads that may wait.
const MAX_EVENTS: usize = 16;

/// Shortest pause between two hints that the log has grown.
const LOG_HINT_PAUSE: Duration = Duration::from_millis(20);

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
        crash_point!("shim-go-before");
        self.init.go()?;
        crash_point!("shim-go-sent");
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
            let left = look(due.saturating_duration_since(Instant::now()));
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
        crash_point!("shim-terminate-before");
        self.init.terminate();
        crash_point!("shim-terminate-sent");
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
}
