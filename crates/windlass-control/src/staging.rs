//! Staging: from an uploaded package or a git repository to a droplet, by the classic buildpack
//! contract.
//!
//! Three parts, two of them in the server and one in the sandbox:
//! [`prepare`] lays out the directories of one run, [`stage_main`] runs there as the program of the
//! run and drives the buildpacks, [`collect`] packs what came out.
//! Whatever the run leaves behind is as hostile as an upload: [`collect`] reads it like one.
//! [`launch_command`] is the other end: how a process of a droplet is started.

mod assemble;
mod assemble_files;
mod build_command;
mod build_output;
mod buildpacks;
mod collect;
mod droplets;
mod launch;
mod lifecycle;
mod plan;
mod prepare;
mod procfile;
mod result;
mod script;
mod site;
mod stage;
mod yaml;

#[cfg(test)]
mod languages;
#[cfg(test)]
mod whole;

pub use assemble::{AssembleError, Package, PackageUpload, Resource, assemble_package};
pub use assemble_files::{FileContent, FilesError, SourceFile, SourceFiles, assemble_files};
pub use buildpacks::{BUILT_IN, BuildpackError, Buildpacks};
pub use collect::{CollectError, StagedDroplet, collect, fetched_commit};
pub use droplets::Droplets;
pub use launch::{LaunchCommand, launch_command, launch_environment};
pub use plan::{
    BuildOutputPlan, PlannedBuildpack, Selection, SitePlan, StagingPlan, WorkDirectories,
};
pub use prepare::{PrepareError, StagingRequest, StagingSource, prepare};
pub use procfile::{ProcfileError, parse_procfile};
pub use result::{
    FailureId, LifecycleFailure, Sidecar, StagedBuildpack, StagingEnd, StagingOutcome,
    StagingResult,
};
pub use stage::stage_main;

/// Characters of a process type's name.
pub const PROCESS_TYPE_CHARS: usize = 255;
/// Bytes of a command.
pub const COMMAND_BYTES: usize = 4096;
/// Process types of one droplet.
pub const PROCESS_TYPES: usize = 100;
/// Buildpacks of one staging.
pub const BUILDPACKS: usize = 16;
/// Bytes of a YAML file or answer of a buildpack, and of a Procfile.
pub const YAML_BYTES: u64 = 64 * 1024;

/// Whether a text can be the name of a process type.
pub fn is_process_type(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= PROCESS_TYPE_CHARS && name.chars().all(plain)
}

/// Whether a text can be a command: not empty, not too long, no NUL byte (which no program can be
/// given).
pub fn is_command(command: &str) -> bool {
    !command.trim().is_empty() && command.len() <= COMMAND_BYTES && !command.contains('\0')
}
