//! Unix sockets whose path may be longer than the 107 bytes that the kernel's address holds.
//!
//! The directory is opened and the socket is addressed through `/proc/self/fd`, which is short
//! whatever the data directory is called.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::private_file;

/// Binds a socket that only its owner may use; one that a dead program left is replaced.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (directory, short) = short_path(path)?;
    // The directory is 0700, so nobody gets in between bind and chmod.
    let listener = UnixListener::bind(short)?;
    drop(directory);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(private_file::SECRET))?;
    Ok(listener)
}

/// Connects to a socket.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let (directory, short) = short_path(path)?;
    let stream = UnixStream::connect(short);
    drop(directory);
    stream
}

fn short_path(path: &Path) -> io::Result<(File, PathBuf)> {
    let directory = File::open(path.parent().unwrap_or(Path::new(".")))?;
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("the socket has no name"))?;
    let short = Path::new("/proc/self/fd")
        .join(directory.as_raw_fd().to_string())
        .join(name);
    Ok((directory, short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_works_and_a_left_over_socket_is_replaced() {
        let dir = tempfile::tempdir().expect("temp dir");
        let long = dir.path().join("d".repeat(120));
        private_file::directory(&long).expect("makes");
        let path = long.join("admin.sock");
        drop(bind(&path).expect("binds"));
        let listener = bind(&path).expect("binds again");
        connect(&path).expect("connects");
        listener.accept().expect("accepts");
        assert!(!private_file::is_open_to_others(&path).expect("metadata"));
    }
}
