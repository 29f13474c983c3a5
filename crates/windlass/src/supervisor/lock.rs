//! One supervisor per data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::private_file;

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody holds it.
    #[error(
        "{path} is held by pid {pid}: Windlass already runs on this data directory; use `windlass \
         status`, or stop it with `windlass down`"
    )]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who.
        pid: String,
    },
    /// The file can't be used.
    #[error("failed to lock {path}: {source}")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The lock, held until it is dropped or its process ends.
#[derive(Debug)]
pub struct SupervisorLock(File);

impl AsFd for SupervisorLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A lock that was handed over; it was held all the time.
impl From<OwnedFd> for SupervisorLock {
    fn from(fd: OwnedFd) -> Self {
        Self(File::from(fd))
    }
}

/// Takes the lock and writes our pid into it.
pub fn take(path: &Path) -> Result<SupervisorLock, LockError> {
    let io = |source| LockError::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(private_file::SECRET)
        .open(path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let pid = read_pid(&mut file).map_or("(unknown)".to_owned(), |pid| pid.to_string());
            return Err(LockError::Held {
                path: path.to_path_buf(),
                pid,
            });
        }
        Err(TryLockError::Error(error)) => return Err(io(error)),
    }
    file.set_len(0).map_err(io)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
        .map_err(io)?;
    Ok(SupervisorLock(file))
}

/// Takes a lock as soon as whoever holds it has ended. Blocking.
pub fn wait_and_take(path: &Path) -> Result<SupervisorLock, LockError> {
    let io = |source| LockError::Io {
        path: path.to_path_buf(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(private_file::SECRET)
        .open(path)
        .map_err(io)?;
    file.lock().map_err(io)?;
    Ok(SupervisorLock(file))
}

/// Pid of the supervisor that holds the lock; `None` when nobody does.
pub fn holder(path: &Path) -> io::Result<Option<i32>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(read_pid(&mut file)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_supervisor_is_refused_with_the_pid_of_the_first() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("supervisor.lock");
        assert_eq!(holder(&path).expect("reads"), None);
        let lock = take(&path).expect("takes");
        let error = take(&path).expect_err("refused").to_string();
        assert!(
            error.contains(&format!("pid {}", std::process::id())),
            "{error}"
        );
        assert_eq!(
            holder(&path).expect("reads"),
            i32::try_from(std::process::id()).ok()
        );
        drop(lock);
        assert_eq!(holder(&path).expect("reads"), None);
        take(&path).expect("free again");
    }

    #[test]
    fn who_waits_for_a_lock_gets_it_when_its_holder_has_gone() {
        let dir = tempfile::tempdir().expect("temp dir");
        let path = dir.path().join("control.lock");
        let held = wait_and_take(&path).expect("takes");
        let waits = {
            let path = path.clone();
            std::thread::spawn(move || wait_and_take(&path).map(drop))
        };
        assert!(take(&path).is_err(), "held");
        drop(held);
        waits.join().expect("no panic").expect("takes in turn");
    }
}
