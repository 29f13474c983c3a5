//! Writes a tree below one directory without ever leaving it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fchmod, mkdirat};
use nix::unistd::{Gid, Uid, fchown, fchownat, symlinkat};

use super::links::Links;
use super::{ArchiveError, EntryPath, ExtractOptions, Refusal};

const BUFFER_BYTES: usize = 64 * 1024;
const DIRECTORY_MODE: u32 = 0o755;
const DIRECTORY_FLAGS: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// A user and group by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extracted {
    /// Entries, counting implied directories.
    pub entries: u64,
    /// Content of all files together, in bytes.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    Leaf,
}

/// Writes files at once and symbolic links last, so that no link of the archive exists while
/// something is written; directories are opened one component at a time without following links.
#[derive(Debug)]
pub(crate) struct TreeWriter {
    root: OwnedFd,
    root_path: PathBuf,
    options: ExtractOptions,
    nodes: HashMap<Vec<u8>, Node>,
    links: Links,
    extracted: Extracted,
    /// The directory of the last entry: neighbours follow each other in most archives.
    last_parent: Option<(Vec<u8>, OwnedFd)>,
}

impl TreeWriter {
    /// Begins below `root`, which is created when missing.
    pub(crate) fn new(root: &Path, options: ExtractOptions) -> Result<Self, ArchiveError> {
        std::fs::create_dir_all(root)
            .map_err(|source| ArchiveError::io("create directory", root, source))?;
        let fd = nix::fcntl::open(root, DIRECTORY_FLAGS, Mode::empty())
            .map_err(|source| ArchiveError::io("open directory", root, source))?;
        let writer = Self {
            root: fd,
            root_path: root.to_path_buf(),
            options,
            nodes: HashMap::new(),
            links: Links::default(),
            extracted: Extracted::default(),
            last_parent: None,
        };
        writer.give_away(&writer.root, b"")?;
        Ok(writer)
    }

    /// Adds a directory; naming one twice is harmless.
    pub(crate) fn directory(&mut self, path: &EntryPath) -> Result<(), ArchiveError> {
        if path.is_root() {
            return Ok(());
        }
        self.enter(path.as_bytes()).map(drop)
    }

    /// Adds a file with the content of `reader`.
    /// `packed_bytes` is the size of its compressed form, when it has one of its own.
    pub(crate) fn file(
        &mut self,
        path: &EntryPath,
        executable: bool,
        packed_bytes: Option<u64>,
        mut reader: impl Read,
    ) -> Result<(), ArchiveError> {
        let file = self.create(path)?;
        let written = self.fill(path, &file, packed_bytes, &mut reader)?;
        self.extracted.bytes += written;
        let mode = if executable { 0o755 } else { 0o644 };
        fchmod(&file, Mode::from_bits_truncate(mode))
            .map_err(|errno| self.io("set the mode of", path.as_bytes(), errno))?;
        self.give_away(&file, path.as_bytes())
    }

    /// Notes a symbolic link; it is checked and made by [`TreeWriter::finish`].
    pub(crate) fn symlink(
        &mut self,
        path: &EntryPath,
        target: Vec<u8>,
    ) -> Result<(), ArchiveError> {
        let limit = self.options.limits.link_target_bytes;
        if target.is_empty() || target.len() > limit || target.contains(&0) {
            return Err(ArchiveError::entry(path.as_bytes(), Refusal::BadLinkTarget));
        }
        let (parent, _) = split(path)?;
        self.enter(parent)?;
        self.note_leaf(path)?;
        self.links.insert(path, target);
        Ok(())
    }

    /// Checks all links together, makes them, and tells what was written.
    pub(crate) fn finish(mut self) -> Result<Extracted, ArchiveError> {
        self.links.check(self.options.links)?;
        let links = std::mem::take(&mut self.links);
        for (path, target) in links.sorted() {
            let slash = path.iter().rposition(|byte| *byte == b'/');
            let (parent, name) = match slash {
                Some(slash) => (&path[..slash], OsStr::from_bytes(&path[slash + 1..])),
                None => (&b""[..], OsStr::from_bytes(path)),
            };
            // Parents are real directories: a path that is a link and a directory was refused.
            let parent = self.enter(parent)?;
            let made = symlinkat(OsStr::from_bytes(target), &parent, name).and_then(|()| {
                let Some(Owner { uid, gid }) = self.options.owner else {
                    return Ok(());
                };
                let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
                fchownat(
                    &parent,
                    name,
                    Some(uid),
                    Some(gid),
                    AtFlags::AT_SYMLINK_NOFOLLOW,
                )
            });
            made.map_err(|errno| self.io("make the link", path, errno))?;
        }
        Ok(self.extracted)
    }

    fn create(&mut self, path: &EntryPath) -> Result<File, ArchiveError> {
        let (parent, name) = split(path)?;
        let parent_fd = self.enter(parent)?;
        self.note_leaf(path)?;
        let flags =
            OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        match openat(&parent_fd, OsStr::from_bytes(name), flags, mode) {
            Ok(fd) => Ok(File::from(fd)),
            // The destination was not empty.
            Err(Errno::EEXIST) => Err(ArchiveError::entry(path.as_bytes(), Refusal::Duplicate)),
            Err(errno) => Err(self.io("create", path.as_bytes(), errno)),
        }
    }

    fn fill(
        &self,
        path: &EntryPath,
        mut file: &File,
        packed_bytes: Option<u64>,
        reader: &mut impl Read,
    ) -> Result<u64, ArchiveError> {
        let limits = &self.options.limits;
        let left_bytes = limits.total_bytes - self.extracted.bytes;
        let by_ratio = packed_bytes.map_or(u64::MAX, |packed| {
            packed
                .saturating_mul(limits.ratio)
                .max(limits.ratio_floor_bytes)
        });
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut written = 0_u64;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => return Ok(written),
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let refusal = Refusal::Corrupt(error.to_string());
                    return Err(ArchiveError::entry(path.as_bytes(), refusal));
                }
            };
            written += count as u64;
            if written > limits.file_bytes {
                let refusal = Refusal::FileTooLarge {
                    limit_bytes: limits.file_bytes,
                };
                return Err(ArchiveError::entry(path.as_bytes(), refusal));
            }
            if written > left_bytes {
                let limit_bytes = limits.total_bytes;
                return Err(ArchiveError::Whole(Refusal::TooManyBytes { limit_bytes }));
            }
            if written > by_ratio {
                let refusal = Refusal::Ratio {
                    limit: limits.ratio,
                };
                return Err(ArchiveError::entry(path.as_bytes(), refusal));
            }
            file.write_all(&buffer[..count])
                .map_err(|source| ArchiveError::io("write", self.shown(path.as_bytes()), source))?;
        }
    }

    /// Opens the directory `path`, making what is missing on the way down.
    fn enter(&mut self, path: &[u8]) -> Result<OwnedFd, ArchiveError> {
        if let Some((last, fd)) = &self.last_parent
            && last == path
        {
            return fd
                .try_clone()
                .map_err(|e| ArchiveError::io("open", self.shown(path), e));
        }
        let mut fd =
            (self.root.try_clone()).map_err(|e| ArchiveError::io("open", self.shown(path), e))?;
        let mut end = 0;
        for component in path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
        {
            end += component.len() + usize::from(end > 0);
            fd = self.step(&fd, &path[..end], component)?;
        }
        let copy = fd
            .try_clone()
            .map_err(|e| ArchiveError::io("open", self.shown(path), e))?;
        self.last_parent = Some((path.to_vec(), copy));
        Ok(fd)
    }

    fn step(&mut self, at: &OwnedFd, path: &[u8], name: &[u8]) -> Result<OwnedFd, ArchiveError> {
        let name = OsStr::from_bytes(name);
        let known = match self.nodes.get(path) {
            Some(Node::Leaf) => {
                return Err(ArchiveError::entry(path, Refusal::FileAndDirectory));
            }
            Some(Node::Directory) => true,
            None => false,
        };
        if !known {
            self.count_entry()?;
            self.nodes.insert(path.to_vec(), Node::Directory);
            match mkdirat(at, name, Mode::from_bits_truncate(DIRECTORY_MODE)) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(self.io("create directory", path, errno)),
            }
        }
        let fd = match openat(at, name, DIRECTORY_FLAGS, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOTDIR | Errno::ELOOP) => {
                return Err(ArchiveError::entry(path, Refusal::FileAndDirectory));
            }
            Err(errno) => return Err(self.io("open directory", path, errno)),
        };
        if !known {
            // The process may have a umask; what runs later relies on these bits.
            fchmod(&fd, Mode::from_bits_truncate(DIRECTORY_MODE))
                .map_err(|errno| self.io("set the mode of", path, errno))?;
            self.give_away(&fd, path)?;
        }
        Ok(fd)
    }

    fn note_leaf(&mut self, path: &EntryPath) -> Result<(), ArchiveError> {
        let refusal = match self.nodes.get(path.as_bytes()) {
            None => {
                self.count_entry()?;
                self.nodes.insert(path.as_bytes().to_vec(), Node::Leaf);
                return Ok(());
            }
            Some(Node::Leaf) => Refusal::Duplicate,
            Some(Node::Directory) => Refusal::FileAndDirectory,
        };
        Err(ArchiveError::entry(path.as_bytes(), refusal))
    }

    fn count_entry(&mut self) -> Result<(), ArchiveError> {
        let limit = self.options.limits.entries;
        if self.extracted.entries >= limit {
            return Err(ArchiveError::Whole(Refusal::TooManyEntries { limit }));
        }
        self.extracted.entries += 1;
        Ok(())
    }

    fn give_away(&self, fd: impl AsFd, path: &[u8]) -> Result<(), ArchiveError> {
        let Some(Owner { uid, gid }) = self.options.owner else {
            return Ok(());
        };
        fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|errno| self.io("change the owner of", path, errno))
    }

    fn io(&self, action: &'static str, path: &[u8], errno: Errno) -> ArchiveError {
        ArchiveError::io(action, self.shown(path), errno)
    }

    fn shown(&self, path: &[u8]) -> PathBuf {
        self.root_path.join(OsStr::from_bytes(path))
    }
}

fn split(path: &EntryPath) -> Result<(&[u8], &[u8]), ArchiveError> {
    path.split()
        .ok_or_else(|| ArchiveError::entry(b"./", Refusal::EmptyName))
}
