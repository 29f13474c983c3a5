//! Why a command failed, and with which exit status.

use std::path::PathBuf;

use crate::ca::CaError;
use crate::handover::HandoverError;
use crate::key_file::KeyFileError;
use crate::restore::RestoreError;
use crate::settings::{EXIT_CONFIGURATION, SettingsError};
use crate::supervisor::SupervisorError;
use crate::supervisor::lock::LockError;

/// Why a command failed. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Settings can't be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The key can't be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// There are no certificates.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// Another supervisor runs.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The supervisor did not run.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
    /// A role got no sockets.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// A role refused to start, for ever.
    #[error("{0}")]
    Refused(String),
    /// Nothing runs on the data directory.
    #[error(
        "Windlass does not run on {data_dir}; start it with `windlass up --data-dir {data_dir}`"
    )]
    NotRunning {
        /// Which directory.
        data_dir: PathBuf,
    },
    /// A backup was not restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Control did not answer.
    #[error("control does not answer ({0}); `windlass status` shows whether it is starting")]
    NoAnswer(String),
    /// Control said no.
    #[error("{0}")]
    Rejected(String),
    /// Words of the command line contradict each other.
    #[error("{0}; see `windlass help`")]
    Usage(String),
    /// A file can't be read or written.
    #[error("failed to {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// Exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Key(_)
            | Self::Refused(_)
            | Self::Restore(RestoreError::Key(_)) => EXIT_CONFIGURATION,
            Self::Usage(_) => 2,
            Self::Restore(_)
            | Self::Ca(_)
            | Self::Lock(_)
            | Self::Supervisor(_)
            | Self::Handover(_)
            | Self::NotRunning { .. }
            | Self::NoAnswer(_)
            | Self::Rejected(_)
            | Self::File { .. }
            | Self::Failed(_) => 1,
        }
    }
}
