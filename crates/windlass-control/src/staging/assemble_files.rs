//! Makes a package of a list of files: each known by its SHA-1, given with the list, or in an
//! archive that came in parts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use super::{AssembleError, Package};
use crate::archive::{
    ArchiveError, ArchiveLimits, EntryPath, ExtractOptions, Refusal, TreeWriter, untar_gz_into,
    zip_tree,
};
use crate::blobs::{Blobs, Resources, Sha1Digest};

/// Files of one list.
const FILES: usize = 20_000;
/// Parts of an archive.
const PARTS: u32 = 10_000;

const TYPE_MASK: u32 = 0o170_000;
const TYPE_LINK: u32 = 0o120_000;
const ANY_EXECUTE: u32 = 0o111;

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it stands in the source.
    pub path: String,
    /// Its mode as the client has it, with the type bits; 0 = a plain file.
    pub mode: u32,
    /// What it holds.
    pub content: FileContent,
}

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// Uploaded before.
    Known {
        /// Its name among the uploaded files.
        sha1: Sha1Digest,
        /// Its size in bytes, when the client says it.
        size_bytes: Option<u64>,
    },
    /// Here.
    Inline(Bytes),
    /// There is none: a directory.
    Directory,
}

/// A list of files.
#[derive(Debug, Clone, Copy)]
pub struct SourceFiles<'a> {
    /// The entries.
    pub files: &'a [SourceFile],
    /// Path of an archive (tar.gz) that is unpacked; its parts are the files `<path>.part<number>`.
    pub archive: Option<&'a str>,
    /// In whose name files are known.
    pub scope: &'a str,
    /// What the source may contain.
    pub limits: ArchiveLimits,
}

/// Why a list is no package.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// Their content is to be uploaded (again); each once.
    #[error("{} of the files are to be uploaded first", .0.len())]
    Missing(Vec<Sha1Digest>),
    /// There are too many.
    #[error("there are more than {FILES} files")]
    TooMany,
    /// As for other uploads.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
}

impl From<ArchiveError> for FilesError {
    fn from(error: ArchiveError) -> Self {
        Self::Assemble(error.into())
    }
}

impl SourceFiles<'_> {
    /// What has to be uploaded first, each once, in the order of the list.
    pub fn missing(&self, resources: &Resources) -> Vec<Sha1Digest> {
        let mut seen = BTreeSet::new();
        let wanted = self.files.iter().filter_map(|file| match &file.content {
            FileContent::Known { sha1, size_bytes } => Some((*sha1, *size_bytes)),
            FileContent::Inline(_) | FileContent::Directory => None,
        });
        wanted
            .filter(|(sha1, size_bytes)| !resources.knows_any(self.scope, sha1, *size_bytes))
            .filter(|(sha1, _)| seen.insert(*sha1))
            .map(|(sha1, _)| sha1)
            .collect()
    }

    /// Number of a part of the archive, if the file is one.
    fn part(&self, path: &str) -> Option<u32> {
        let number = path.strip_prefix(self.archive?)?.strip_prefix(".part")?;
        number.parse().ok().filter(|number| *number <= PARTS)
    }
}

/// Lays a list of files out below `scratch`, with all checks of an unpacked archive, and stores it
/// as a package. Blocking.
///
/// # Errors
/// [`FilesError`].
pub fn assemble_files(
    blobs: &Blobs,
    resources: &Resources,
    source: &SourceFiles<'_>,
    scratch: &Path,
) -> Result<Package, FilesError> {
    if source.files.len() > FILES {
        return Err(FilesError::TooMany);
    }
    if source.files.is_empty() {
        return Err(AssembleError::Empty.into());
    }
    let missing = source.missing(resources);
    if !missing.is_empty() {
        return Err(FilesError::Missing(missing));
    }
    let directory = tempfile::Builder::new()
        .prefix("source-")
        .tempdir_in(scratch)
        .map_err(|error| ArchiveError::io("create a directory in", scratch, error))?;
    let options = ExtractOptions {
        limits: source.limits,
        ..ExtractOptions::default()
    };
    let mut tree = TreeWriter::new(directory.path(), options)?;
    let mut parts = BTreeMap::new();
    for file in source.files {
        match source.part(&file.path) {
            Some(number) => {
                let content = open(resources, source, file)?;
                if parts.insert(number, content).is_some() {
                    let name = file.path.as_bytes();
                    return Err(ArchiveError::entry(name, Refusal::Duplicate).into());
                }
            }
            None => add(&mut tree, resources, source, file)?,
        }
    }
    if !parts.is_empty() {
        let parts = Parts {
            left: parts.into_values().collect(),
        };
        let packed_bytes = parts.packed_bytes()?;
        untar_gz_into(parts, packed_bytes, &mut tree, &options)?;
    }
    let content_bytes = tree.finish()?.bytes;
    let writer = blobs.writer(false).map_err(AssembleError::from)?;
    let (writer, _) = zip_tree(writer, directory.path(), &source.limits)?;
    let stored = writer.finish().map_err(AssembleError::from)?;
    Ok(Package {
        digest: stored.digest,
        size_bytes: stored.size_bytes,
        content_bytes,
    })
}

fn add(
    tree: &mut TreeWriter,
    resources: &Resources,
    source: &SourceFiles<'_>,
    file: &SourceFile,
) -> Result<(), FilesError> {
    let name = file.path.as_bytes();
    let path = EntryPath::parse(name, &source.limits)?;
    if file.content == FileContent::Directory {
        return Ok(tree.directory(&path)?);
    }
    if name.ends_with(b"/") {
        return Err(ArchiveError::entry(name, Refusal::DirectoryWithContent).into());
    }
    let mut content = open(resources, source, file)?;
    if file.mode & TYPE_MASK == TYPE_LINK {
        let mut target = Vec::new();
        let limit_bytes = source.limits.link_target_bytes as u64 + 1;
        (content.by_ref().take(limit_bytes))
            .read_to_end(&mut target)
            .map_err(|error| ArchiveError::io("read", &file.path, error))?;
        return Ok(tree.symlink(&path, target)?);
    }
    Ok(tree.file(&path, file.mode & ANY_EXECUTE != 0, None, content)?)
}

fn open(
    resources: &Resources,
    source: &SourceFiles<'_>,
    file: &SourceFile,
) -> Result<Content, FilesError> {
    match &file.content {
        FileContent::Known { sha1, .. } => resources
            .open_file(source.scope, sha1)
            .map_err(AssembleError::from)?
            .map(Content::File)
            // It is gone or damaged since it was looked for.
            .ok_or_else(|| FilesError::Missing(vec![*sha1])),
        FileContent::Inline(bytes) => Ok(Content::Inline(std::io::Cursor::new(bytes.clone()))),
        FileContent::Directory => Ok(Content::Inline(std::io::Cursor::new(Bytes::new()))),
    }
}

enum Content {
    File(File),
    Inline(std::io::Cursor<Bytes>),
}

impl Content {
    fn size_bytes(&self) -> std::io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Inline(cursor) => Ok(cursor.get_ref().len() as u64),
        }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Inline(cursor) => cursor.read(buffer),
        }
    }
}

/// The parts of an archive, one after the other.
struct Parts {
    left: VecDeque<Content>,
}

impl Parts {
    fn packed_bytes(&self) -> Result<u64, ArchiveError> {
        let all: std::io::Result<u64> = self.left.iter().map(Content::size_bytes).sum();
        all.map_err(|error| ArchiveError::io("look at", "a part", error))
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while let Some(part) = self.left.front_mut() {
            match part.read(buffer)? {
                0 => self.left.pop_front(),
                count => return Ok(count),
            };
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use sha1::Digest as _;

    use super::*;
    use crate::archive::extract_zip;
    use crate::archive::testing::{gzip, tar, tar_file};
    use crate::blobs::{BlobLimits, ResourcesLimits};

    const LINK: u32 = 0o120_777;
    const FILE: u32 = 0o100_644;
    const PROGRAM: u32 = 0o100_755;

    struct World {
        directory: tempfile::TempDir,
        blobs: Blobs,
        pool: Resources,
    }

    impl World {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let blobs = Blobs::open(directory.path().join("blobs"), BlobLimits::default());
            let limits = ResourcesLimits::UPLOADED;
            let pool = Resources::open(directory.path().join("files"), limits);
            Self {
                blobs: blobs.unwrap(),
                pool: pool.unwrap(),
                directory,
            }
        }

        async fn upload(&self, content: &'static [u8]) -> FileContent {
            let sha1 = Sha1Digest::new(sha1::Sha1::digest(content).into());
            let size_bytes = Some(content.len() as u64);
            let mut upload = self.pool.upload("team").await.unwrap();
            upload.push(Bytes::from_static(content)).await.unwrap();
            upload.finish(sha1, size_bytes).await.unwrap();
            FileContent::Known { sha1, size_bytes }
        }

        fn assemble(&self, files: &[SourceFile]) -> Result<Package, FilesError> {
            let source = SourceFiles {
                files,
                archive: Some("source.tgz"),
                scope: "team",
                limits: ArchiveLimits::PACKAGE,
            };
            let scratch = self.directory.path();
            let made = assemble_files(&self.blobs, &self.pool, &source, scratch);
            let left = fs::read_dir(scratch).unwrap().count();
            assert_eq!(left, 2, "nothing but the two stores");
            made
        }

        fn unpacked(&self, files: &[SourceFile]) -> tempfile::TempDir {
            let package = self.assemble(files).unwrap();
            let (file, _) = self.blobs.open_checked(&package.digest).unwrap();
            let tree = tempfile::tempdir().unwrap();
            extract_zip(file, tree.path(), ExtractOptions::default()).unwrap();
            tree
        }
    }

    fn file(path: &str, mode: u32, content: FileContent) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            mode,
            content,
        }
    }

    fn inline(content: &'static [u8]) -> FileContent {
        FileContent::Inline(Bytes::from_static(content))
    }

    #[tokio::test]
    async fn a_list_becomes_a_tree() {
        let world = World::new();
        let hello = world.upload(b"hello").await;
        let tree = world.unpacked(&[
            file("a.txt", FILE, hello.clone()),
            file("deep/b.txt", 0, hello),
            file("run.sh", PROGRAM, inline(b"#!/bin/sh\n")),
            file("latest", LINK, inline(b"deep/b.txt")),
            file("empty", 0o040_755, FileContent::Directory),
        ]);
        let read = |name: &str| fs::read_to_string(tree.path().join(name)).unwrap();
        assert_eq!(read("a.txt"), "hello");
        assert_eq!(read("latest"), "hello");
        let link = fs::read_link(tree.path().join("latest")).unwrap();
        assert_eq!(link, Path::new("deep/b.txt"));
        let mode = |name: &str| {
            let metadata = fs::metadata(tree.path().join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        assert_eq!((mode("a.txt"), mode("run.sh")), (0o644, 0o755));
        assert!(tree.path().join("empty").is_dir());
    }

    #[tokio::test]
    async fn what_is_not_there_is_named_once_and_nothing_is_made() {
        let world = World::new();
        let known = world.upload(b"known").await;
        let unknown = |byte: u8, size_bytes| FileContent::Known {
            sha1: Sha1Digest::new([byte; 20]),
            size_bytes,
        };
        let wrong_size = match &known {
            FileContent::Known { sha1, .. } => FileContent::Known {
                sha1: *sha1,
                size_bytes: Some(99),
            },
            FileContent::Inline(_) | FileContent::Directory => unreachable!(),
        };
        let files = [
            file("a", FILE, unknown(2, None)),
            file("b", FILE, known),
            file("c", FILE, unknown(1, Some(3))),
            file("d", FILE, unknown(2, None)),
        ];
        let error = world.assemble(&files).unwrap_err();
        let FilesError::Missing(missing) = error else {
            panic!("{error}")
        };
        assert_eq!(
            missing,
            [Sha1Digest::new([2; 20]), Sha1Digest::new([1; 20])]
        );
        let error = world.assemble(&[file("a", FILE, wrong_size)]).unwrap_err();
        assert!(matches!(error, FilesError::Missing(_)), "{error}");
        assert_eq!(world.blobs.used_bytes(), 0);
    }

    #[tokio::test]
    async fn an_archive_in_parts_is_unpacked() {
        let world = World::new();
        let tar = tar(&[
            tar_file("index.html", b"<h1>hi</h1>"),
            tar_file("x/y", b"z"),
        ]);
        let packed: &'static [u8] = gzip(&tar).leak();
        // Ten parts: their order is that of numbers.
        let parts: Vec<_> = (packed.chunks(packed.len().div_ceil(11)).enumerate())
            .map(|(index, part)| {
                let path = format!("source.tgz.part{}", index + 1);
                file(&path, 438, inline(part))
            })
            .rev()
            .collect();
        assert!(parts.len() > 9);
        let mut files = parts;
        files.push(file("beside.json", FILE, inline(b"{}")));
        let tree = world.unpacked(&files);
        let read = |name: &str| fs::read_to_string(tree.path().join(name)).unwrap();
        assert_eq!(read("index.html"), "<h1>hi</h1>");
        assert_eq!(read("x/y"), "z");
        assert_eq!(read("beside.json"), "{}");
        assert_eq!(fs::read_dir(tree.path()).unwrap().count(), 3);
    }

    #[tokio::test]
    async fn hostile_lists_are_refused() {
        let world = World::new();
        let plain = |path: &str| file(path, FILE, inline(b"x"));
        let link = |path: &str, target: &'static [u8]| file(path, LINK, inline(target));
        let evil_tar = gzip(&tar(&[tar_file("../evil", b"x")])).leak();
        let cases: [(&[SourceFile], &str); 11] = [
            (&[], "neither bits nor resources"),
            (&[plain("../evil")], "contains \"..\""),
            (&[plain("/etc/passwd")], "absolute"),
            (&[plain("a\0b")], "NUL"),
            (&[plain("a"), plain("a")], "twice"),
            (&[plain("a"), plain("a/b")], "both a directory and"),
            (&[plain("a/")], "a directory has content"),
            (&[link("a", b"../../etc/passwd")], "leads out"),
            (&[link("a", b"/etc/passwd")], "absolute"),
            (&[link("d", b"."), plain("d/x")], "both a directory and"),
            (
                &[file("source.tgz.part1", FILE, inline(evil_tar))],
                "contains \"..\"",
            ),
        ];
        for (files, expected) in cases {
            let error = world.assemble(files).unwrap_err();
            let FilesError::Assemble(error) = error else {
                panic!("{files:?}: {error}")
            };
            assert!(error.is_refusal(), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        let many: Vec<_> = (0..=FILES).map(|n| plain(&n.to_string())).collect();
        assert!(matches!(world.assemble(&many), Err(FilesError::TooMany)));
    }
}
