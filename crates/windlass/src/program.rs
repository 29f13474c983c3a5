//! This very program, whatever has become of the file that it was started from.
//!
//! A new release is put in the place of the file while the old one runs. Until `windlass reload`
//! everything goes on with the old one: roles and shims are started from the image that runs.

use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub use windlass_runtime::program_path as path;

/// The image that runs, for starting it once more: also when its file was replaced or removed.
pub const RUNNING: &str = "/proc/self/exe";

/// Lets process lists show the name of the program and not that of the link it was started by.
pub fn take_name() {
    // Only for the eye.
    let _ = prctl::set_name(c"windlass");
}

/// Lets this process have as many open files as it may. What a login usually gives, 1024, is less
/// than connections and shims of a large machine need; and a role that has none left can't accept
/// anybody.
pub fn take_open_files() {
    let taken = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    if let Err(error) = taken {
        tracing::warn!("the limit of open files can't be raised: {error}");
    }
}
