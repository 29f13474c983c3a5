//! What a run is: everything a shim must know to start it.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::isolation::IsolationSet;
use crate::log::LogLimits;

/// Version of the launch spec and of the socket protocol that this build speaks.
///
/// A shim and a control understand each other when their versions differ by at most one.
pub const PROTOCOL: u32 = 1;
/// Oldest version that this build understands: the one before its own.
pub const OLDEST_PROTOCOL: u32 = if PROTOCOL > 1 { PROTOCOL - 1 } else { 1 };

/// Whether two builds with these versions understand each other.
pub(crate) fn is_understood(protocol: u32) -> bool {
    protocol >= 1 && protocol.abs_diff(PROTOCOL) <= 1
}

/// Longest name of a run or an app, in bytes: they become directory names.
pub(crate) const MAX_NAME_BYTES: usize = 200;

/// One run: one start of an instance, a task, a build or a job.
///
/// It carries environment values and is therefore secret: it goes to the shim over a pipe and is
/// never written to disk. Its `Debug` form leaves the environment out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// [`PROTOCOL`] of the sender.
    pub protocol: u32,
    /// The app that the run belongs to.
    pub app: String,
    /// Name of the run, unique for ever; also the name of its directory.
    pub run: String,
    /// What the run is.
    pub kind: RunKind,
    /// Plan generation that asked for the run.
    pub generation: u64,
    /// Random identity of the run; the processes carry it in `WINDLASS_RUN_TOKEN`.
    pub token: String,
    /// Directory of the run: lock, state file, socket, `work/` (files of the app), `tmp/`.
    pub run_dir: PathBuf,
    /// Directory of the log files `0.log`, `1.log`, ….
    pub log_dir: PathBuf,
    /// The processes; the first is the main one, the others are sidecars. The exit of any one ends
    /// the run.
    pub processes: Vec<ProcessSpec>,
    /// Limits of the whole run.
    pub limits: Limits,
    /// Means of isolation to use. A means that is asked for and fails, fails the launch.
    pub isolation: IsolationSet,
    /// User id (and group id) of the processes; used with [`IsolationSet::uid`].
    pub uid: Option<u32>,
    /// True if no other run uses `uid`: then the end of the run ends every process of that user.
    #[serde(default)]
    pub uid_exclusive: bool,
    /// Further files and directories that the processes may read and execute.
    #[serde(default)]
    pub readable: Vec<PathBuf>,
    /// Further files and directories that the processes may read, execute and write.
    #[serde(default)]
    pub writable: Vec<PathBuf>,
    /// TCP port that the main process listens on.
    pub port: Option<u16>,
    /// When the run counts as healthy.
    pub health: HealthCheck,
    /// When a healthy run may get traffic.
    pub readiness: ReadinessCheck,
    /// Limits of the log files.
    pub log: LogLimits,
    /// Source type in the log, e.g. `APP/PROC/WEB`.
    pub source_type: String,
    /// Number of the instance, as the log names it.
    pub instance_index: u32,
    /// Number of the run: the last three digits of each log stamp. Runs of one app that run at the
    /// same time have different ones, so that no two lines have the same stamp; 0 is the
    /// platform's own.
    #[serde(default)]
    pub log_number: u32,
    /// Time between SIGTERM and SIGKILL when nobody names another one, in milliseconds.
    pub grace_ms: u64,
}

/// What a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// A long-running instance of a component.
    Instance,
    /// A one-off task.
    Task,
    /// A build.
    Build,
    /// A job of a release.
    Job,
}

/// One process of a run.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// Name, for the log and the exit record.
    pub name: String,
    /// What to execute.
    pub command: Command,
    /// The whole environment; nothing is inherited. The shim adds `TMPDIR` (if absent) and
    /// `WINDLASS_RUN_TOKEN`.
    pub env: BTreeMap<String, String>,
    /// Working directory relative to `work/`; empty for `work/` itself.
    #[serde(default)]
    pub working_dir: PathBuf,
    /// Memory limit of this process and its children in MiB, inside the limit of the run. It is
    /// sampled.
    #[serde(default)]
    pub memory_mb: Option<u64>,
}

impl std::fmt::Debug for ProcessSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProcessSpec")
            .field("name", &self.name)
            .field("command", &self.command)
            .field("env", &format_args!("{} variables", self.env.len()))
            .field("working_dir", &self.working_dir)
            .field("memory_mb", &self.memory_mb)
            .finish()
    }
}

/// What a process executes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A line for `/bin/sh -c` (or `/bin/bash -c` where there is one).
    Shell(String),
    /// A program (looked up in the `PATH` of the process) and its arguments.
    Argv(Vec<String>),
}

/// Limits of a run. `None` means unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all processes together, in MiB.
    pub memory_mb: Option<u64>,
    /// Size of `work/` and `tmp/` together, in MiB. Sampled; a single file cannot grow 1 MiB beyond it.
    pub disk_mb: Option<u64>,
    /// Number of processes and threads. Needs a pids cgroup or an exclusive uid.
    pub pids: Option<u64>,
    /// Output that is written to the log, in bytes per second (burst: one second's worth).
    pub log_bytes_per_second: Option<u64>,
    /// Longest time from the start to the end, in milliseconds.
    pub time_limit_ms: Option<u64>,
}

/// When a run counts as healthy, and when it no longer does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is asked.
    pub kind: HealthKind,
    /// Time to become healthy, in milliseconds; then the run has crashed.
    pub start_timeout_ms: u64,
    /// Limit of one check, in milliseconds.
    pub invocation_timeout_ms: u64,
    /// Pause between checks once healthy, in milliseconds. A failed one is a crash.
    pub interval_ms: u64,
    /// When checks begin and how many decide.
    #[serde(default)]
    pub patience: Patience,
}

/// When checks begin, and how many in a row decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// Time before the first check, in milliseconds.
    pub initial_delay_ms: u64,
    /// Checks in a row that must pass; at least 1.
    pub successes: u32,
    /// Checks in a row that must fail; at least 1.
    pub failures: u32,
    /// Port that is asked; `None` = that of the run.
    pub port: Option<u16>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            initial_delay_ms: 0,
            successes: 1,
            failures: 1,
            port: None,
        }
    }
}

/// When a healthy run may get traffic. A failure takes it out of the routes and ends nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessCheck {
    /// What is asked; [`HealthKind::Process`] is always ready.
    pub kind: HealthKind,
    /// Limit of one check, in milliseconds.
    pub invocation_timeout_ms: u64,
    /// Pause between checks, in milliseconds.
    pub interval_ms: u64,
    /// When checks begin and how many decide.
    #[serde(default)]
    pub patience: Patience,
}

/// What a check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum HealthKind {
    /// The processes run.
    Process,
    /// The port accepts connections, and its listening socket belongs to the run.
    Port,
    /// The path answers well on the port, whose listening socket belongs to the run.
    Http {
        /// Path and query of the request.
        path: String,
        /// Whether every status from 200 to 399 is well, not 200 alone.
        #[serde(default)]
        takes_redirects: bool,
    },
}

impl HealthCheck {
    /// Healthy as soon as the processes run.
    pub fn process() -> Self {
        Self {
            kind: HealthKind::Process,
            start_timeout_ms: 60_000,
            invocation_timeout_ms: 1_000,
            interval_ms: 30_000,
            patience: Patience::default(),
        }
    }
}

impl ReadinessCheck {
    /// Ready as soon as healthy.
    pub fn always() -> Self {
        Self {
            kind: HealthKind::Process,
            invocation_timeout_ms: 1_000,
            interval_ms: 30_000,
            patience: Patience::default(),
        }
    }
}

/// Why a launch spec is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// The two programs are too far apart.
    #[error("launch spec has protocol {0}, this program speaks {PROTOCOL}: reload the server")]
    Protocol(u32),
    /// A name cannot be a directory name.
    #[error("{field} {value:?} is not a plain name of 1 to {MAX_NAME_BYTES} bytes")]
    Name {
        /// Field of the spec.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// A path is relative, or leaves its directory.
    #[error("{field} {path:?} must be {must}")]
    Path {
        /// Field of the spec.
        field: &'static str,
        /// Its value.
        path: PathBuf,
        /// What it must be.
        must: &'static str,
    },
    /// There is nothing to run.
    #[error("the spec names no process to start, give at least one with a command")]
    NoProcess,
    /// A value cannot be handed to a process.
    #[error("process {process}: {what} contains a NUL byte, remove it")]
    Nul {
        /// Name of the process.
        process: String,
        /// The offending part.
        what: &'static str,
    },
    /// A check or the user isolation lacks what it needs.
    #[error("{0}")]
    Incomplete(&'static str),
}

impl LaunchSpec {
    /// Checks everything that can be checked without touching the machine.
    pub fn validate(&self) -> Result<(), SpecError> {
        if !is_understood(self.protocol) {
            return Err(SpecError::Protocol(self.protocol));
        }
        for (field, value) in [("app", &self.app), ("run", &self.run)] {
            if !is_plain_name(value) {
                return Err(SpecError::Name {
                    field,
                    value: value.clone(),
                });
            }
        }
        for (field, path) in [("run_dir", &self.run_dir), ("log_dir", &self.log_dir)] {
            if !path.is_absolute() {
                return Err(SpecError::Path {
                    field,
                    path: path.clone(),
                    must: "absolute",
                });
            }
        }
        for path in self.readable.iter().chain(&self.writable) {
            if !path.is_absolute() {
                let field = "readable or writable path";
                return Err(SpecError::Path {
                    field,
                    path: path.clone(),
                    must: "absolute",
                });
            }
        }
        if self.processes.is_empty() {
            return Err(SpecError::NoProcess);
        }
        self.processes.iter().try_for_each(ProcessSpec::validate)?;
        if self.token.is_empty() {
            return Err(SpecError::Incomplete(
                "the run has no token, give it a random one",
            ));
        }
        let needs_port = |kind: &HealthKind| !matches!(kind, HealthKind::Process);
        if self.port.is_none()
            && (needs_port(&self.health.kind) || needs_port(&self.readiness.kind))
        {
            return Err(SpecError::Incomplete(
                "a port or http check needs a port, give one",
            ));
        }
        Ok(())
    }
}

impl ProcessSpec {
    fn validate(&self) -> Result<(), SpecError> {
        let nul = |what| SpecError::Nul {
            process: self.name.clone(),
            what,
        };
        match &self.command {
            Command::Shell(line) if line.contains('\0') => return Err(nul("the command")),
            Command::Argv(argv) if argv.is_empty() => return Err(SpecError::NoProcess),
            Command::Argv(argv) if argv.iter().any(|word| word.contains('\0')) => {
                return Err(nul("the command"));
            }
            Command::Shell(_) | Command::Argv(_) => {}
        }
        if self
            .env
            .iter()
            .any(|(name, value)| name.contains('\0') || value.contains('\0'))
        {
            return Err(nul("the environment"));
        }
        if !stays_inside(&self.working_dir) {
            return Err(SpecError::Path {
                field: "working_dir",
                path: self.working_dir.clone(),
                must: "relative and free of `..`",
            });
        }
        Ok(())
    }
}

/// True for a name that is one ordinary path component.
pub(crate) fn is_plain_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn stays_inside(path: &Path) -> bool {
    path.components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for bad in ["", ".", "..", "a/b", ".hidden", "a\0", "ä"] {
            assert!(!is_plain_name(bad), "{bad:?} must be refused");
        }
        assert!(is_plain_name("0198c1f2-web.3_1"));
        assert!(!stays_inside(Path::new("../x")) && !stays_inside(Path::new("/x")));
        assert!(stays_inside(Path::new("")) && stays_inside(Path::new("deps/0")));
    }

    #[test]
    fn debug_form_hides_the_environment() {
        let process = ProcessSpec {
            name: "web".into(),
            command: Command::Argv(vec!["true".into()]),
            env: BTreeMap::from([("PASSWORD".into(), "hunter2".into())]),
            working_dir: PathBuf::new(),
            memory_mb: None,
        };
        let shown = format!("{process:?}");
        assert!(
            !shown.contains("hunter2") && !shown.contains("PASSWORD"),
            "{shown}"
        );
    }
}
