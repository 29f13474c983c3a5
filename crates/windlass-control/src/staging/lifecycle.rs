//! The steps of the classic buildpack contract: detect, supply, finalize or compile, release.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::build_command;
use super::build_output::make_output;
use super::procfile::parse_procfile;
use super::result::{FailureId, LifecycleFailure, Sidecar, StagedBuildpack, StagingResult};
use super::script::{self, ScriptError};
use super::site::make_site;
use super::yaml::{self, Config, Launch, Release};
use super::{BUILDPACKS, PlannedBuildpack, Selection, StagingPlan, WorkDirectories, YAML_BYTES};

/// Bytes of what `bin/detect` prints.
const DETECT_BYTES: u64 = 4096;
/// Scripts of one directory `profile.d`.
const PROFILE_SCRIPTS: usize = 1000;

/// Runs the buildpacks of a plan.
pub(super) fn stage(plan: &StagingPlan) -> Result<StagingResult, LifecycleFailure> {
    let directories = plan.directories();
    make_directories(plan, &directories)?;
    if let Some(output) = &plan.build_output {
        make_output(output, plan.build_command.as_deref(), &directories)?;
        let _ = fs::remove_dir_all(&directories.env);
        return Ok(StagingResult::default());
    }
    let (buildpacks, detect_output) = choose(plan, &directories)?;
    let stage = Stage {
        plan,
        directories: &directories,
        buildpacks,
    };
    let mut result = stage.run(detect_output)?;
    stage.forget_unused_caches()?;
    let _ = fs::remove_dir_all(&directories.env);
    if let Some(site) = &plan.site {
        make_site(site, &directories)?;
        result.process_types.clear();
        return Ok(result);
    }
    report(&result);
    Ok(result)
}

/// Prints a line into the staging log.
pub(super) fn say(line: &str) {
    // When nobody reads the log any more, staging goes on.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn choose(
    plan: &StagingPlan,
    directories: &WorkDirectories,
) -> Result<(Vec<PlannedBuildpack>, String), LifecycleFailure> {
    if plan.buildpacks.len() > BUILDPACKS {
        return Err(internal(format!("more than {BUILDPACKS} buildpacks")));
    }
    match plan.selection {
        Selection::Named => Ok((plan.buildpacks.clone(), String::new())),
        Selection::Detect => {
            for buildpack in &plan.buildpacks {
                let detect = buildpack.directory.join("bin/detect");
                match script::capture(&detect, &[&directories.app], DETECT_BYTES) {
                    Ok(output) => {
                        let first = output.lines().next().unwrap_or_default().trim().to_owned();
                        say(&format!("-----> Buildpack {} detected", buildpack.name));
                        return Ok((vec![buildpack.clone()], first));
                    }
                    Err(ScriptError::Status { .. }) => {}
                    Err(error) => say(&format!("buildpack {}: {error}", buildpack.name)),
                }
            }
            if plan.site.is_some() {
                say("-----> Plain files: no buildpack is needed");
                return Ok((Vec::new(), String::new()));
            }
            let names: Vec<_> = plan.buildpacks.iter().map(|b| b.name.as_str()).collect();
            let message = format!(
                "no buildpack recognised the application (tried: {}); name one, or add a Procfile",
                names.join(", ")
            );
            Err(LifecycleFailure::new(FailureId::NoAppDetected, message))
        }
    }
}

struct Stage<'a> {
    plan: &'a StagingPlan,
    directories: &'a WorkDirectories,
    /// The last is the final one. None for a site of plain files only.
    buildpacks: Vec<PlannedBuildpack>,
}

impl Stage<'_> {
    fn run(&self, detect_output: String) -> Result<StagingResult, LifecycleFailure> {
        let Some((last, suppliers)) = self.buildpacks.split_last() else {
            if self.plan.site.is_none() {
                return Err(internal("the plan has no buildpacks"));
            }
            build_command::run(self.plan, self.directories, 0)?;
            return Ok(StagingResult::default());
        };
        for (index, buildpack) in suppliers.iter().enumerate() {
            say(&format!("-----> Supplying {}", buildpack.name));
            let cache = self.cache(buildpack, false)?;
            run_script(buildpack, "supply", &self.arguments(&cache, index))?;
        }
        self.build_final(last, suppliers.len())?;
        self.collect_profile_scripts()?;
        build_command::run(self.plan, self.directories, self.buildpacks.len())?;
        build_command::forget_variables(self.directories, self.buildpacks.len());
        let release = self.release(last, suppliers.len())?;
        self.write_config_vars(release.config_vars.as_ref())?;
        let mut result = StagingResult {
            detect_output,
            ..StagingResult::default()
        };
        result.process_types = release.default_process_types.unwrap_or_default();
        self.add_launch_files(&mut result)?;
        self.add_procfile(&mut result)?;
        for (index, buildpack) in self.buildpacks.iter().enumerate() {
            result.buildpacks.push(self.describe(index, buildpack)?);
        }
        result
            .check()
            .map_err(|problem| LifecycleFailure::new(FailureId::BuildpackReleaseFailed, problem))?;
        Ok(result)
    }

    /// The final buildpack: finalize, or compile for those of the older contract.
    fn build_final(
        &self,
        buildpack: &PlannedBuildpack,
        index: usize,
    ) -> Result<(), LifecycleFailure> {
        let cache = self.cache(buildpack, true)?;
        let has = |name: &str| buildpack.directory.join("bin").join(name).exists();
        say(&format!("-----> Building with {}", buildpack.name));
        if has("finalize") {
            let mut arguments = self.arguments(&cache, index);
            if has("supply") {
                run_script(buildpack, "supply", &arguments)?;
            }
            arguments.push(self.directories.profile.clone().into());
            run_script(buildpack, "finalize", &arguments)?;
        } else {
            // The older contract has no dependencies directory.
            let own = self.directories.deps.join(index.to_string());
            fs::remove_dir_all(&own).map_err(|error| io("remove", &own, &error))?;
            let app = self.directories.app.clone();
            let env = self.directories.env.clone();
            run_script(
                buildpack,
                "compile",
                &[app.into(), cache.into(), env.into()],
            )?;
        }
        Ok(())
    }

    fn release(
        &self,
        buildpack: &PlannedBuildpack,
        index: usize,
    ) -> Result<Release, LifecycleFailure> {
        // A launch.yml with processes takes the place of a release.
        if !self.launch_file(index)?.processes.is_empty() {
            return Ok(Release::default());
        }
        let failed = |message: String| {
            let message = format!("buildpack {}: {message}", buildpack.name);
            LifecycleFailure::new(FailureId::BuildpackReleaseFailed, message)
        };
        let script = buildpack.directory.join("bin/release");
        let text = script::capture(&script, &[&self.directories.app], YAML_BYTES)
            .map_err(|error| failed(error.to_string()))?;
        yaml::parse(&text).map_err(|problem| failed(format!("bin/release: {problem}")))
    }

    fn arguments(&self, cache: &Path, index: usize) -> Vec<OsString> {
        let directories = self.directories;
        vec![
            directories.app.clone().into(),
            cache.into(),
            directories.deps.clone().into(),
            index.to_string().into(),
        ]
    }

    fn cache(&self, buildpack: &PlannedBuildpack, last: bool) -> Result<PathBuf, LifecycleFailure> {
        let cache = self.directories.cache.join(cache_name(buildpack, last));
        fs::create_dir_all(&cache).map_err(|error| io("create", &cache, &error))?;
        Ok(cache)
    }

    /// A buildpack that is no longer used does not keep its cache.
    fn forget_unused_caches(&self) -> Result<(), LifecycleFailure> {
        let count = self.buildpacks.len();
        let used: BTreeSet<_> = (self.buildpacks.iter().enumerate())
            .map(|(index, buildpack)| OsString::from(cache_name(buildpack, index + 1 == count)))
            .collect();
        let root = &self.directories.cache;
        for entry in fs::read_dir(root).map_err(|error| io("list", root, &error))? {
            let entry = entry.map_err(|error| io("list", root, &error))?;
            if !used.contains(&entry.file_name()) && entry.path().is_dir() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    fn launch_file(&self, index: usize) -> Result<Launch, LifecycleFailure> {
        self.dependency_file(index, "launch.yml")
    }

    fn dependency_file<T: serde::de::DeserializeOwned + Default>(
        &self,
        index: usize,
        name: &str,
    ) -> Result<T, LifecycleFailure> {
        let path = self.directories.deps.join(index.to_string()).join(name);
        let Some(content) = read_small(&path)? else {
            return Ok(T::default());
        };
        let problem = |problem: String| {
            let message = format!("deps/{index}/{name}: {problem}");
            LifecycleFailure::new(FailureId::BuildpackReleaseFailed, message)
        };
        let text = String::from_utf8(content).map_err(|_| problem("not UTF-8 text".to_owned()))?;
        yaml::parse(&text).map_err(problem)
    }

    fn add_launch_files(&self, result: &mut StagingResult) -> Result<(), LifecycleFailure> {
        for index in 0..self.buildpacks.len() {
            for process in self.launch_file(index)?.processes {
                let beside = process.platforms.cloudfoundry.sidecar_for;
                if beside.is_empty() {
                    result.process_types.insert(process.kind, process.command);
                } else {
                    result.sidecars.push(Sidecar {
                        name: process.kind,
                        process_types: beside,
                        command: process.command,
                        memory_mb: process.limits.memory,
                    });
                }
            }
        }
        Ok(())
    }

    /// The Procfile has the last word.
    fn add_procfile(&self, result: &mut StagingResult) -> Result<(), LifecycleFailure> {
        let Some(content) = read_small(&self.directories.app.join("Procfile"))? else {
            return Ok(());
        };
        let types = parse_procfile(&content).map_err(|error| {
            LifecycleFailure::new(FailureId::BuildpackReleaseFailed, error.to_string())
        })?;
        result.process_types.extend(types);
        Ok(())
    }

    /// Scripts of `deps/<index>/profile.d` go to the droplet's own `profile.d`, named by index, so
    /// that they run in the order of the buildpacks. Some buildpacks have done so themselves.
    fn collect_profile_scripts(&self) -> Result<(), LifecycleFailure> {
        for index in 0..self.buildpacks.len() {
            let from = self
                .directories
                .deps
                .join(index.to_string())
                .join("profile.d");
            let Ok(entries) = fs::read_dir(&from) else {
                continue;
            };
            for entry in entries.take(PROFILE_SCRIPTS) {
                let entry = entry.map_err(|error| io("list", &from, &error))?;
                let name = entry.file_name();
                let to = self
                    .directories
                    .profile
                    .join(format!("{index}_{}", name.display()));
                if entry.path().is_file() && !to.exists() {
                    fs::copy(entry.path(), &to).map_err(|error| io("copy", &to, &error))?;
                }
            }
        }
        Ok(())
    }

    /// Default variables of a release: they give way to what the application is given.
    fn write_config_vars(
        &self,
        vars: Option<&BTreeMap<String, String>>,
    ) -> Result<(), LifecycleFailure> {
        let Some(vars) = vars.filter(|vars| !vars.is_empty()) else {
            return Ok(());
        };
        let mut script = Vec::new();
        for (name, value) in vars {
            if !is_variable(name) || value.contains('\0') {
                let message = format!("config_vars: {name:?} is not a variable");
                return Err(LifecycleFailure::new(
                    FailureId::BuildpackReleaseFailed,
                    message,
                ));
            }
            let quoted = value.replace('\'', r"'\''");
            let _ = writeln!(
                script,
                "[ -n \"${{{name}+x}}\" ] || export {name}='{quoted}'"
            );
        }
        let path = self.directories.profile.join("000_config_vars.sh");
        fs::write(&path, script).map_err(|error| io("write", &path, &error))
    }

    fn describe(
        &self,
        index: usize,
        buildpack: &PlannedBuildpack,
    ) -> Result<StagedBuildpack, LifecycleFailure> {
        let config: Config = self.dependency_file(index, "config.yml")?;
        Ok(StagedBuildpack {
            name: buildpack.name.clone(),
            buildpack_name: config.name,
            version: config.version,
        })
    }
}

fn run_script(
    buildpack: &PlannedBuildpack,
    name: &str,
    arguments: &[OsString],
) -> Result<(), LifecycleFailure> {
    let path = buildpack.directory.join("bin").join(name);
    script::run(&path, arguments).map_err(|error| {
        let message = format!("buildpack {}: {error}", buildpack.name);
        LifecycleFailure::new(FailureId::BuildpackCompileFailed, message)
    })
}

fn cache_name(buildpack: &PlannedBuildpack, last: bool) -> String {
    if last {
        return "final".to_owned();
    }
    hex::encode(&Sha256::digest(buildpack.name.as_bytes())[..8])
}

fn make_directories(
    plan: &StagingPlan,
    directories: &WorkDirectories,
) -> Result<(), LifecycleFailure> {
    let WorkDirectories {
        app,
        cache,
        deps,
        profile,
        tmp,
        env,
        ..
    } = directories;
    for directory in [app, cache, deps, profile, tmp, env] {
        fs::create_dir_all(directory).map_err(|error| io("create", directory, &error))?;
    }
    let indexes = if plan.selection == Selection::Named {
        plan.buildpacks.len()
    } else {
        1
    };
    for index in 0..indexes {
        let own = deps.join(index.to_string());
        fs::create_dir_all(&own).map_err(|error| io("create", &own, &error))?;
    }
    // As files, for buildpacks of the older contract.
    for name in plan.env_names.iter().filter(|name| is_variable(name)) {
        let Some(value) = std::env::var_os(name) else {
            continue;
        };
        let path = env.join(name);
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(value.as_encoded_bytes()));
        written.map_err(|error| io("write", &path, &error))?;
    }
    Ok(())
}

pub(super) fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && name.len() <= 255
}

pub(super) fn read_small(path: &Path) -> Result<Option<Vec<u8>>, LifecycleFailure> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io("open", path, &error)),
    };
    let mut content = Vec::new();
    file.take(YAML_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(|error| io("read", path, &error))?;
    Ok(Some(content))
}

fn report(result: &StagingResult) {
    for (name, command) in &result.process_types {
        say(&format!("       {name}: {command}"));
    }
    if !result.process_types.contains_key("web") {
        say("       no start command for \"web\": set one before the application starts");
    }
}

pub(super) fn io(action: &str, path: &Path, error: &std::io::Error) -> LifecycleFailure {
    internal(format!("cannot {action} {}: {error}", path.display()))
}

fn internal(message: impl Into<String>) -> LifecycleFailure {
    LifecycleFailure::new(FailureId::StagingError, message)
}
