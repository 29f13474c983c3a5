//! A static site: the files of one directory take the place of the application.

use std::fs;
use std::path::{Path, PathBuf};

use super::lifecycle::{io, say};
use super::result::{FailureId, LifecycleFailure};
use super::{SitePlan, WorkDirectories};
use crate::sources::source_directory;

/// Where tools usually put what they made; looked for in this order.
const USUAL: [&str; 4] = ["_static", "dist", "public", "build"];

/// Leaves nothing in the application's directory but the site.
pub(super) fn make_site(
    plan: &SitePlan,
    directories: &WorkDirectories,
) -> Result<(), LifecycleFailure> {
    let app = &directories.app;
    let name = match &plan.output_dir {
        Some(text) => source_directory(text).map_err(|error| failed(error.to_string()))?,
        None => USUAL
            .into_iter()
            .find(|name| find(app, name).is_some())
            .unwrap_or_default()
            .to_owned(),
    };
    if name.is_empty() {
        say("-----> The site is the whole source");
        return Ok(());
    }
    let found = find(app, &name)
        .ok_or_else(|| failed(format!("the build left no output directory {name:?}")))?;
    say(&format!("-----> The site is {name}"));
    let site = directories.work.join("site");
    fs::rename(&found, &site).map_err(|error| io("move", &found, &error))?;
    fs::remove_dir_all(app).map_err(|error| io("remove", app, &error))?;
    fs::rename(&site, app).map_err(|error| io("move", &site, &error))
}

/// A directory below `app`, no link on the way.
pub(super) fn find(app: &Path, name: &str) -> Option<PathBuf> {
    let mut path = app.to_path_buf();
    for part in name.split('/') {
        path.push(part);
        if !fs::symlink_metadata(&path).ok()?.is_dir() {
            return None;
        }
    }
    Some(path)
}

fn failed(message: String) -> LifecycleFailure {
    LifecycleFailure::new(FailureId::StagingError, message)
}
