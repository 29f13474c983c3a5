//! One task per living run: launches its shim, listens to it, passes on what it is asked.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::adoption::{Conclusion, conclude};
use super::connection::{Connection, Messages, send};
use super::{Inner, LogHint, launch};
use crate::crash_point::crash_point;
use crate::observation::{Exit, ExitReason, RunPhase, RunStatus, Usage};
use crate::protocol::{FromShim, ToShim};
use crate::spec::LaunchSpec;
use crate::state::{RunState, try_lock, wall_ms};
use crate::{procfs, tree};

/// First pause between two tries to reach a shim. It grows with the time that has passed, by
/// [`PAUSE_PART`]: a shim that has come up is reached at most an eighth too late.
const MIN_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause between two tries to reach a shim.
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// The part of the time waited so far that the next pause takes: one in so many.
const PAUSE_PART: u32 = 8;
/// Launches of one run that find its lock taken by somebody who only looks.
const MAX_LAUNCHES: u32 = 10;
/// How much longer than the grace a shim may take to end a run before it is ended itself.
const STOP_MARGIN: Duration = Duration::from_secs(15);
/// How long a message may take to be written to a shim.
const SEND_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Actor {
    inner: Arc<Inner>,
    run: String,
    run_dir: PathBuf,
    /// `None` for an adopted run.
    spec: Option<LaunchSpec>,
    stop: watch::Receiver<Option<u64>>,
    questions: mpsc::Receiver<oneshot::Sender<Usage>>,
    /// Usage questions on their way, by id.
    waiting: BTreeMap<u64, oneshot::Sender<Usage>>,
    next_question: u64,
    /// When a shim that does not end its run is ended.
    force_at: Option<Instant>,
    /// Whether its shim was found not to understand us.
    is_strange: bool,
}

impl Actor {
    pub(super) fn new(
        inner: Arc<Inner>,
        run: String,
        spec: Option<LaunchSpec>,
        stop: watch::Receiver<Option<u64>>,
        questions: mpsc::Receiver<oneshot::Sender<Usage>>,
    ) -> Self {
        let run_dir = inner.run_dir(&run);
        let waiting = BTreeMap::new();
        Self {
            inner,
            run,
            run_dir,
            spec,
            stop,
            questions,
            waiting,
            next_question: 0,
            force_at: None,
            is_strange: false,
        }
    }

    /// Returns when the run is over and that has been told.
    pub(super) async fn run(mut self) {
        let mut launches = 0;
        let mut failure = self.launch().await.err();
        let mut away_since = Instant::now();
        loop {
            match Connection::open(&self.run_dir).await {
                Ok(connection) => {
                    self.listen(connection).await;
                    away_since = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    if !std::mem::replace(&mut self.is_strange, true) {
                        tracing::error!(run = self.run, %error, "run can't be spoken to");
                    }
                }
                // Its file says how it stands.
                Err(_) => {}
            }
            self.expect_end_if_asked();
            match self.conclude().await {
                Ok(Conclusion::Over(state)) => {
                    crash_point!("driver-exit-noted");
                    return self.inner.take(state.status());
                }
                Ok(Conclusion::Absent) if self.spec.is_none() => {
                    // The directory of an adopted run was removed under our feet.
                    let status = self
                        .inner
                        .runs()
                        .get(&self.run)
                        .map(|entry| entry.status.clone());
                    if let Some(status) = status {
                        self.inner.take(RunStatus {
                            phase: RunPhase::Lost,
                            ..status
                        });
                    }
                    return;
                }
                Ok(Conclusion::Absent) => {
                    // A shim may have died after it had noted the run: then that is not absent but
                    // lost, once what it has left is gone. Only what was never noted has failed.
                    if let Some(text) = failure.take() {
                        return self.launch_failed(text).await;
                    }
                    launches += 1;
                    let launched = match launches {
                        ..MAX_LAUNCHES => self.launch().await,
                        _ => Err("its lock is always taken, but no shim answers".to_owned()),
                    };
                    failure = launched.err();
                    if failure.is_some() {
                        continue;
                    }
                }
                Ok(Conclusion::Alive) => {}
                Err(error) => {
                    tracing::error!(run = self.run, %error, "run cannot be looked at, trying again");
                    // A full disk, say: whoever waits for the run must hear of it.
                    if let Some(text) = failure.take() {
                        return self.launch_failed(text).await;
                    }
                }
            }
            sleep((away_since.elapsed() / PAUSE_PART).clamp(MIN_PAUSE, MAX_PAUSE)).await;
            self.force_if_due().await;
        }
    }

    async fn launch(&self) -> Result<(), String> {
        match &self.spec {
            Some(spec) => launch::launch(&self.inner.settings.shim, spec).await,
            None => Ok(()),
        }
    }

    async fn conclude(&self) -> io::Result<Conclusion> {
        let run_dir = self.run_dir.clone();
        let concluded = tokio::task::spawn_blocking(move || conclude(&run_dir)).await;
        match concluded.map_err(io::Error::other)?? {
            // The directory of an adopted run was removed under our feet.
            Conclusion::Absent if self.spec.is_none() => {
                let mut status = self
                    .inner
                    .runs()
                    .get(&self.run)
                    .map(|entry| entry.status.clone());
                if let Some(status) = &mut status {
                    status.phase = RunPhase::Lost;
                    self.inner.take(status.clone());
                }
                Err(io::Error::other("its directory is gone"))
            }
            concluded => Ok(concluded),
        }
    }

    /// The end is recorded like any other, so that the run is never launched again.
    async fn launch_failed(&self, text: String) {
        let Some(spec) = &self.spec else { return };
        let mut state = RunState::launching(spec);
        state.phase = RunPhase::Ended;
        let reason = ExitReason::LaunchFailed(text);
        let exit = Exit {
            code: None,
            signal: None,
            reason,
            process: None,
            at_ms: wall_ms(),
        };
        state.exit = Some(exit);
        let (run_dir, written) = (self.run_dir.clone(), state.clone());
        let record = tokio::task::spawn_blocking(move || match try_lock(&run_dir)? {
            Some(_lock) => written.write(&run_dir),
            None => Err(io::Error::other("its lock is taken")),
        });
        if let Err(error) = record.await.map_err(io::Error::other).and_then(|done| done) {
            tracing::error!(run = self.run, %error, "failed launch could not be recorded");
        }
        self.inner.take(state.status());
    }

    /// Passes messages until the connection ends.
    async fn listen(&mut self, connection: Connection) {
        let Connection {
            mut reader,
            mut writer,
            state,
        } = connection;
        self.inner.take_living(&state);
        // A stop that was asked for earlier, perhaps on an earlier connection.
        self.stop.mark_changed();
        loop {
            let force_at = self.force_at;
            let sent = tokio::select! {
                message = reader.next() => match message {
                    Ok(message) => {
                        self.take_message(message);
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                changed = self.stop.changed() => {
                    if changed.is_err() {
                        // Forgotten; the run is over.
                        return;
                    }
                    let grace_ms = *self.stop.borrow_and_update();
                    match grace_ms {
                        Some(grace_ms) => {
                            self.expect_end(grace_ms);
                            crash_point!("driver-stop-before-send");
                            let sent = limited(send(&mut writer, &ToShim::Stop { grace_ms })).await;
                            crash_point!("driver-stop-sent");
                            sent
                        }
                        None => Ok(()),
                    }
                }
                Some(answer) = self.questions.recv() => {
                    let id = self.next_question;
                    self.next_question += 1;
                    self.waiting.retain(|_, waiting| !waiting.is_closed());
                    self.waiting.insert(id, answer);
                    limited(send(&mut writer, &ToShim::Usage { id })).await
                }
                () = sleep_until(force_at.unwrap_or_else(Instant::now)), if force_at.is_some() => {
                    self.force_if_due().await;
                    Ok(())
                }
            };
            if sent.is_err() {
                // What the shim has said before it left is still worth hearing.
                return self.drain(&mut reader).await;
            }
        }
    }

    async fn drain(&mut self, reader: &mut Messages) {
        while let Ok(Ok(message)) = timeout(SEND_LIMIT, reader.next()).await {
            self.take_message(message);
        }
    }

    fn take_message(&mut self, message: FromShim) {
        match message {
            FromShim::Hello { state, .. } | FromShim::State { state } => {
                self.inner.take_living(&state);
            }
            FromShim::Usage { id, usage } => {
                if let Some(answer) = self.waiting.remove(&id) {
                    // Who asked may have given up.
                    let _ = answer.send(usage);
                }
            }
            FromShim::Log { end } => {
                // Nobody needs to listen.
                let _ = self.inner.log_hints.send(LogHint {
                    run: self.run.clone(),
                    end,
                });
            }
            FromShim::Unknown => {}
        }
    }

    /// A stop that no shim has heard counts all the same: one that does not understand us, or that
    /// hung before its first word, is ended when it was due.
    fn expect_end_if_asked(&mut self) {
        let grace_ms = *self.stop.borrow();
        if let (Some(grace_ms), None) = (grace_ms, self.force_at) {
            self.expect_end(grace_ms);
        }
    }

    fn expect_end(&mut self, grace_ms: u64) {
        let at = Instant::now() + Duration::from_millis(grace_ms) + STOP_MARGIN;
        self.force_at = Some(self.force_at.map_or(at, |before| before.min(at)));
    }

    /// Ends a shim that does not do its work (an app of the same user may have stopped it). Its
    /// init process or the sweep then ends the tree.
    async fn force_if_due(&mut self) {
        if self.force_at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.force_at = Some(Instant::now() + STOP_MARGIN);
        let (run, run_dir) = (self.run.clone(), self.run_dir.clone());
        let forced = tokio::task::spawn_blocking(move || {
            let Ok(Some(state)) = RunState::read(&run_dir) else {
                return;
            };
            let is_same = procfs::stat(state.shim_pid)
                .is_some_and(|stat| stat.start_ticks == state.shim_start_ticks);
            if let (true, Some(pid)) = (is_same && !state.is_over(), tree::raw(state.shim_pid)) {
                tracing::error!(run, "shim does not end its run, ending the shim");
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        let _ = forced.await;
    }
}

impl Inner {
    /// The end of a run is taken from its file, once its shim has let go of it.
    fn take_living(self: &Arc<Self>, state: &RunState) {
        if !state.is_over() {
            self.take(state.status());
        }
    }
}

async fn limited(sending: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(SEND_LIMIT, sending)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
