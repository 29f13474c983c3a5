//! Functions of a deployment: the program that serves them inside of an instance.
//!
//! It is written in JavaScript, as they are, and comes with this program. It runs with the
//! machine's Node: one process that passes requests on, and one for each function in use.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub(crate) mod output;
#[cfg(test)]
mod tests;

/// Directory of the files, below the working directory of an instance.
const DIRECTORY: &str = "launcher";
/// The program among them.
const PROGRAM: &str = "launcher.mjs";

const FILES: [(&str, &str); 5] = [
    (PROGRAM, include_str!("functions/launcher.mjs")),
    ("function.mjs", include_str!("functions/function.mjs")),
    ("helpers.mjs", include_str!("functions/helpers.mjs")),
    ("printed.mjs", include_str!("functions/printed.mjs")),
    ("web.mjs", include_str!("functions/web.mjs")),
];

/// Writes the launcher below the working directory of an instance, and says which file is the
/// program.
///
/// # Errors
/// When it can't be written.
pub(crate) fn write_launcher(work: &Path) -> io::Result<PathBuf> {
    let directory = work.join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
    for (name, text) in FILES {
        let file = directory.join(name);
        fs::write(&file, text)?;
        // The user that runs it may be another one.
        fs::set_permissions(&file, Permissions::from_mode(0o644))?;
    }
    Ok(directory.join(PROGRAM))
}
