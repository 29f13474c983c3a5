//! Files that a client need not upload again.
//!
//! A client sends the SHA-1 of each of its files and leaves out those that the server has.
//! What is known is known per scope (one user): nobody learns what others have uploaded, and a
//! made-up SHA-1 collision can harm only its maker.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use sha1::{Digest as _, Sha1};

use super::{BlobError, Sha1Digest, private_directory};
use crate::archive::{ArchiveError, ArchiveLimits, FoundKind, walk};

/// Which files are kept, and how many bytes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourcesLimits {
    /// Smaller files are cheaper to upload than to ask about, in bytes.
    pub min_file_bytes: u64,
    /// Larger files are not kept, in bytes.
    pub max_file_bytes: u64,
    /// All files of all scopes, in bytes; those not used for longest go first.
    pub total_bytes: u64,
}

impl ResourcesLimits {
    /// For files that clients upload one by one: up to 1 GiB a file, 8 GiB in all.
    pub const UPLOADED: Self = Self {
        min_file_bytes: 0,
        max_file_bytes: 1024 * 1024 * 1024,
        total_bytes: 8 * 1024 * 1024 * 1024,
    };
}

impl Default for ResourcesLimits {
    /// 64 KiB to 512 MiB a file, 4 GiB in all.
    fn default() -> Self {
        const KIB: u64 = 1024;
        Self {
            min_file_bytes: 64 * KIB,
            max_file_bytes: 512 * KIB * KIB,
            total_bytes: 4 * KIB * KIB * KIB,
        }
    }
}

/// The known files: `<root>/<scope>/<SHA-1>`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Resources {
    root: PathBuf,
    pub(super) limits: ResourcesLimits,
    /// Bytes of all files, and of those being uploaded as they grow: so that the files are listed
    /// only when some have to go.
    pub(super) used_bytes: Arc<AtomicU64>,
}

const BUFFER_BYTES: usize = 64 * 1024;
const SCOPE_CHARS: usize = 64;

impl Resources {
    /// Opens the pool and removes half-written files.
    pub fn open(root: impl Into<PathBuf>, limits: ResourcesLimits) -> Result<Self, BlobError> {
        let root = root.into();
        private_directory(&root)?;
        let resources = Self {
            root,
            limits,
            used_bytes: Arc::default(),
        };
        for file in resources.files()? {
            if file.is_whole {
                resources.count(file.size_bytes);
            } else {
                remove(&file.path)?;
            }
        }
        Ok(resources)
    }

    /// Whether a file of this SHA-1 and size is known in the scope. Marks it as used.
    pub fn knows(&self, scope: &str, sha1: &Sha1Digest, size_bytes: u64) -> bool {
        self.knows_any(scope, sha1, Some(size_bytes))
    }

    /// The same for a client that may not say the size.
    pub fn knows_any(&self, scope: &str, sha1: &Sha1Digest, size_bytes: Option<u64>) -> bool {
        let Some(path) = self.path(scope, sha1) else {
            return false;
        };
        let fits = |found| size_bytes.is_none_or(|size_bytes| size_bytes == found);
        match File::options().append(true).open(path) {
            Ok(file) if file.metadata().is_ok_and(|it| fits(it.len())) => {
                // So that it is not the next to go, between the question and the upload.
                let _ = file.set_modified(SystemTime::now());
                true
            }
            Ok(_) | Err(_) => false,
        }
    }

    /// Opens a known file; its content has been compared with the SHA-1.
    pub fn open_file(&self, scope: &str, sha1: &Sha1Digest) -> Result<Option<File>, BlobError> {
        let Some(path) = self.path(scope, sha1) else {
            return Ok(None);
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BlobError::io("open", &path, error)),
        };
        let found = copy_hashed(&mut file, &mut std::io::sink())
            .map_err(|error| BlobError::io("read", &path, error))?;
        if found != *sha1 {
            let size_bytes = file.metadata().map_or(0, |metadata| metadata.len());
            self.forget(&path, size_bytes)?;
            return Ok(None);
        }
        let file = File::open(&path).map_err(|error| BlobError::io("open", &path, error))?;
        Ok(Some(file))
    }

    /// Remembers the files of an unpacked package that are neither too small nor too large, then
    /// removes the oldest ones beyond the limit. Returns how many files are new.
    pub fn remember(&self, scope: &str, directory: &Path) -> Result<u64, ArchiveError> {
        let mut new = 0;
        let Some(scope_directory) = self.scope_directory(scope) else {
            return Ok(0);
        };
        private_directory(&scope_directory).map_err(into_archive_error)?;
        walk(directory, &ArchiveLimits::DROPLET, &mut |found| {
            if let FoundKind::File { size_bytes, .. } = found.kind
                && (self.limits.min_file_bytes..=self.limits.max_file_bytes).contains(&size_bytes)
            {
                let mut content = found.open()?;
                if add(&scope_directory, &mut content)? {
                    self.count(size_bytes);
                    new += 1;
                }
            }
            Ok(())
        })?;
        self.shrink().map_err(into_archive_error)?;
        Ok(new)
    }

    /// Removes the files not used for longest, when all together are too many.
    pub(super) fn shrink(&self) -> Result<(), BlobError> {
        if self.used_bytes.load(Ordering::Relaxed) <= self.limits.total_bytes {
            return Ok(());
        }
        let mut files = self.files()?;
        files.retain(|file| file.is_whole);
        files.sort_by_key(|file| file.used_at);
        let mut total_bytes: u64 = files.iter().map(|file| file.size_bytes).sum();
        for file in files {
            if total_bytes <= self.limits.total_bytes {
                break;
            }
            self.forget(&file.path, file.size_bytes)?;
            total_bytes -= file.size_bytes;
        }
        Ok(())
    }

    pub(super) fn count(&self, bytes: u64) {
        self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn discount(&self, bytes: u64) {
        let _ = self
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(bytes))
            });
    }

    fn forget(&self, path: &Path, size_bytes: u64) -> Result<(), BlobError> {
        remove(path)?;
        self.discount(size_bytes);
        Ok(())
    }

    fn files(&self) -> Result<Vec<KnownFile>, BlobError> {
        let mut files = Vec::new();
        for scope in list(&self.root)? {
            if !scope.is_dir() {
                continue;
            }
            for path in list(&scope)? {
                let Ok(metadata) = fs::metadata(&path) else {
                    continue;
                };
                let name = path.file_name().and_then(std::ffi::OsStr::to_str);
                files.push(KnownFile {
                    is_whole: name.is_some_and(|name| name.parse::<Sha1Digest>().is_ok()),
                    used_at: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                    size_bytes: metadata.len(),
                    path,
                });
            }
        }
        Ok(files)
    }

    pub(super) fn path(&self, scope: &str, sha1: &Sha1Digest) -> Option<PathBuf> {
        Some(self.scope_directory(scope)?.join(sha1.to_string()))
    }

    /// `None` when the scope cannot be the name of a directory: nothing is known there.
    pub(super) fn scope_directory(&self, scope: &str) -> Option<PathBuf> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = !scope.is_empty() && scope.len() <= SCOPE_CHARS && scope.chars().all(plain);
        fits.then(|| self.root.join(scope))
    }
}

struct KnownFile {
    path: PathBuf,
    size_bytes: u64,
    used_at: SystemTime,
    is_whole: bool,
}

fn add(scope_directory: &Path, content: &mut File) -> Result<bool, ArchiveError> {
    // No sync: a file that does not match its name after a crash is not used.
    let mut temporary = tempfile::Builder::new()
        .prefix("new-")
        .tempfile_in(scope_directory)
        .map_err(|error| ArchiveError::io("create a file in", scope_directory, error))?;
    let sha1 = copy_hashed(content, &mut temporary)
        .map_err(|error| ArchiveError::io("write", temporary.path(), error))?;
    let path = scope_directory.join(sha1.to_string());
    let is_new = !path.exists();
    if is_new {
        temporary
            .persist(&path)
            .map_err(|error| ArchiveError::io("rename", &path, error.error))?;
    }
    Ok(is_new)
}

fn remove(path: &Path) -> Result<(), BlobError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(BlobError::io("remove", path, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, BlobError> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match entries {
        Ok(entries) => Ok(entries.iter().map(fs::DirEntry::path).collect()),
        Err(error) => Err(BlobError::io("list", directory, error)),
    }
}

fn copy_hashed(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<Sha1Digest> {
    let mut sha1 = Sha1::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer)?;
        if count == 0 {
            return Ok(Sha1Digest::new(sha1.finalize().into()));
        }
        sha1.update(&buffer[..count]);
        to.write_all(&buffer[..count])?;
    }
}

fn into_archive_error(error: BlobError) -> ArchiveError {
    ArchiveError::io(
        "keep files in",
        "the resource pool",
        std::io::Error::other(error),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha1(content: &[u8]) -> Sha1Digest {
        Sha1Digest::new(Sha1::digest(content).into())
    }

    fn pool(limits: ResourcesLimits) -> (tempfile::TempDir, Resources) {
        let directory = tempfile::tempdir().unwrap();
        let pool = Resources::open(directory.path().join("resources"), limits).unwrap();
        (directory, pool)
    }

    #[test]
    fn known_files_stay_within_their_scope() {
        let (directory, pool) = pool(ResourcesLimits {
            min_file_bytes: 4,
            ..Default::default()
        });
        let package = directory.path().join("package");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("big"), b"big file").unwrap();
        fs::write(package.join("small"), b"abc").unwrap();
        assert_eq!(pool.remember("user-1", &package).unwrap(), 1);
        assert_eq!(pool.remember("user-1", &package).unwrap(), 0);

        let big = sha1(b"big file");
        assert!(pool.knows("user-1", &big, 8));
        assert!(!pool.knows("user-1", &big, 9), "same SHA-1, other size");
        assert!(!pool.knows("user-1", &sha1(b"abc"), 3), "too small");
        assert!(
            !pool.knows("user-2", &big, 8),
            "another tenant learns nothing"
        );
        assert!(!pool.knows("../user-1", &big, 8));
        let mut content = String::new();
        pool.open_file("user-1", &big)
            .unwrap()
            .unwrap()
            .read_to_string(&mut content)
            .unwrap();
        assert_eq!(content, "big file");
    }

    #[test]
    fn a_damaged_file_is_forgotten() {
        let (directory, pool) = pool(ResourcesLimits {
            min_file_bytes: 1,
            ..Default::default()
        });
        let package = directory.path().join("package");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("a"), b"right").unwrap();
        pool.remember("u", &package).unwrap();
        let digest = sha1(b"right");
        fs::write(pool.path("u", &digest).unwrap(), b"wrong").unwrap();
        assert!(pool.open_file("u", &digest).unwrap().is_none());
        assert!(!pool.knows("u", &digest, 5));
    }

    #[test]
    fn the_longest_unused_go_first_and_leftovers_go_at_start() {
        let limits = ResourcesLimits {
            min_file_bytes: 1,
            max_file_bytes: 100,
            total_bytes: 10,
        };
        let (directory, pool) = pool(limits);
        let package = directory.path().join("package");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("old"), b"old----").unwrap();
        pool.remember("u", &package).unwrap();
        let old = pool.path("u", &sha1(b"old----")).unwrap();
        let file = File::options().write(true).open(&old).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        fs::remove_file(package.join("old")).unwrap();
        fs::write(package.join("new"), b"new----").unwrap();
        pool.remember("u", &package).unwrap();
        assert!(!old.exists());
        assert!(pool.knows("u", &sha1(b"new----"), 7));

        let leftover = pool.root.join("u").join("new-abc123");
        fs::write(&leftover, b"half").unwrap();
        Resources::open(&pool.root, limits).unwrap();
        assert!(!leftover.exists());
    }
}
