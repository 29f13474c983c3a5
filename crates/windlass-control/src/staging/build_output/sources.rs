//! What of a source is compiled elsewhere, and what of it is never published.

use std::fs;
use std::path::Path;

use super::project::WAY_OUT;
use super::{failed, files};
use crate::staging::result::LifecycleFailure;

/// Endings of files below `api` that would become functions.
const FUNCTION_ENDINGS: [&str; 8] = ["js", "mjs", "cjs", "ts", "tsx", "go", "py", "rb"];
/// Code that would run before every request.
const MIDDLEWARE: [&str; 4] = [
    "middleware.js",
    "middleware.mjs",
    "middleware.ts",
    "proxy.ts",
];
/// What is about the project and not for its visitors.
const PRIVATE: [&str; 13] = [
    ".git",
    ".gitignore",
    ".vercel",
    ".vercelignore",
    ".nowignore",
    "node_modules",
    "now.json",
    "package-lock.json",
    "package.json",
    "pnpm-lock.yaml",
    "vercel.json",
    "yarn.lock",
    "bun.lock",
];

/// Refuses a source whose functions would be made from it: publishing their text instead would be
/// wrong and dangerous.
pub(super) fn refuse_what_is_compiled(root: &Path) -> Result<(), LifecycleFailure> {
    for name in MIDDLEWARE {
        if root.join(name).is_file() {
            return Err(failed(format!(
                "{name}: middleware is not run here: {WAY_OUT}"
            )));
        }
    }
    let api = root.join("api");
    if !fs::symlink_metadata(&api).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    match files::list(&api)?.iter().find(|path| is_function(path)) {
        Some(path) => Err(failed(format!(
            "api/{path}: functions are not made from source here: {WAY_OUT}"
        ))),
        None => Ok(()),
    }
}

/// Whether a file below `api` is the source of a function. Helpers begin with `_` or `.`.
fn is_function(path: &str) -> bool {
    let is_helper =
        (path.split('/')).any(|part| part.starts_with(['_', '.']) || part == "node_modules");
    let has_ending = path
        .rsplit_once('.')
        .is_some_and(|(_, ending)| FUNCTION_ENDINGS.contains(&ending));
    has_ending && !is_helper && !path.ends_with(".d.ts")
}

/// Whether a name at the root of a source is published with the whole of it.
pub(super) fn is_published(name: &str) -> bool {
    !PRIVATE.contains(&name) && !name.starts_with(".env")
}
