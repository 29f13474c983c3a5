//! Zip files: what clients upload as a package.

use std::cell::Cell;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::rc::Rc;

use zip::ZipArchive;
use zip::result::ZipError;

use super::{ArchiveError, EntryPath, ExtractOptions, Extracted, Refusal, TreeWriter};

const TYPE_MASK: u32 = 0o170_000;
const TYPE_LINK: u32 = 0o120_000;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const ANY_EXECUTE: u32 = 0o111;

/// Unpacks a zip into `destination` (created when missing, else empty).
///
/// The table of contents counts, local headers are not believed.
/// A directory is what ends in `/`, whatever its mode says: `cf` writes directories with the mode
/// bits of a regular file. Files become 0644 or, with any execute bit, 0755; directories 0755.
pub fn extract_zip(
    archive: impl Read + Seek,
    destination: &Path,
    options: ExtractOptions,
) -> Result<Extracted, ArchiveError> {
    let mut tree = TreeWriter::new(destination, options)?;
    unzip_into(archive, &mut tree, &options)?;
    tree.finish()
}

/// Unpacks a zip into a tree that takes other files too.
pub(crate) fn unzip_into(
    archive: impl Read + Seek,
    tree: &mut TreeWriter,
    options: &ExtractOptions,
) -> Result<(), ArchiveError> {
    let mut zip = open(archive, options)?;
    if zip.has_duplicate_names() {
        return Err(ArchiveError::Whole(Refusal::DuplicateNames));
    }
    if zip.len() as u64 > options.limits.entries {
        let limit = options.limits.entries;
        return Err(ArchiveError::Whole(Refusal::TooManyEntries { limit }));
    }
    (0..zip.len()).try_for_each(|index| add(&mut zip, index, tree, options))
}

fn add<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    index: usize,
    tree: &mut TreeWriter,
    options: &ExtractOptions,
) -> Result<(), ArchiveError> {
    let data = zip.by_index_data(index).map_err(|error| corrupt(&error))?;
    let name = data.name_raw().to_vec();
    let refuse = |refusal| Err(ArchiveError::entry(&name, refusal));
    if data.encrypted() {
        return refuse(Refusal::Encrypted);
    }
    let path = EntryPath::parse(&name, &options.limits)?;
    let mode = data.unix_mode().unwrap_or(0);
    let declared_bytes = data.size();
    drop(data);

    if name.ends_with(b"/") {
        if declared_bytes > 0 {
            return refuse(Refusal::DirectoryWithContent);
        }
        return tree.directory(&path);
    }
    let entry = match zip.by_index(index) {
        Ok(entry) => entry,
        Err(error) => return refuse(Refusal::Corrupt(error.to_string())),
    };
    match mode & TYPE_MASK {
        // No type at all: the archive was made where files have no mode.
        TYPE_FILE | 0 => {
            let packed_bytes = entry.compressed_size();
            tree.file(&path, mode & ANY_EXECUTE != 0, Some(packed_bytes), entry)
        }
        TYPE_LINK => {
            let mut target = Vec::new();
            let limit_bytes = options.limits.link_target_bytes as u64 + 1;
            if let Err(error) = entry.take(limit_bytes).read_to_end(&mut target) {
                return refuse(Refusal::Corrupt(error.to_string()));
            }
            tree.symlink(&path, target)
        }
        TYPE_DIRECTORY if declared_bytes == 0 => tree.directory(&path),
        TYPE_DIRECTORY => refuse(Refusal::DirectoryWithContent),
        _ => refuse(Refusal::SpecialFile),
    }
}

/// Reads the table of contents, with a limit: it is held in memory, and a small count in the
/// trailer proves nothing about its size.
fn open<R: Read + Seek>(
    archive: R,
    options: &ExtractOptions,
) -> Result<ZipArchive<Metered<BufReader<R>>>, ArchiveError> {
    let limit_bytes = options.limits.metadata_bytes;
    let left_bytes = Rc::new(Cell::new(Some(limit_bytes)));
    let inner = BufReader::new(archive);
    let opened = ZipArchive::new(Metered {
        inner,
        left_bytes: Rc::clone(&left_bytes),
    });
    if left_bytes.replace(None) == Some(0) {
        return Err(ArchiveError::Whole(Refusal::TooMuchMetadata {
            limit_bytes,
        }));
    }
    opened.map_err(|error| corrupt(&error))
}

fn corrupt(error: &ZipError) -> ArchiveError {
    ArchiveError::Whole(Refusal::Corrupt(error.to_string()))
}

/// Stops reading once so many bytes have been read, however often the reader seeks.
struct Metered<R> {
    inner: R,
    /// `None` = no limit any more.
    left_bytes: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some(left) = self.left_bytes.get() else {
            return self.inner.read(buffer);
        };
        let room = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if room == 0 && !buffer.is_empty() {
            return Err(std::io::Error::other("too many headers"));
        }
        let count = self.inner.read(&mut buffer[..room])?;
        self.left_bytes.set(Some(left - count as u64));
        Ok(count)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(position)
    }
}
