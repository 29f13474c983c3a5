//! The user's own command of a build.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::launch::{launch_command, launch_environment};
use super::lifecycle::{io, is_variable, read_small, say};
use super::result::{FailureId, LifecycleFailure};
use super::{StagingPlan, WorkDirectories, script};

/// Variables that one buildpack offers.
const VARIABLES: usize = 1000;

/// Runs the user's own command as a process of the application would run, with what the
/// buildpacks offer to each other: programs in `deps/<index>/bin`, variables in
/// `deps/<index>/env`.
pub(super) fn run(
    plan: &StagingPlan,
    directories: &WorkDirectories,
    buildpacks: usize,
) -> Result<(), LifecycleFailure> {
    let Some(line) = &plan.build_command else {
        return Ok(());
    };
    say(&format!("-----> Running the build command: {line}"));
    let launch = launch_command(directories, line);
    let mut path = Vec::new();
    let mut variables: Vec<_> = launch_environment(directories)
        .into_iter()
        .map(|(name, value)| (name, OsString::from(value)))
        .collect();
    for index in 0..buildpacks {
        let own = directories.deps.join(index.to_string());
        path.push(own.join("bin"));
        variables.extend(read_variables(&own.join("env"))?);
    }
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    path.extend(std::env::split_paths(&inherited));
    let path = std::env::join_paths(path).unwrap_or(inherited);
    variables.push(("PATH".to_owned(), path));
    script::run_command(Path::new(&launch.program), &launch.arguments, variables).map_err(
        |problem| {
            let message = format!("the build command {problem}");
            LifecycleFailure::new(FailureId::BuildpackCompileFailed, message)
        },
    )
}

/// They name directories of this run.
pub(super) fn forget_variables(directories: &WorkDirectories, buildpacks: usize) {
    for index in 0..buildpacks {
        let env = directories.deps.join(index.to_string()).join("env");
        let _ = fs::remove_dir_all(env);
    }
}

/// One file a variable.
fn read_variables(directory: &Path) -> Result<Vec<(String, OsString)>, LifecycleFailure> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Ok(Vec::new());
    };
    let mut variables = Vec::new();
    for entry in entries.take(VARIABLES) {
        let entry = entry.map_err(|error| io("list", directory, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(content) = read_small(&entry.path())?
            && is_variable(&name)
            && !content.contains(&0)
        {
            variables.push((name, OsString::from_vec(content)));
        }
    }
    Ok(variables)
}
