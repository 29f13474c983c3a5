//! The narrow interface by which control runs things.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;

use crate::observation::{Exit, RunStatus, Usage};
use crate::spec::{LaunchSpec, SpecError};

/// A boxed future, so that [`Driver`] is object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that runs runs.
///
/// It reports on the bounded channel that its constructor was given. Everything in here is
/// level-triggered and idempotent: asking twice is asking once.
pub trait Driver: Send + Sync {
    /// Makes `desired` true of one app: starts what is not running yet, stops what is to stop and
    /// every other run of the app that `desired` does not name.
    ///
    /// It returns when everything has been asked for; the results are observations. A run that
    /// cannot be launched is observed as [`crate::Observation::Exited`] with the reason
    /// [`crate::ExitReason::LaunchFailed`], a stop of an unknown run as
    /// [`crate::Observation::Lost`].
    ///
    /// # Errors
    /// [`DriverError::StaleGeneration`] if a newer generation has been seen for the app: nothing
    /// was done.
    fn ensure(&self, desired: EnsureRuns) -> BoxFuture<'_, Result<(), DriverError>>;

    /// Lists every run that is known, ended ones included until they are forgotten.
    fn observe(&self) -> BoxFuture<'_, Vec<RunStatus>>;

    /// As [`Self::observe`], the runs of one app: its cost does not grow with the other apps.
    fn observe_app<'a>(&'a self, app: &'a str) -> BoxFuture<'a, Vec<RunStatus>>;

    /// Sends the present state of every run as observations again.
    fn resync(&self) -> BoxFuture<'_, ()>;

    /// What a run uses now; `None` if it does not run.
    fn usage<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Usage>>;

    /// Reads from disk how a run ended: newer than any observation, for decisions that must not
    /// miss an exit that has already happened.
    fn exit_on_disk<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Option<Exit>>;

    /// Removes the directory of an ended run. Its log files stay. Unknown runs are fine.
    ///
    /// # Errors
    /// [`DriverError::StillRuns`] if it has not ended.
    fn forget<'a>(&'a self, run: &'a str) -> BoxFuture<'a, Result<(), DriverError>>;
}

/// What one app should run.
#[derive(Debug, Clone, Default)]
pub struct EnsureRuns {
    /// The app.
    pub app: String,
    /// Plan generation of this wish.
    pub generation: u64,
    /// Runs that should run; those that do (or did) are left alone.
    pub start: Vec<LaunchSpec>,
    /// Runs that should go on as they are.
    pub keep: BTreeSet<String>,
    /// Runs that should end.
    pub stop: Vec<StopRun>,
}

/// One run that should end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRun {
    /// Name of the run.
    pub run: String,
    /// Time between SIGTERM and SIGKILL, in milliseconds. A later, shorter one counts.
    pub grace_ms: u64,
}

/// Why a driver did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// Somebody with a newer plan was here first.
    #[error("generation {asked} of app {app} is older than {seen}, plan again")]
    StaleGeneration {
        /// The app.
        app: String,
        /// Generation of the refused wish.
        asked: u64,
        /// Newest generation seen.
        seen: u64,
    },
    /// A launch spec is wrong.
    #[error("run {run}: {source}")]
    Spec {
        /// Name of the run.
        run: String,
        /// What is wrong.
        source: SpecError,
    },
    /// A run belongs to another app, or has a directory of somebody else.
    #[error("run {run} does not belong to app {app}")]
    ForeignRun {
        /// Name of the run.
        run: String,
        /// The app of the wish.
        app: String,
    },
    /// The run has not ended.
    #[error("run {0} still runs, stop it first")]
    StillRuns(String),
    /// The machine refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}
