//! Makes a zip of a directory: the package that results from uploaded bits and known files.

use std::io::Write;
use std::path::Path;

use zip::result::ZipError;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{ArchiveError, ArchiveLimits, EntryPath, Extracted, Found, FoundKind, Refusal, walk};

/// Writes everything below `directory` as a zip, sorted and without times, so that the same tree
/// gives the same bytes.
pub fn zip_tree<W: Write>(
    writer: W,
    directory: &Path,
    limits: &ArchiveLimits,
) -> Result<(W, Extracted), ArchiveError> {
    let mut zip = ZipWriter::new_stream(writer);
    let mut extracted = Extracted::default();
    walk(directory, limits, &mut |found| {
        add(&mut zip, &mut extracted, limits, found)
    })?;
    Ok((zip.finish().map_err(output)?.into_inner(), extracted))
}

fn add<W: Write>(
    zip: &mut ZipWriter<StreamWriter<W>>,
    extracted: &mut Extracted,
    limits: &ArchiveLimits,
    found: &Found<'_>,
) -> Result<(), ArchiveError> {
    let name = utf8(found.path, found.path.as_bytes())?;
    let options = SimpleFileOptions::default()
        .last_modified_time(DateTime::default())
        .compression_method(CompressionMethod::Deflated);
    extracted.entries += 1;
    match &found.kind {
        FoundKind::Directory => zip
            .add_directory(name, options.unix_permissions(0o755))
            .map_err(output),
        FoundKind::Symlink { target } => {
            let target = utf8(found.path, target)?;
            zip.add_symlink(name, target, options).map_err(output)
        }
        FoundKind::File {
            size_bytes,
            executable,
        } => {
            extracted.bytes += size_bytes;
            if extracted.bytes > limits.total_bytes {
                let limit_bytes = limits.total_bytes;
                return Err(ArchiveError::Whole(Refusal::TooManyBytes { limit_bytes }));
            }
            let mode = if *executable { 0o755 } else { 0o644 };
            zip.start_file(name, options.unix_permissions(mode))
                .map_err(output)?;
            let mut file = std::io::Read::take(found.open()?, *size_bytes);
            let copied = std::io::copy(&mut file, zip)
                .map_err(|source| ArchiveError::io("write", "the archive", source))?;
            if copied == *size_bytes {
                Ok(())
            } else {
                Err(ArchiveError::entry(found.path.as_bytes(), Refusal::Changed))
            }
        }
    }
}

fn utf8<'a>(path: &EntryPath, bytes: &'a [u8]) -> Result<&'a str, ArchiveError> {
    std::str::from_utf8(bytes).map_err(|_| ArchiveError::entry(path.as_bytes(), Refusal::NotUtf8))
}

fn output(error: ZipError) -> ArchiveError {
    ArchiveError::io("write", "the archive", std::io::Error::from(error))
}
