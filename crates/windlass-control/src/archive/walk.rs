//! Reads a directory tree without following links, in a fixed order.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};

use super::{ArchiveError, ArchiveLimits, EntryPath, Refusal};

const DIRECTORY_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);
// Without O_NONBLOCK a pipe that takes the place of a file would hold the reader for ever.
const FILE_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_NONBLOCK)
    .union(OFlag::O_CLOEXEC);
const ANY_EXECUTE: u32 = 0o111;

/// One entry of a tree.
pub(crate) struct Found<'a> {
    /// Below the root.
    pub(crate) path: &'a EntryPath,
    pub(crate) kind: FoundKind,
    /// The directory that holds it.
    pub(crate) parent: BorrowedFd<'a>,
    pub(crate) name: &'a OsStr,
    full_path: &'a Path,
}

/// What an entry is.
pub(crate) enum FoundKind {
    Directory,
    File { size_bytes: u64, executable: bool },
    Symlink { target: Vec<u8> },
}

impl Found<'_> {
    /// Opens a file; fails when something else has taken its place.
    pub(crate) fn open(&self) -> Result<File, ArchiveError> {
        let fd = openat(self.parent, self.name, FILE_FLAGS, Mode::empty())
            .map_err(|errno| self.io("open", errno))?;
        let stat = fstat(&fd).map_err(|errno| self.io("look at", errno))?;
        if file_type(&stat) != SFlag::S_IFREG {
            return Err(ArchiveError::entry(self.path.as_bytes(), Refusal::Changed));
        }
        Ok(File::from(fd))
    }

    pub(crate) fn io(&self, action: &'static str, errno: nix::errno::Errno) -> ArchiveError {
        ArchiveError::io(action, self.full_path, errno)
    }
}

/// Calls `visit` for everything below `root`, directories before their content, names in byte
/// order. Sockets, pipes and devices are left out: they mean nothing on another machine.
pub(crate) fn walk(
    root: &Path,
    limits: &ArchiveLimits,
    visit: &mut dyn FnMut(&Found<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let fd = nix::fcntl::open(root, DIRECTORY_FLAGS, Mode::empty())
        .map_err(|errno| ArchiveError::io("open directory", root, errno))?;
    let mut walker = Walker {
        root,
        limits,
        entries: 0,
        visit,
    };
    walker.directory(fd, Vec::new())
}

struct Walker<'a> {
    root: &'a Path,
    limits: &'a ArchiveLimits,
    entries: u64,
    visit: &'a mut dyn FnMut(&Found<'_>) -> Result<(), ArchiveError>,
}

impl Walker<'_> {
    fn directory(&mut self, fd: OwnedFd, path: Vec<u8>) -> Result<(), ArchiveError> {
        let names = self.names(&fd, &path)?;
        for name in names {
            let name = OsStr::from_bytes(name.as_bytes());
            let mut child = path.clone();
            if !child.is_empty() {
                child.push(b'/');
            }
            child.extend_from_slice(name.as_bytes());
            self.entry(fd.as_fd(), name, child)?;
        }
        Ok(())
    }

    /// The names of a directory, sorted. Their number is limited before they are held.
    fn names(&self, fd: &OwnedFd, path: &[u8]) -> Result<Vec<CString>, ArchiveError> {
        let full_path = self.full_path(path);
        let io = |errno| ArchiveError::io("list", full_path.clone(), errno);
        let copy = fd
            .try_clone()
            .map_err(|e| ArchiveError::io("list", full_path.clone(), e))?;
        let mut directory = Dir::from_fd(copy).map_err(io)?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            let entry = entry.map_err(io)?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            if names.len() as u64 >= self.limits.entries {
                return Err(self.too_many());
            }
            names.push(name.to_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn entry(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &OsStr,
        path: Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let full_path = self.full_path(&path);
        let io = |action, errno| ArchiveError::io(action, full_path.clone(), errno);
        let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .map_err(|errno| io("look at", errno))?;
        let entry_path = EntryPath::parse(&path, self.limits)?;
        let kind = match file_type(&stat) {
            SFlag::S_IFDIR => FoundKind::Directory,
            SFlag::S_IFREG => FoundKind::File {
                size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
                executable: stat.st_mode & ANY_EXECUTE != 0,
            },
            SFlag::S_IFLNK => {
                let target = readlinkat(parent, name).map_err(|errno| io("read link", errno))?;
                FoundKind::Symlink {
                    target: target.into_vec(),
                }
            }
            _ => return Ok(()),
        };
        if self.entries >= self.limits.entries {
            return Err(self.too_many());
        }
        self.entries += 1;
        let is_directory = matches!(kind, FoundKind::Directory);
        (self.visit)(&Found {
            path: &entry_path,
            kind,
            parent,
            name,
            full_path: &full_path,
        })?;
        if is_directory {
            let fd = openat(parent, name, DIRECTORY_FLAGS, Mode::empty())
                .map_err(|errno| io("open directory", errno))?;
            self.directory(fd, path)?;
        }
        Ok(())
    }

    fn too_many(&self) -> ArchiveError {
        ArchiveError::Whole(Refusal::TooManyEntries {
            limit: self.limits.entries,
        })
    }

    fn full_path(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }
}

fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits())
}
