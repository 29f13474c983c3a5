//! A site in the Build Output layout: taken as it is, made by the source's own build, or of plain
//! files. It takes the place of the application: `config.json`, `static/`, `functions/`.

mod commands;
mod files;
mod functions;
mod project;
mod sources;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use windlass_build_output::{OutputError, Site, check_layout, config_of_project};

use self::commands::Commands;
use self::project::Project;
use super::lifecycle::{io, say};
use super::result::{FailureId, LifecycleFailure};
use super::site::find;
use super::{BuildOutputPlan, WorkDirectories};
use crate::sources::source_directory;

/// Where tools leave a Build Output.
const OUTPUT: &str = ".vercel/output";
/// Its table of contents.
const CONFIG: &str = "config.json";
/// Where files are taken from when nobody says.
const USUAL_DIRECTORY: &str = "public";

/// Leaves nothing in the application's directory but the site.
pub(super) fn make_output(
    plan: &BuildOutputPlan,
    build_command: Option<&str>,
    directories: &WorkDirectories,
) -> Result<(), LifecycleFailure> {
    let app = &directories.app;
    let root = match &plan.root {
        None => app.clone(),
        Some(text) => below(app, text, "root directory")?,
    };
    let site = directories.work.join("site");
    if plan.settings.prebuilt {
        let output = [app, &root].into_iter().find_map(|at| output_in(at));
        let output = output.ok_or_else(|| {
            failed(format!(
                "{OUTPUT}/{CONFIG} is missing: run the build first, then deploy it"
            ))
        })?;
        say("-----> The site is built already");
        take(&output, app, &site)?;
    } else {
        let project = Project::read(&root, plan, build_command)?;
        build(&project, &root, directories, &site)?;
    }
    fs::remove_dir_all(app).map_err(|error| io("remove", app, &error))?;
    fs::rename(&site, app).map_err(|error| io("move", &site, &error))?;
    check(app)
}

fn build(
    project: &Project,
    root: &Path,
    directories: &WorkDirectories,
    site: &Path,
) -> Result<(), LifecycleFailure> {
    sources::refuse_what_is_compiled(root)?;
    let commands = Commands::new(project, root, directories)?;
    commands.check_ignored()?;
    let has_built = commands.build()?;
    if has_built && let Some(output) = output_in(root) {
        say("-----> The build has left a Build Output");
        return take(&output, &directories.app, site);
    }
    let published = published_directory(project, root, has_built)?;
    let target = site.join("static");
    fs::create_dir_all(&target).map_err(|error| io("create", &target, &error))?;
    if let Some(directory) = published {
        say(&format!("-----> The site is {}", shown(&directory, root)));
        files::move_all(&directory, &target, |_| true)?;
    } else {
        say("-----> The site is the whole source");
        files::move_all(root, &target, sources::is_published)?;
    }
    let listed = files::list(&target)?;
    let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    let config = config_of_project(&project.fields, &listed).map_err(refused)?;
    let path = site.join(CONFIG);
    fs::write(&path, config.to_string()).map_err(|error| io("write", &path, &error))
}

/// The directory whose files are published; `None` = the root, without what is not for visitors.
fn published_directory(
    project: &Project,
    root: &Path,
    has_built: bool,
) -> Result<Option<PathBuf>, LifecycleFailure> {
    let missing = |name: &str| {
        failed(format!(
            "there is no output directory {name:?} after the build; the setting \"Output \
             Directory\" says where it is"
        ))
    };
    match &project.output_dir {
        Some(text) => {
            let name = source_directory(text).map_err(|error| failed(error.to_string()))?;
            if name.is_empty() {
                return Ok(None);
            }
            find(root, &name).map(Some).ok_or_else(|| missing(&name))
        }
        None => match find(root, USUAL_DIRECTORY) {
            Some(found) => Ok(Some(found)),
            None if has_built => Err(missing(USUAL_DIRECTORY)),
            None => Ok(None),
        },
    }
}

/// A Build Output below a directory.
fn output_in(root: &Path) -> Option<PathBuf> {
    let output = find(root, OUTPUT)?;
    let config = fs::symlink_metadata(output.join(CONFIG)).ok()?;
    config.is_file().then_some(output)
}

/// Takes a Build Output, together with the files from elsewhere that its functions ask for.
fn take(output: &Path, app: &Path, site: &Path) -> Result<(), LifecycleFailure> {
    functions::complete(output, app)?;
    fs::create_dir_all(site).map_err(|error| io("create", site, &error))?;
    // What else tools leave there is about the build, not of the site.
    for name in [CONFIG, "flags.json", "static", "functions"] {
        let (from, to) = (output.join(name), site.join(name));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io("move", &from, &error)),
            Ok(()) => {}
        }
    }
    Ok(())
}

/// Refuses what can't be served, before anybody asks for it.
fn check(app: &Path) -> Result<(), LifecycleFailure> {
    let text = files::read(&app.join(CONFIG))?
        .ok_or_else(|| failed(format!("{CONFIG}: the file is missing")))?;
    Site::parse(&text).map_err(refused)?;
    let listed = files::list(app)?;
    let names = check_layout(listed.iter().map(String::as_str)).map_err(refused)?;
    for name in names.iter().collect::<BTreeSet<_>>() {
        functions::check(app, name)?;
    }
    let files = listed.iter().filter(|name| name.starts_with("static/"));
    say(&format!(
        "-----> The site is complete; static files: {}, functions: {}",
        files.count(),
        names.len()
    ));
    Ok(())
}

fn below(app: &Path, text: &str, what: &str) -> Result<PathBuf, LifecycleFailure> {
    let name = source_directory(text).map_err(|error| failed(error.to_string()))?;
    if name.is_empty() {
        return Ok(app.to_path_buf());
    }
    find(app, &name).ok_or_else(|| failed(format!("the {what} {name:?} does not exist")))
}

fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn refused(error: OutputError) -> LifecycleFailure {
    failed(error.to_string())
}

fn failed(message: impl Into<String>) -> LifecycleFailure {
    LifecycleFailure::new(FailureId::StagingError, message)
}
