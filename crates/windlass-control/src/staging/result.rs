//! What one staging run found out: written by the run, so not believed before it is checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BUILDPACKS, PROCESS_TYPES, is_command, is_process_type};

/// The outcome of a run. Version 1; a field more is no new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagingOutcome {
    /// Always 1.
    pub version: u32,
    /// The commit that was fetched, also when what followed failed.
    #[serde(default)]
    pub commit: Option<String>,
    /// The result, or why there is none.
    #[serde(flatten)]
    pub end: StagingEnd,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StagingEnd {
    /// There is a droplet.
    Staged(StagingResult),
    /// There is none.
    Failed(LifecycleFailure),
}

/// What is known of a staged application.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StagingResult {
    /// Commands by process type.
    pub process_types: BTreeMap<String, String>,
    /// Processes that run beside others.
    pub sidecars: Vec<Sidecar>,
    /// The buildpacks that took part, the final one last.
    pub buildpacks: Vec<StagedBuildpack>,
    /// What the final buildpack's detection printed; empty when it was named.
    pub detect_output: String,
    /// Opaque to everybody but the start of the process; empty here.
    pub execution_metadata: String,
}

/// A sidecar that a buildpack asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Its name.
    pub name: String,
    /// The process types that it runs beside.
    pub process_types: Vec<String>,
    /// Its command.
    pub command: String,
    /// Its share of the process's memory, in MiB.
    pub memory_mb: Option<u64>,
}

/// A buildpack that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedBuildpack {
    /// As the user (or the server) calls it.
    pub name: String,
    /// As it calls itself.
    pub buildpack_name: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// Why there is no droplet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{id} - {message}")]
pub struct LifecycleFailure {
    /// The kind.
    pub id: FailureId,
    /// What happened, for the user.
    pub message: String,
}

/// Kinds of failure, with the names that clients know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureId {
    /// No buildpack recognised the application.
    #[serde(rename = "NoAppDetectedError")]
    NoAppDetected,
    /// A buildpack failed in supply, finalize or compile.
    #[serde(rename = "BuildpackCompileFailed")]
    BuildpackCompileFailed,
    /// A buildpack's release failed or is not readable.
    #[serde(rename = "BuildpackReleaseFailed")]
    BuildpackReleaseFailed,
    /// The source says that there is nothing to build.
    #[serde(rename = "NothingToBuild")]
    NothingToBuild,
    /// Anything else.
    #[serde(rename = "StagingError")]
    StagingError,
}

impl FailureId {
    /// The name that clients know.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoAppDetected => "NoAppDetectedError",
            Self::BuildpackCompileFailed => "BuildpackCompileFailed",
            Self::BuildpackReleaseFailed => "BuildpackReleaseFailed",
            Self::NothingToBuild => "NothingToBuild",
            Self::StagingError => "StagingError",
        }
    }
}

impl fmt::Display for FailureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Characters of a name, version or detection output.
const LABEL_CHARS: usize = 255;
/// Characters of a failure's message.
const MESSAGE_CHARS: usize = 4096;

impl StagingResult {
    /// Checks what a run wrote: it may have been written by the application's own code.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let label = |text: &str| text.chars().count() <= LABEL_CHARS && !text.contains('\0');
        let optional = |text: &Option<String>| text.as_deref().is_none_or(label);
        if self.process_types.len() > PROCESS_TYPES || self.sidecars.len() > PROCESS_TYPES {
            return Err("too many process types or sidecars");
        }
        if !self
            .process_types
            .iter()
            .all(|(name, command)| is_process_type(name) && is_command(command))
        {
            return Err("a process type is not valid");
        }
        if !self.sidecars.iter().all(|sidecar| {
            label(&sidecar.name)
                && !sidecar.name.is_empty()
                && is_command(&sidecar.command)
                && sidecar.process_types.len() <= PROCESS_TYPES
                && sidecar
                    .process_types
                    .iter()
                    .all(|name| is_process_type(name))
        }) {
            return Err("a sidecar is not valid");
        }
        if self.buildpacks.len() > BUILDPACKS
            || !self.buildpacks.iter().all(|buildpack| {
                label(&buildpack.name)
                    && optional(&buildpack.buildpack_name)
                    && optional(&buildpack.version)
            })
        {
            return Err("a buildpack is not valid");
        }
        if !label(&self.detect_output) || !label(&self.execution_metadata) {
            return Err("the detection output is not valid");
        }
        Ok(())
    }
}

impl LifecycleFailure {
    pub(super) fn new(id: FailureId, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            id,
            message: message.chars().take(MESSAGE_CHARS).collect(),
        }
    }

    /// The exit status of the staging program: each kind has its own, as the platform's clients and
    /// operators know them.
    pub(super) fn exit_status(&self) -> u8 {
        match self.id {
            FailureId::NoAppDetected => 222,
            FailureId::BuildpackCompileFailed => 223,
            FailureId::BuildpackReleaseFailed => 224,
            FailureId::NothingToBuild | FailureId::StagingError => 1,
        }
    }

    pub(super) fn shortened(self) -> Self {
        Self::new(self.id, self.message)
    }
}
