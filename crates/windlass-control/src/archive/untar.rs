//! tar.gz files: droplets and build caches.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{ArchiveError, EntryPath, ExtractOptions, Extracted, Refusal, TreeWriter};

const ANY_EXECUTE: u32 = 0o111;
/// The size of a tar header block, in bytes: what an entry costs beyond its content.
const BLOCK_BYTES: u64 = 512;
/// Long names and extended headers, in bytes each.
const EXTENSION_BYTES: u64 = 64 * 1024;

/// Unpacks a gzip-compressed tar into `destination` (created when missing, else empty).
///
/// `packed_bytes` is the size of the compressed form, for the ratio limit.
/// The modes and owners of the archive do not count: files become 0644 or, with any execute bit,
/// 0755; directories 0755.
pub fn extract_tar_gz(
    archive: impl Read,
    packed_bytes: u64,
    destination: &Path,
    options: ExtractOptions,
) -> Result<Extracted, ArchiveError> {
    let mut tree = TreeWriter::new(destination, options)?;
    untar_gz_into(archive, packed_bytes, &mut tree, &options)?;
    tree.finish()
}

/// Unpacks a gzip-compressed tar into a tree that takes other files too.
pub(crate) fn untar_gz_into(
    archive: impl Read,
    packed_bytes: u64,
    tree: &mut TreeWriter,
    options: &ExtractOptions,
) -> Result<(), ArchiveError> {
    let limits = &options.limits;
    let by_ratio = packed_bytes
        .saturating_mul(limits.ratio)
        .max(limits.ratio_floor_bytes);
    let headers = limits.entries.saturating_mul(4 * BLOCK_BYTES);
    let by_total = limits.total_bytes.saturating_add(headers);
    let exceeded = Rc::new(Cell::new(false));
    let reader = Bounded {
        inner: MultiGzDecoder::new(archive),
        left_bytes: by_ratio.min(by_total),
        exceeded: Rc::clone(&exceeded),
    };
    untar_into(reader, tree, options).map_err(|error| {
        // The tar reader only says that it could not read on.
        if !exceeded.get() {
            error
        } else if by_ratio < by_total {
            ArchiveError::Whole(Refusal::Ratio {
                limit: limits.ratio,
            })
        } else {
            ArchiveError::Whole(Refusal::TooManyBytes {
                limit_bytes: limits.total_bytes,
            })
        }
    })
}

/// The same for a tar that is not compressed and whose size is not known. It is read to its end,
/// also what fills it up behind its last entry: who writes it into a pipe is not cut off.
pub fn extract_tar(
    archive: impl Read,
    destination: &Path,
    options: ExtractOptions,
) -> Result<Extracted, ArchiveError> {
    let limits = &options.limits;
    let headers = limits.entries.saturating_mul(4 * BLOCK_BYTES);
    let exceeded = Rc::new(Cell::new(false));
    let mut reader = Bounded {
        inner: archive,
        left_bytes: limits.total_bytes.saturating_add(headers),
        exceeded: Rc::clone(&exceeded),
    };
    let limit_bytes = limits.total_bytes;
    let mut tree = TreeWriter::new(destination, options)?;
    let whole = untar_into(&mut reader, &mut tree, &options)
        .and_then(|()| {
            std::io::copy(&mut reader, &mut std::io::sink())
                .map(drop)
                .map_err(|error| corrupt(&error))
        })
        .and_then(|()| tree.finish());
    whole.map_err(|error| {
        if exceeded.get() {
            ArchiveError::Whole(Refusal::TooManyBytes { limit_bytes })
        } else {
            error
        }
    })
}

fn untar_into(
    reader: impl Read,
    tree: &mut TreeWriter,
    options: &ExtractOptions,
) -> Result<(), ArchiveError> {
    let mut archive = Archive::new(reader);
    // Raw: the library would read a "long name" of any size into memory.
    let entries = archive
        .entries()
        .map_err(|error| corrupt(&error))?
        .raw(true);
    let mut extension = Extension::default();
    for entry in entries {
        let mut entry = entry.map_err(|error| corrupt(&error))?;
        if extension.take(&mut entry)? {
            continue;
        }
        let extension = std::mem::take(&mut extension);
        add(entry, extension, tree, options)?;
    }
    Ok(())
}

fn add(
    entry: Entry<'_, impl Read>,
    extension: Extension,
    tree: &mut TreeWriter,
    options: &ExtractOptions,
) -> Result<(), ArchiveError> {
    let name = extension
        .name
        .unwrap_or_else(|| entry.header().path_bytes().into_owned());
    let refuse = |refusal| Err(ArchiveError::entry(&name, refusal));
    let path = EntryPath::parse(&name, &options.limits)?;
    match entry.header().entry_type() {
        // Old archives mark a directory only by the slash.
        EntryType::Regular | EntryType::Continuous if !name.ends_with(b"/") => {
            let mode = match entry.header().mode() {
                Ok(mode) => mode,
                Err(error) => return refuse(Refusal::Corrupt(error.to_string())),
            };
            let declared_bytes = entry.size();
            let mut counted = Counted {
                inner: entry,
                bytes: 0,
            };
            tree.file(&path, mode & ANY_EXECUTE != 0, None, &mut counted)?;
            if counted.bytes == declared_bytes {
                Ok(())
            } else {
                refuse(Refusal::Corrupt(
                    "the archive ends in the middle of a file".to_owned(),
                ))
            }
        }
        EntryType::Directory | EntryType::Regular | EntryType::Continuous => {
            if entry.size() > 0 {
                return refuse(Refusal::DirectoryWithContent);
            }
            tree.directory(&path)
        }
        EntryType::Symlink => {
            let target = extension.link.or_else(|| {
                entry
                    .header()
                    .link_name_bytes()
                    .map(std::borrow::Cow::into_owned)
            });
            tree.symlink(&path, target.unwrap_or_default())
        }
        EntryType::Link => refuse(Refusal::HardLink),
        EntryType::GNUSparse => refuse(Refusal::UnsupportedForm("sparse file")),
        _ => refuse(Refusal::SpecialFile),
    }
}

/// What extension headers say about the entry that follows them.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extension {
    /// Whether the entry is an extension; its content is taken in then.
    fn take(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<bool, ArchiveError> {
        match entry.header().entry_type() {
            EntryType::GNULongName => self.name = Some(without_nul(content(entry)?)),
            EntryType::GNULongLink => self.link = Some(without_nul(content(entry)?)),
            EntryType::XHeader => self.take_pax(&content(entry)?)?,
            // Comments and defaults for all entries: nothing that is used here.
            EntryType::XGlobalHeader => {
                forbid_overrides(&content(entry)?, &[b"path", b"linkpath", b"size"])?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take_pax(&mut self, content: &[u8]) -> Result<(), ArchiveError> {
        // Raw reading does not follow a size in an extended header: the next header would be
        // looked for inside the content. No file within the limits needs one.
        forbid_overrides(content, &[b"size"])?;
        for record in PaxExtensions::new(content) {
            let record = record.map_err(|error| corrupt(&error))?;
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.link = Some(record.value_bytes().to_vec()),
                key if key.starts_with(b"GNU.sparse") => {
                    let form = Refusal::UnsupportedForm("sparse file");
                    return Err(ArchiveError::Whole(form));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn forbid_overrides(content: &[u8], keys: &[&[u8]]) -> Result<(), ArchiveError> {
    for record in PaxExtensions::new(content) {
        let record = record.map_err(|error| corrupt(&error))?;
        if keys.contains(&record.key_bytes()) {
            let form = Refusal::UnsupportedForm("extended header that overrides a size or a name");
            return Err(ArchiveError::Whole(form));
        }
    }
    Ok(())
}

fn content(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, ArchiveError> {
    if entry.size() > EXTENSION_BYTES {
        let limit_bytes = EXTENSION_BYTES;
        return Err(ArchiveError::Whole(Refusal::TooMuchMetadata {
            limit_bytes,
        }));
    }
    let mut content = Vec::new();
    entry
        .read_to_end(&mut content)
        .map_err(|error| corrupt(&error))?;
    Ok(content)
}

/// GNU long names end with a NUL byte which is not part of them.
fn without_nul(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

fn corrupt(error: &std::io::Error) -> ArchiveError {
    ArchiveError::Whole(Refusal::Corrupt(error.to_string()))
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Fails once more than so many bytes came out of the decompressor, skipped ones included.
struct Bounded<R> {
    inner: R,
    left_bytes: u64,
    exceeded: Rc<Cell<bool>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(left) = self.left_bytes.checked_sub(count as u64) {
            self.left_bytes = left;
            Ok(count)
        } else {
            self.exceeded.set(true);
            Err(std::io::Error::other("the archive is too large"))
        }
    }
}
