//! What control is told about runs.

use serde::{Deserialize, Serialize};

use crate::spec::RunKind;

/// Something that happened to a run.
///
/// Observations are hints: they may be dropped or repeated, the state file of the run is the truth
/// and is read again by a resync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The processes of the run have been executed.
    Started {
        /// Name of the run.
        run: String,
        /// Process id of the main process, for display; `None` when it had ended before it was
        /// looked for.
        pid: Option<u32>,
        /// When, in milliseconds since the epoch.
        at_ms: u64,
    },
    /// The run became (or stopped being) fit for traffic: healthy and ready.
    Routable {
        /// Name of the run.
        run: String,
        /// The new value.
        routable: bool,
    },
    /// The run has ended, and nothing of it is left.
    Exited {
        /// Name of the run.
        run: String,
        /// How it ended.
        exit: Exit,
    },
    /// The run is gone without a record of its end (its shim was killed, or the machine was
    /// restarted), or never was. Nothing of it is left.
    Lost {
        /// Name of the run.
        run: String,
    },
}

impl Observation {
    /// Name of the run that this is about.
    pub fn run(&self) -> &str {
        match self {
            Self::Started { run, .. }
            | Self::Routable { run, .. }
            | Self::Exited { run, .. }
            | Self::Lost { run } => run,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code of the process that ended the run, if it exited.
    pub code: Option<i32>,
    /// Signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Why the run ended.
    pub reason: ExitReason,
    /// Name of the process that ended first, if one ended by itself.
    pub process: Option<String>,
    /// When nothing of the run was left, in milliseconds since the epoch.
    pub at_ms: u64,
}

impl Exit {
    /// True if the run did what it was to do: exit code 0 by itself.
    pub fn is_success(&self) -> bool {
        self.reason == ExitReason::Exited && self.code == Some(0)
    }
}

/// Why a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// A process of it exited or was killed by a signal of others.
    Exited,
    /// It used more memory than its limit.
    OutOfMemory,
    /// It used more disk than its limit.
    OutOfDisk,
    /// It did not become healthy in time.
    StartTimeout,
    /// Its health check failed after it had been healthy.
    Liveness,
    /// It ran longer than its time limit.
    TimeLimit,
    /// It was asked to stop.
    Stopped,
    /// It could not be started; the text says why.
    LaunchFailed(String),
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunPhase {
    /// The shim prepares it; no process of the app has been executed.
    Launching,
    /// The processes run; the health check has not passed yet.
    Starting,
    /// The health check has passed.
    Running,
    /// It is being ended.
    Stopping,
    /// It has ended; the exit is known.
    Ended,
    /// It is gone without a record of its end.
    Lost,
}

/// What is known about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStatus {
    /// The app that it belongs to.
    pub app: String,
    /// Name of the run.
    pub run: String,
    /// What it is.
    pub kind: RunKind,
    /// Plan generation that asked for it.
    pub generation: u64,
    /// Where it stands.
    pub phase: RunPhase,
    /// True while it is healthy and ready.
    pub routable: bool,
    /// Process id of the main process, for display.
    pub pid: Option<u32>,
    /// When its processes were executed, in milliseconds since the epoch.
    pub started_at_ms: Option<u64>,
    /// Its port.
    pub port: Option<u16>,
    /// How its port was checked.
    pub port_check: PortCheck,
    /// Last three digits of its log stamps.
    pub log_number: u32,
    /// How it ended, in phase [`RunPhase::Ended`].
    pub exit: Option<Exit>,
}

/// How the shim made sure of a port.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortCheck {
    /// Not checked (yet).
    #[default]
    None,
    /// The listening socket was found among those of the run's processes.
    Owned,
    /// The kernel hides who listens; somebody accepted a connection.
    Connect,
}

/// What a run uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Share of one core since the last sample: 1.0 is one core.
    pub cpu: f64,
    /// Memory of all its processes, in bytes.
    pub memory_bytes: u64,
    /// Size of `work/` and `tmp/`, in bytes.
    pub disk_bytes: u64,
    /// Time since its processes were executed, in milliseconds.
    pub uptime_ms: u64,
    /// Number of its processes.
    pub processes: u64,
}
