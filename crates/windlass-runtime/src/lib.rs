//! Runs *runs*: one start of an instance, a task, a build or a job, each under a shim process of
//! its own.
//!
//! What must hold:
//! - The control process may die at any moment. The shim goes on, what happened is on disk, and the
//!   next control adopts what runs.
//! - A run is launched at most once. A restart after a crash is a new run, decided elsewhere.
//! - When a run has ended, no process of it is left, whatever it did to hide.
//!
//! This crate knows nothing of deployments, dialects or SQL. Start from [`Driver`] (what control
//! asks for), [`LaunchSpec`] (one run) and [`Observation`] (what control is told).
//! [`ProcessDriver`] is the embedded driver; [`shim_main`] is the other side of it.

mod cgroup;
mod crash_point;
mod driver;
mod end_all;
mod fork;
mod isolation;
mod leftovers;
mod log;
#[cfg(test)]
mod neighbours;
mod observation;
mod ports;
mod process;
mod procfs;
mod program;
mod protocol;
mod shim;
mod spec;
mod state;
mod tree;

#[cfg(windlass_fail)]
pub use crash_point::CRASH_POINTS;
pub use driver::{BoxFuture, Driver, DriverError, EnsureRuns, StopRun};
pub use end_all::end_all_runs;
pub use isolation::{IsolationSet, Means, Probe, ShimCommand, probe};
pub use leftovers::{SweepReport, runs_of_other_protocols, sweep_leftovers};
pub use log::{LogAppender, LogLimits, LogPage, LogPosition, LogReader, LogRecord, LogStream};
pub use observation::{Exit, ExitReason, Observation, PortCheck, RunPhase, RunStatus, Usage};
pub use process::{LogHint, ProcessDriver, ProcessDriverSettings};
pub use program::program_path;
pub use shim::shim_main;
pub use spec::{
    Command, HealthCheck, HealthKind, LaunchSpec, Limits, OLDEST_PROTOCOL, PROTOCOL, Patience,
    ProcessSpec, ReadinessCheck, RunKind, SpecError,
};
pub use tree::{OrphanReport, end_tree, reap_and_end_orphans};
