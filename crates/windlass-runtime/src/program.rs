//! The file of this program.
//!
//! A new release is put in its place while this one runs. The kernel then marks the name; whoever
//! starts the file by that name starts the new one.

use std::io;
use std::path::{Path, PathBuf};

/// What the kernel appends to the name of a file that is not there any more.
const DELETED: &str = " (deleted)";

/// Where the file of this program is, or was.
///
/// # Errors
/// When `/proc` is not there.
pub fn program_path() -> io::Result<PathBuf> {
    Ok(without_mark(&std::fs::read_link("/proc/self/exe")?))
}

/// The name that a file has or had.
pub(crate) fn without_mark(path: &Path) -> PathBuf {
    path.to_str()
        .and_then(|text| text.strip_suffix(DELETED))
        .map_or_else(|| path.to_path_buf(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_has_its_own_name() {
        let name = |text: &str| without_mark(Path::new(text));
        assert_eq!(name("/opt/windlass (deleted)"), Path::new("/opt/windlass"));
        assert_eq!(name("/opt/windlass"), Path::new("/opt/windlass"));
        assert!(program_path().unwrap().is_file());
    }
}
