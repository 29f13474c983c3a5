//! Commands of a build: is there anything to build, install, build.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde::Deserialize;

use super::project::Project;
use super::{failed, files};
use crate::staging::WorkDirectories;
use crate::staging::lifecycle::say;
use crate::staging::result::{FailureId, LifecycleFailure};
use crate::staging::script::run_line;

/// Scripts that build, the first that exists counts.
const SCRIPTS: [&str; 2] = ["vercel-build", "build"];
/// Lock files and the package managers that write them; without one it is the last.
const MANAGERS: [(&str, &str); 6] = [
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("package-lock.json", "npm"),
    ("", "npm"),
];

#[derive(Deserialize)]
struct PackageFile {
    #[serde(default)]
    scripts: BTreeMap<String, String>,
}

/// The commands of one source.
pub(super) struct Commands<'a> {
    project: &'a Project,
    root: &'a Path,
    package: Option<PackageFile>,
    manager: &'static str,
    variables: Vec<(&'static str, OsString)>,
}

impl<'a> Commands<'a> {
    pub(super) fn new(
        project: &'a Project,
        root: &'a Path,
        directories: &WorkDirectories,
    ) -> Result<Self, LifecycleFailure> {
        let package = match files::read(&root.join("package.json"))? {
            None => None,
            Some(text) => Some(
                serde_json::from_slice(&text)
                    .map_err(|error| failed(format!("package.json: {error}")))?,
            ),
        };
        let manager = MANAGERS
            .into_iter()
            .find(|(lock, _)| lock.is_empty() || root.join(lock).is_file())
            .map_or("npm", |(_, manager)| manager);
        Ok(Self {
            project,
            root,
            package,
            manager,
            variables: variables(root, directories)?,
        })
    }

    /// Asks the user's own command whether there is anything to build.
    pub(super) fn check_ignored(&self) -> Result<(), LifecycleFailure> {
        let Some(command) = &self.project.ignore_command else {
            return Ok(());
        };
        say(&format!("-----> Asking the ignored build step: {command}"));
        let ended = self.run(command).map_err(failed)?;
        if ended.success() {
            return Err(LifecycleFailure::new(
                FailureId::NothingToBuild,
                "the command of the \"Ignored Build Step\" says that nothing is to be built",
            ));
        }
        Ok(())
    }

    /// Builds, if there is anything to build, and says whether there was.
    pub(super) fn build(&self) -> Result<bool, LifecycleFailure> {
        let Some(command) = self.build_command() else {
            return Ok(false);
        };
        if let Some(install) = self.install_command() {
            self.must("install command", &install)?;
        }
        self.must("build command", &command)?;
        Ok(true)
    }

    fn build_command(&self) -> Option<String> {
        if let Some(command) = &self.project.build_command {
            return said(command);
        }
        let scripts = &self.package.as_ref()?.scripts;
        let script = (SCRIPTS.into_iter()).find(|name| scripts.contains_key(*name))?;
        Some(format!("{} run {script}", self.manager))
    }

    fn install_command(&self) -> Option<String> {
        if let Some(command) = &self.project.install_command {
            return said(command);
        }
        let _ = self.package.as_ref()?;
        Some(format!("{} install", self.manager))
    }

    fn must(&self, what: &str, command: &str) -> Result<(), LifecycleFailure> {
        say(&format!("-----> Running the {what}: {command}"));
        let problem = match self.run(command) {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => format!("ended with {status}"),
            Err(problem) => problem,
        };
        let message = format!("the {what} `{command}` {problem}");
        Err(LifecycleFailure::new(
            FailureId::BuildpackCompileFailed,
            message,
        ))
    }

    fn run(&self, command: &str) -> Result<std::process::ExitStatus, String> {
        run_line(command, self.root, &self.variables)
    }
}

/// A command that somebody gave; an empty one means none.
fn said(command: &str) -> Option<String> {
    (!command.trim().is_empty()).then(|| command.to_owned())
}

/// Programs of dependencies are found; what package managers keep is kept for the next build.
fn variables(
    root: &Path,
    directories: &WorkDirectories,
) -> Result<Vec<(&'static str, OsString)>, LifecycleFailure> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let own = [
        root.join("node_modules/.bin"),
        directories.app.join("node_modules/.bin"),
    ];
    let path = std::env::join_paths(own.into_iter().chain(std::env::split_paths(&inherited)))
        .map_err(|error| failed(format!("the search path can't be made: {error}")))?;
    let cache = |name: &str| directories.cache.join(name).into_os_string();
    Ok(vec![
        ("PATH", path),
        ("HOME", directories.tmp.clone().into_os_string()),
        ("CI", "1".into()),
        ("npm_config_cache", cache("npm")),
        ("npm_config_update_notifier", "false".into()),
        ("npm_config_fund", "false".into()),
        ("YARN_CACHE_FOLDER", cache("yarn")),
    ])
}
