//! Crash tests of the whole program, only under `--cfg windlass_fail`: a file of the data directory
//! names the crash point at which the role that reaches it next is killed, once.

use std::path::PathBuf;
use std::sync::Arc;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::layout::Layout;

/// Name of the file in the data directory.
pub const FILE: &str = "crash-at";

/// Every crash point of the program.
pub fn points() -> impl Iterator<Item = &'static str> {
    [
        windlass_store::CRASH_POINTS,
        windlass_router::CRASH_POINTS,
        windlass_control::CRASH_POINTS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Makes this process die at the point that the file names.
pub(crate) fn arm(layout: &Layout) -> Result<(), String> {
    let path: Arc<PathBuf> = Arc::new(layout.root().join(FILE));
    for point in points() {
        let path = Arc::clone(&path);
        fail::cfg_callback(point, move || {
            let named = std::fs::read_to_string(path.as_path()).unwrap_or_default();
            // Who removes the file dies: one crash for one file.
            if named.trim() == point && std::fs::remove_file(path.as_path()).is_ok() {
                let _ = kill(Pid::this(), Signal::SIGKILL);
            }
        })?;
    }
    Ok(())
}
