//! This very program, whatever has become of the file that it was started from.
//!
//! A new release is put in the place of the file while the old one runs. Until `windlass reload`
//! everything goes on with the old one: roles and shims are started from the image that runs.

use nix::sys::prctl;

pub use windlass_runtime::program_path as path;

/// The image that runs, for starting it once more: also when its file was replaced or removed.
pub const RUNNING: &str = "/proc/self/exe";

/// Lets process lists show the name of the program and not that of the link it was started by.
pub fn take_name() {
    // Only for the eye.
    let _ = prctl::set_name(c"windlass");
}
