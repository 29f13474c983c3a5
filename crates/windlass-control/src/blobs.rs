//! Content-addressed files: packages, droplets and build caches.
//!
//! A blob is in place only whole: it is written to a temporary file, synced, renamed to its digest,
//! and the directory is synced. What is read is compared with the digest again.
//! Nothing here knows who refers to a blob; [`Blobs::collect`] is told.

mod digest;
mod read;
mod resources;
mod sweep;
mod upload;
mod write;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use digest::{BadDigest, Digest, Sha1Digest};
pub use read::VerifiedReader;
pub use resources::{Resources, ResourcesLimits};
pub use sweep::{BlobEntry, Collected};
pub use upload::{FileUpload, FileUploadError};
pub use write::{AsyncBlobWriter, BlobWriter, Stored};

/// How much a store may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobLimits {
    /// One blob, in bytes.
    pub blob_bytes: u64,
    /// All blobs together with those being written, in bytes.
    pub total_bytes: u64,
}

impl Default for BlobLimits {
    /// 1 GiB a blob, 20 GiB in all.
    fn default() -> Self {
        const GIB: u64 = 1024 * 1024 * 1024;
        Self {
            blob_bytes: GIB,
            total_bytes: 20 * GIB,
        }
    }
}

/// A directory of blobs: `<root>/<first two digits>/<SHA-256>`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    limits: BlobLimits,
    /// Bytes of all blobs, and of temporary files as they grow.
    used_bytes: AtomicU64,
    /// Held while a blob comes or goes, never while content is written.
    /// Without it: collect sees an old unreferenced blob, a writer finishes the same content and
    /// finds it in place, collect removes it.
    changes: Mutex<()>,
}

/// Why a blob was not stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// This content is too large.
    #[error("the upload is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit of one blob in bytes.
        limit_bytes: u64,
    },
    /// The store is full.
    #[error(
        "the blob store is full: {used_bytes} of {limit_bytes} bytes are in use; \
         delete packages and droplets, or raise `storage_max_mb`"
    )]
    Full {
        /// The limit of the store in bytes.
        limit_bytes: u64,
        /// What it holds, in bytes.
        used_bytes: u64,
    },
    /// There is no such blob.
    #[error("there is no blob {0}")]
    Missing(Digest),
    /// The file does not have the content that its name says.
    #[error("blob {0} is damaged on disk; upload or stage it again")]
    Corrupt(Digest),
    /// The machine failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The thread that did the work is gone: the server is shutting down.
    #[error("the server is shutting down")]
    Stopped,
}

impl BlobError {
    fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}

const DIRECTORY_MODE: u32 = 0o700;
/// Temporary files lie below the root: a rename works only within one file system.
const TEMPORARY: &str = "tmp";

impl Blobs {
    /// Opens the store, makes its directories and removes what an earlier process left half
    /// written.
    pub fn open(root: impl Into<PathBuf>, limits: BlobLimits) -> Result<Self, BlobError> {
        let root = root.into();
        private_directory(&root)?;
        private_directory(&root.join(TEMPORARY))?;
        for first in 0..=u8::MAX {
            private_directory(&root.join(hex::encode([first])))?;
        }
        sync_directory(&root)?;
        let inner = Inner {
            root,
            limits,
            used_bytes: AtomicU64::new(0),
            changes: Mutex::new(()),
        };
        let blobs = Self {
            inner: Arc::new(inner),
        };
        blobs.remove_temporary()?;
        let used_bytes = blobs.list()?.iter().map(|entry| entry.size_bytes).sum();
        blobs.inner.used_bytes.store(used_bytes, Ordering::Relaxed);
        Ok(blobs)
    }

    /// Bytes in use: blobs in place and what is being written.
    pub fn used_bytes(&self) -> u64 {
        self.inner.used_bytes.load(Ordering::Relaxed)
    }

    /// What this store may hold.
    pub fn limits(&self) -> BlobLimits {
        self.inner.limits
    }

    /// Whether there is such a blob (its content is not read).
    pub fn contains(&self, digest: &Digest) -> bool {
        self.path(digest).is_file()
    }

    /// The size of a blob in bytes.
    pub fn size_bytes(&self, digest: &Digest) -> Result<u64, BlobError> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(self.missing_or(digest, "look at", error)),
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.inner.root.join(&name[..2]).join(name)
    }

    fn missing_or(
        &self,
        digest: &Digest,
        action: &'static str,
        error: std::io::Error,
    ) -> BlobError {
        if error.kind() == std::io::ErrorKind::NotFound {
            BlobError::Missing(*digest)
        } else {
            BlobError::io(action, &self.path(digest), error)
        }
    }

    fn lock_changes(&self) -> MutexGuard<'_, ()> {
        // It guards no data: a panic elsewhere leaves nothing half done that is not on disk.
        self.inner
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes room for `bytes` more, or says that the store is full.
    fn reserve(&self, bytes: u64) -> Result<(), BlobError> {
        let limit_bytes = self.inner.limits.total_bytes;
        let before = self.inner.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > limit_bytes {
            self.release(bytes);
            return Err(BlobError::Full {
                limit_bytes,
                used_bytes: before,
            });
        }
        Ok(())
    }

    fn release(&self, bytes: u64) {
        let _ = self
            .inner
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(bytes))
            });
    }
}

fn private_directory(path: &Path) -> Result<(), BlobError> {
    match DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(path)
    {
        Ok(()) => Ok(()),
        Err(error) => Err(BlobError::io("create directory", path, error)),
    }
}

fn sync_directory(path: &Path) -> Result<(), BlobError> {
    fs::File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| BlobError::io("sync directory", path, error))
}

/// Runs blocking file work on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(BlobError::Stopped))
}
