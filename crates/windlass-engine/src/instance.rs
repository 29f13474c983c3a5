//! Instances: numbered slots of a component of a revision, and what was observed of them.

use serde::{Deserialize, Serialize};

use crate::id::{ComponentName, InstanceId, PlanGeneration, RevisionId};
use crate::limits;
use crate::time::{Timestamp, Uptime};

/// One slot. Each start of it is a *run*; observations name both, so that a late one is harmless.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// Its number inside the app.
    pub id: InstanceId,
    /// What it runs.
    pub component: ComponentName,
    /// In which revision.
    pub revision: RevisionId,
    /// Index inside (revision, component): 0…n−1.
    pub index: u32,
    /// Number of its current start, from 1.
    pub run: u32,
    /// Where it stands.
    pub phase: InstancePhase,
    /// Crashes since it last ran for long.
    pub crashes: u32,
    /// How its last run ended.
    pub last_exit: Option<RunExit>,
    /// Wall time of the last change of phase, for display.
    pub since_wall: Timestamp,
}

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstancePhase {
    /// A run is wanted and not yet seen healthy.
    Starting,
    /// It is healthy.
    Running {
        /// Whether its readiness check lets it have traffic.
        routable: bool,
        /// Since when it is healthy.
        since: Uptime,
    },
    /// Its run ended by itself.
    Crashed {
        /// When it is started again; `None` = not any more.
        retry_at: Option<Uptime>,
    },
    /// Out of the route table of `generation` on, finishing its requests.
    Draining {
        /// First generation of the table that does not name it.
        generation: PlanGeneration,
        /// When it is stopped at the latest.
        until: Uptime,
        /// Whether it is started again afterwards (restart in place).
        restart: bool,
    },
    /// Its run is being ended.
    Stopping,
    /// Its run is being ended; another one follows (restart in place).
    Restarting,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// By itself.
    Exited,
    /// Killed for its memory.
    OutOfMemory,
    /// Killed for its disk.
    OutOfDisk,
    /// Never became healthy in time.
    StartTimeout,
    /// Ceased to be healthy.
    Liveness,
    /// Ran longer than it may.
    TimeLimit,
    /// Stopped on purpose.
    Stopped,
    /// Could not be started.
    LaunchFailed,
    /// Its shim is gone without a word, or the machine was rebooted.
    Lost,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunExit {
    /// Why.
    pub reason: ExitReason,
    /// Exit status, if it exited.
    pub code: Option<i32>,
    /// Signal, if one ended it.
    pub signal: Option<i32>,
    /// Words for people, if there are any.
    pub detail: Option<String>,
}

impl RunExit {
    /// An exit without status.
    pub fn new(reason: ExitReason) -> Self {
        Self {
            reason,
            code: None,
            signal: None,
            detail: None,
        }
    }

    /// Whether the run ended well.
    pub fn is_success(&self) -> bool {
        self.reason == ExitReason::Exited && self.code == Some(0) && self.signal.is_none()
    }

    /// The exit in words.
    pub fn describe(&self) -> String {
        let reason = match self.reason {
            ExitReason::Exited => match (self.code, self.signal) {
                (Some(code), _) => format!("Exited with status {code}"),
                (None, Some(signal)) => format!("Ended by signal {signal}"),
                (None, None) => "Exited".to_owned(),
            },
            ExitReason::OutOfMemory => "Exited with status 137 (out of memory)".to_owned(),
            ExitReason::OutOfDisk => "Disk quota exceeded".to_owned(),
            ExitReason::StartTimeout => "Failed to become healthy in time".to_owned(),
            ExitReason::Liveness => "Health check failed".to_owned(),
            ExitReason::TimeLimit => "Time limit exceeded".to_owned(),
            ExitReason::Stopped => "Stopped".to_owned(),
            ExitReason::LaunchFailed => "Could not be started".to_owned(),
            ExitReason::Lost => "Lost".to_owned(),
        };
        match &self.detail {
            Some(detail) => format!("{reason}: {detail}"),
            None => reason,
        }
    }
}

impl Instance {
    /// Whether it is healthy and may have traffic.
    pub fn is_routable(&self) -> bool {
        matches!(self.phase, InstancePhase::Running { routable: true, .. })
    }

    /// Whether it is on its way out for good (a restart in place keeps its slot).
    pub fn is_ending(&self) -> bool {
        matches!(
            self.phase,
            InstancePhase::Draining { restart: false, .. } | InstancePhase::Stopping
        )
    }

    /// Whether it was started and has not answered yet.
    pub fn is_starting(&self) -> bool {
        match self.phase {
            InstancePhase::Starting | InstancePhase::Restarting => true,
            InstancePhase::Running { routable, .. } => !routable,
            InstancePhase::Draining { restart, .. } => restart,
            InstancePhase::Crashed { .. } | InstancePhase::Stopping => false,
        }
    }

    /// Whether it crashed and waits.
    pub fn is_crashed(&self) -> bool {
        matches!(self.phase, InstancePhase::Crashed { .. })
    }
}

/// Milliseconds to wait before the restart after crash number `crashes` (from 1); `None` = no
/// restart any more.
pub fn crash_backoff_ms(crashes: u32) -> Option<u64> {
    if crashes > limits::CRASHES_MAX {
        return None;
    }
    if crashes <= limits::IMMEDIATE_RESTARTS {
        return Some(0);
    }
    let doublings = (crashes - limits::IMMEDIATE_RESTARTS - 1).min(16);
    Some((limits::CRASH_BACKOFF_MS << doublings).min(limits::CRASH_BACKOFF_MAX_MS))
}

#[cfg(test)]
mod tests {
    use super::crash_backoff_ms;

    #[test]
    fn back_off_follows_the_table() {
        let table = [
            (1, Some(0)),
            (3, Some(0)),
            (4, Some(30_000)),
            (5, Some(60_000)),
            (6, Some(120_000)),
            (9, Some(960_000)),
            (20, Some(960_000)),
            (200, Some(960_000)),
            (201, None),
        ];
        for (crashes, wanted) in table {
            assert_eq!(crash_backoff_ms(crashes), wanted, "after {crashes} crashes");
        }
    }
}
