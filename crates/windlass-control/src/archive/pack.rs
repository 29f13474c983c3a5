//! Packs directories into a tar.gz whose bytes depend on nothing but names, contents, execute bits
//! and links: the same droplet has the same digest, wherever and whenever it was made.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::links::Links;
use super::{ArchiveError, EntryPath, ExtractOptions, Extracted, Found, FoundKind, Refusal, walk};

/// What goes into an archive, in this order.
#[derive(Debug, Clone, Copy)]
pub enum PackItem<'a> {
    /// The content of a directory below a name of one or more components.
    Tree {
        /// Where it stands in the archive; empty = at the top.
        name: &'a str,
        /// The directory to read. Links in it are not followed.
        directory: &'a Path,
    },
    /// An empty directory.
    Directory {
        /// Its name.
        name: &'a str,
    },
    /// A file with this content, not executable.
    File {
        /// Its name.
        name: &'a str,
        /// Its content.
        content: &'a [u8],
    },
}

/// Writes the items to `writer` and tells how much went in, uncompressed.
///
/// The limits and the link policy are those with which the archive can be unpacked again, so that
/// nothing is packed that could not be.
pub fn pack_tar_gz<W: Write>(
    writer: W,
    items: &[PackItem<'_>],
    options: &ExtractOptions,
) -> Result<(W, Extracted), ArchiveError> {
    // The fastest level: droplets stay on this machine, and packing is a part of every push.
    let gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(writer, Compression::fast());
    let mut packer = Packer {
        tar: Builder::new(gzip),
        options: *options,
        links: Links::default(),
        extracted: Extracted::default(),
    };
    for item in items {
        packer.item(item)?;
    }
    packer.links.check(options.links)?;
    let gzip = packer.tar.into_inner().map_err(output)?;
    let writer = gzip.finish().map_err(output)?;
    Ok((writer, packer.extracted))
}

struct Packer<W: Write> {
    tar: Builder<W>,
    options: ExtractOptions,
    links: Links,
    extracted: Extracted,
}

impl<W: Write> Packer<W> {
    fn item(&mut self, item: &PackItem<'_>) -> Result<(), ArchiveError> {
        let limits = self.options.limits;
        match item {
            PackItem::Directory { name } => {
                self.directory(&EntryPath::parse(name.as_bytes(), &limits)?)
            }
            PackItem::File { name, content } => {
                let path = EntryPath::parse(name.as_bytes(), &limits)?;
                self.file(&path, content.len() as u64, false, *content)
            }
            PackItem::Tree { name, directory } => {
                if !name.is_empty() {
                    self.directory(&EntryPath::parse(name.as_bytes(), &limits)?)?;
                }
                walk(directory, &limits, &mut |found| self.found(name, found))
            }
        }
    }

    fn found(&mut self, name: &str, found: &Found<'_>) -> Result<(), ArchiveError> {
        let mut path = name.as_bytes().to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(found.path.as_bytes());
        let path = EntryPath::parse(&path, &self.options.limits)?;
        match &found.kind {
            FoundKind::Directory => self.directory(&path),
            FoundKind::File {
                size_bytes,
                executable,
            } => self.file(&path, *size_bytes, *executable, found.open()?),
            FoundKind::Symlink { target } => self.symlink(&path, target),
        }
    }

    fn directory(&mut self, path: &EntryPath) -> Result<(), ArchiveError> {
        self.count(0)?;
        let mut name = path.as_bytes().to_vec();
        name.push(b'/');
        let mut header = header(EntryType::Directory, 0o755, 0);
        self.tar
            .append_data(&mut header, OsStr::from_bytes(&name), std::io::empty())
            .map_err(output)
    }

    fn file(
        &mut self,
        path: &EntryPath,
        size_bytes: u64,
        executable: bool,
        reader: impl Read,
    ) -> Result<(), ArchiveError> {
        let limit_bytes = self.options.limits.file_bytes;
        if size_bytes > limit_bytes {
            let refusal = Refusal::FileTooLarge { limit_bytes };
            return Err(ArchiveError::entry(path.as_bytes(), refusal));
        }
        self.count(size_bytes)?;
        let mode = if executable { 0o755 } else { 0o644 };
        let mut header = header(EntryType::Regular, mode, size_bytes);
        // The header has been written by then: a file that grows or shrinks meanwhile must not
        // shift what follows.
        let mut exact = Exact {
            inner: reader,
            left_bytes: size_bytes,
            changed: false,
        };
        let appended =
            self.tar
                .append_data(&mut header, OsStr::from_bytes(path.as_bytes()), &mut exact);
        if exact.changed {
            return Err(ArchiveError::entry(path.as_bytes(), Refusal::Changed));
        }
        appended.map_err(output)
    }

    fn symlink(&mut self, path: &EntryPath, target: &[u8]) -> Result<(), ArchiveError> {
        if target.len() > self.options.limits.link_target_bytes {
            return Err(ArchiveError::entry(path.as_bytes(), Refusal::BadLinkTarget));
        }
        self.count(0)?;
        self.links.insert(path, target.to_vec());
        let mut header = header(EntryType::Symlink, 0o777, 0);
        let (path, target) = (
            OsStr::from_bytes(path.as_bytes()),
            OsStr::from_bytes(target),
        );
        self.tar
            .append_link(&mut header, path, target)
            .map_err(output)
    }

    fn count(&mut self, size_bytes: u64) -> Result<(), ArchiveError> {
        let limits = &self.options.limits;
        self.extracted.entries += 1;
        if self.extracted.entries > limits.entries {
            return Err(ArchiveError::Whole(Refusal::TooManyEntries {
                limit: limits.entries,
            }));
        }
        self.extracted.bytes += size_bytes;
        if self.extracted.bytes > limits.total_bytes {
            let limit_bytes = limits.total_bytes;
            return Err(ArchiveError::Whole(Refusal::TooManyBytes { limit_bytes }));
        }
        Ok(())
    }
}

fn header(kind: EntryType, mode: u32, size_bytes: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size_bytes);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn output(source: std::io::Error) -> ArchiveError {
    ArchiveError::io("write", "the archive", source)
}

/// Gives exactly so many bytes or notes that the file has changed.
struct Exact<R> {
    inner: R,
    left_bytes: u64,
    changed: bool,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left_bytes == 0 || buffer.is_empty() {
            return Ok(0);
        }
        let room = usize::try_from(self.left_bytes)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = self.inner.read(&mut buffer[..room])?;
        if count == 0 {
            self.changed = true;
            return Err(std::io::Error::other("the file became shorter"));
        }
        self.left_bytes -= count as u64;
        Ok(count)
    }
}
