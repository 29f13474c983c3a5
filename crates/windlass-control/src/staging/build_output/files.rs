//! Files of a site on their way.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::failed;
use crate::archive::{ArchiveLimits, FoundKind, walk};
use crate::staging::lifecycle::io;
use crate::staging::result::LifecycleFailure;

/// Bytes of a file that is read as a whole.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A file as a whole; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, LifecycleFailure> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        _ => return Ok(None),
    }
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut text))
        .map_err(|error| io("read", path, &error))?;
    if text.len() as u64 > FILE_BYTES {
        let name = path.file_name().unwrap_or_default().display().to_string();
        return Err(failed(format!("{name}: larger than {FILE_BYTES} bytes")));
    }
    Ok(Some(text))
}

/// Paths of all files and links below a directory, sorted; links are not followed.
pub(super) fn list(directory: &Path) -> Result<Vec<String>, LifecycleFailure> {
    let mut paths = Vec::new();
    let walked = walk(directory, &ArchiveLimits::DROPLET, &mut |found| {
        match found.kind {
            FoundKind::Directory => {}
            FoundKind::File { .. } | FoundKind::Symlink { .. } => {
                paths.push(String::from_utf8_lossy(found.path.as_bytes()).into_owned());
            }
        }
        Ok(())
    });
    walked.map_err(|error| failed(error.to_string()))?;
    Ok(paths)
}

/// Moves what lies in a directory into another one, as far as its name is wanted.
pub(super) fn move_all(
    from: &Path,
    to: &Path,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), LifecycleFailure> {
    for entry in fs::read_dir(from).map_err(|error| io("list", from, &error))? {
        let entry = entry.map_err(|error| io("list", from, &error))?;
        let name = entry.file_name();
        if is_wanted(&name.to_string_lossy()) {
            let (path, target) = (entry.path(), to.join(&name));
            fs::rename(&path, &target).map_err(|error| io("move", &path, &error))?;
        }
    }
    Ok(())
}
