//! Functions of a Build Output: what they ask for, and whether they can run.

use std::fs;
use std::path::Path;

use windlass_build_output::Function;

use super::{failed, files, refused};
use crate::staging::lifecycle::io;
use crate::staging::result::LifecycleFailure;

/// What describes a function.
const CONFIG: &str = ".vc-config.json";
const DIRECTORY: &str = "functions";

/// Copies what functions ask for from elsewhere in the source into their own directories.
pub(super) fn complete(output: &Path, app: &Path) -> Result<(), LifecycleFailure> {
    let directory = output.join(DIRECTORY);
    if !fs::symlink_metadata(&directory).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    for path in files::list(&directory)? {
        let Some(name) = path.strip_suffix(&format!(".func/{CONFIG}")) else {
            continue;
        };
        // What lies in a function is its own.
        if name.contains(".func/") {
            continue;
        }
        let own = directory.join(format!("{name}.func"));
        for (to, from) in function(&own, name)?.file_paths {
            copy(app, &from, &own.join(&to), name)?;
        }
    }
    Ok(())
}

/// Refuses a function that can't run.
pub(super) fn check(app: &Path, name: &str) -> Result<(), LifecycleFailure> {
    let own = app.join(DIRECTORY).join(format!("{name}.func"));
    let function = function(&own, name)?;
    if own.join(&function.handler).is_file() {
        return Ok(());
    }
    Err(failed(format!(
        "{}: the handler {:?} is missing",
        shown(name),
        function.handler
    )))
}

fn function(own: &Path, name: &str) -> Result<Function, LifecycleFailure> {
    let text = files::read(&own.join(CONFIG))?
        .ok_or_else(|| failed(format!("{}: the file is missing", shown(name))))?;
    Function::parse(&shown(name), &text).map_err(refused)
}

fn shown(name: &str) -> String {
    format!("{DIRECTORY}/{name}.func/{CONFIG}")
}

/// A file that is there already stays: the tool has copied it itself.
fn copy(app: &Path, from: &str, to: &Path, name: &str) -> Result<(), LifecycleFailure> {
    if fs::symlink_metadata(to).is_ok() {
        return Ok(());
    }
    let missing = || failed(format!("{}: the file {from:?} is missing", shown(name)));
    let source = fs::canonicalize(app.join(from)).map_err(|_| missing())?;
    let inside = fs::canonicalize(app).map_err(|error| io("look at", app, &error))?;
    if !source.starts_with(&inside) || !source.is_file() {
        return Err(missing());
    }
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|error| io("create", parent, &error))?;
    }
    fs::copy(&source, to).map_err(|error| io("copy", to, &error))?;
    Ok(())
}
