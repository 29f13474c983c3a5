//! What the run leaves on disk: its log, its state, its end.

use std::io;
use std::time::Duration;

use windlass_clock::thread::Instant;

use super::{LOG_HINT_PAUSE, RunLoop};
use crate::crash_point::crash_point;
use crate::log::{CELL, LogStream, LogWriter};
use crate::observation::{Exit, ExitReason, RunPhase};
use crate::protocol::FromShim;
use crate::spec::LaunchSpec;
use crate::state::{wall_ms, wall_us};

/// Reads after the end of a run, per output: what a pipe can hold is far less.
const MAX_LAST_READS: usize = 8;
/// Pause before the state is written again when that has failed.
const WRITE_PAUSE: Duration = Duration::from_secs(1);
/// Tries to record the end of a run; after them it counts as lost.
const MAX_LAST_WRITES: usize = 60;

impl RunLoop<'_> {
    /// Makes everything that has changed known: first on disk, then to the peers.
    pub(super) fn publish(&mut self) {
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
    pub(super) fn finish(mut self) -> io::Result<()> {
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
        crash_point!("shim-exit-before-note");
        for _ in 0..MAX_LAST_WRITES {
            self.publish();
            if !self.is_state_new {
                crash_point!("shim-exit-noted");
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
pub(in crate::shim) fn platform_line(log: &mut LogWriter, spec: &LaunchSpec, words: &str) {
    log.line(
        wall_us(),
        LogStream::Out,
        CELL,
        spec.instance_index,
        words.as_bytes(),
    );
}

/// Source types of the processes: the main one has that of the run.
pub(super) fn sources(spec: &LaunchSpec) -> Vec<String> {
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
