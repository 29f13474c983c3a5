//! A single file that a client uploads under its SHA-1, before it says what the file is for.

use std::io::Write;

use bytes::Bytes;
use sha1::{Digest as _, Sha1};
use tempfile::NamedTempFile;

use super::{BlobError, Resources, Sha1Digest, blocking, private_directory};

/// Takes the content of one file. Dropped without [`FileUpload::finish`], nothing of it stays.
#[derive(Debug)]
pub struct FileUpload {
    /// `None` after an error.
    writer: Option<Writer>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    scope: String,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FileUploadError {
    /// Its content has another SHA-1.
    #[error("the content has the SHA-1 {found}, not {expected}")]
    Digest {
        /// What the client said.
        expected: Sha1Digest,
        /// What it sent.
        found: Sha1Digest,
    },
    /// It has another size.
    #[error("the content has {found_bytes} bytes, not {expected_bytes}")]
    Size {
        /// What the client said.
        expected_bytes: u64,
        /// What it sent.
        found_bytes: u64,
    },
    /// The pool.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// So many bytes are collected before a thread is asked to write them.
const BATCH_BYTES: usize = 256 * 1024;

impl Resources {
    /// Begins a file of a scope.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub async fn upload(&self, scope: &str) -> Result<FileUpload, BlobError> {
        let (resources, scope) = (self.clone(), scope.to_owned());
        let writer = {
            let scope = scope.clone();
            blocking(move || Writer::new(resources, &scope)).await?
        };
        Ok(FileUpload {
            writer: Some(writer),
            waiting: Vec::new(),
            waiting_bytes: 0,
            scope,
        })
    }
}

impl FileUpload {
    /// Appends a piece. Not to be called again after an error.
    ///
    /// # Errors
    /// [`BlobError::TooLarge`]; [`BlobError::Full`] when too much is being uploaded.
    pub async fn push(&mut self, piece: Bytes) -> Result<(), BlobError> {
        self.waiting_bytes += piece.len();
        self.waiting.push(piece);
        if self.waiting_bytes < BATCH_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    /// Compares the content with what the client said and keeps it.
    ///
    /// # Errors
    /// [`FileUploadError`].
    pub async fn finish(
        mut self,
        sha1: Sha1Digest,
        size_bytes: Option<u64>,
    ) -> Result<(), FileUploadError> {
        self.flush().await?;
        let writer = self.writer.take().ok_or(BlobError::Stopped)?;
        let scope = std::mem::take(&mut self.scope);
        let kept = blocking(move || Ok(writer.finish(&scope, sha1, size_bytes)));
        kept.await?
    }

    async fn flush(&mut self) -> Result<(), BlobError> {
        let pieces = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let mut writer = self.writer.take().ok_or(BlobError::Stopped)?;
        let written = blocking(move || {
            for piece in &pieces {
                writer.push(piece)?;
            }
            Ok(writer)
        });
        self.writer = Some(written.await?);
        Ok(())
    }
}

#[derive(Debug)]
struct Writer {
    resources: Resources,
    file: NamedTempFile,
    sha1: Sha1,
    size_bytes: u64,
}

impl Writer {
    fn new(resources: Resources, scope: &str) -> Result<Self, BlobError> {
        let directory = resources.scope_directory(scope).ok_or_else(|| {
            let source = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            BlobError::io("keep files of", scope.as_ref(), source)
        })?;
        private_directory(&directory)?;
        let file = tempfile::Builder::new()
            .prefix("new-")
            .tempfile_in(&directory)
            .map_err(|error| BlobError::io("create a file in", &directory, error))?;
        Ok(Self {
            resources,
            file,
            sha1: Sha1::new(),
            size_bytes: 0,
        })
    }

    fn push(&mut self, piece: &[u8]) -> Result<(), BlobError> {
        let limits = self.resources.limits;
        let more_bytes = piece.len() as u64;
        if self.size_bytes.saturating_add(more_bytes) > limits.max_file_bytes {
            return Err(BlobError::TooLarge {
                limit_bytes: limits.max_file_bytes,
            });
        }
        // What is kept can go, what is being uploaded can't.
        let limit_bytes = limits.total_bytes.saturating_mul(2);
        let used_bytes = (self.resources.used_bytes).load(std::sync::atomic::Ordering::Relaxed);
        if used_bytes.saturating_add(more_bytes) > limit_bytes {
            return Err(BlobError::Full {
                limit_bytes,
                used_bytes,
            });
        }
        self.size_bytes += more_bytes;
        self.resources.count(more_bytes);
        self.sha1.update(piece);
        self.file
            .write_all(piece)
            .map_err(|error| BlobError::io("write", self.file.path(), error))
    }

    fn finish(
        mut self,
        scope: &str,
        expected: Sha1Digest,
        expected_bytes: Option<u64>,
    ) -> Result<(), FileUploadError> {
        if let Some(expected_bytes) = expected_bytes
            && expected_bytes != self.size_bytes
        {
            return Err(FileUploadError::Size {
                expected_bytes,
                found_bytes: self.size_bytes,
            });
        }
        let found = Sha1Digest::new(std::mem::take(&mut self.sha1).finalize().into());
        if found != expected {
            return Err(FileUploadError::Digest { expected, found });
        }
        let Some(path) = self.resources.path(scope, &expected) else {
            return Err(BlobError::Stopped.into());
        };
        // Also when it is known: the new content is right, the old may be damaged.
        let replaced_bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        let kept_bytes = self.size_bytes;
        // No sync: a file that does not match its name after a crash is not used.
        std::fs::rename(self.file.path(), &path)
            .map_err(|error| BlobError::io("rename", &path, error))?;
        self.resources.discount(replaced_bytes);
        // They are counted on: dropping the writer takes them off.
        self.resources.count(kept_bytes);
        let resources = self.resources.clone();
        drop(self);
        Ok(resources.shrink()?)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.resources.discount(self.size_bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;
    use crate::blobs::ResourcesLimits;

    const SCOPE: &str = "team-1";

    fn sha1(content: &[u8]) -> Sha1Digest {
        Sha1Digest::new(Sha1::digest(content).into())
    }

    fn pool(limits: ResourcesLimits) -> (tempfile::TempDir, Resources) {
        let directory = tempfile::tempdir().unwrap();
        let pool = Resources::open(directory.path(), limits).unwrap();
        (directory, pool)
    }

    async fn upload(
        pool: &Resources,
        content: &'static [u8],
        digest: Sha1Digest,
        size_bytes: Option<u64>,
    ) -> Result<(), FileUploadError> {
        let mut upload = pool.upload(SCOPE).await?;
        upload.push(Bytes::from_static(content)).await?;
        upload.finish(digest, size_bytes).await
    }

    fn files(directory: &tempfile::TempDir) -> usize {
        fs::read_dir(directory.path().join(SCOPE)).unwrap().count()
    }

    #[tokio::test]
    async fn an_uploaded_file_is_known_in_its_scope() {
        let (_directory, pool) = pool(ResourcesLimits::default());
        let digest = sha1(b"content");
        upload(&pool, b"content", digest, Some(7)).await.unwrap();
        upload(&pool, b"content", digest, None).await.unwrap();
        assert!(pool.knows_any(SCOPE, &digest, None));
        assert!(pool.knows(SCOPE, &digest, 7));
        assert!(!pool.knows(SCOPE, &digest, 8));
        assert!(!pool.knows_any("team-2", &digest, None));
        let mut content = String::new();
        let mut file = pool.open_file(SCOPE, &digest).unwrap().unwrap();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
        assert_eq!(
            pool.used_bytes.load(std::sync::atomic::Ordering::Relaxed),
            7
        );
    }

    #[tokio::test]
    async fn what_is_not_as_announced_is_not_kept() {
        let (directory, pool) = pool(ResourcesLimits {
            max_file_bytes: 8,
            ..ResourcesLimits::default()
        });
        let digest = sha1(b"content");
        let other = upload(&pool, b"CONTENT", digest, Some(7))
            .await
            .unwrap_err();
        assert!(matches!(other, FileUploadError::Digest { .. }), "{other}");
        let short = upload(&pool, b"content", digest, Some(9))
            .await
            .unwrap_err();
        assert!(matches!(short, FileUploadError::Size { .. }), "{short}");
        let long = upload(&pool, b"long content", digest, None)
            .await
            .unwrap_err();
        assert!(
            matches!(
                long,
                FileUploadError::Blob(BlobError::TooLarge { limit_bytes: 8 })
            ),
            "{long}"
        );
        let mut broken_off = pool.upload(SCOPE).await.unwrap();
        broken_off.push(Bytes::from_static(b"half")).await.unwrap();
        broken_off.flush().await.unwrap();
        drop(broken_off);
        assert!(!pool.knows_any(SCOPE, &digest, None));
        assert_eq!(files(&directory), 0, "nothing stays");
        assert_eq!(
            pool.used_bytes.load(std::sync::atomic::Ordering::Relaxed),
            0
        );
        assert!(pool.upload("../team").await.is_err());
    }

    #[tokio::test]
    async fn the_pool_is_bounded() {
        let (directory, pool) = pool(ResourcesLimits {
            min_file_bytes: 0,
            max_file_bytes: 100,
            total_bytes: 10,
        });
        upload(&pool, b"first--", sha1(b"first--"), None)
            .await
            .unwrap();
        let first = pool.path(SCOPE, &sha1(b"first--")).unwrap();
        let file = fs::File::options().write(true).open(first).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        upload(&pool, b"second-", sha1(b"second-"), None)
            .await
            .unwrap();
        assert!(!pool.knows_any(SCOPE, &sha1(b"first--"), None));
        assert!(pool.knows_any(SCOPE, &sha1(b"second-"), None));
        assert_eq!(files(&directory), 1);

        let mut unfinished = pool.upload(SCOPE).await.unwrap();
        unfinished
            .push(Bytes::from_static(b"1234567890"))
            .await
            .unwrap();
        unfinished.flush().await.unwrap();
        let error = upload(&pool, b"third--", sha1(b"third--"), None)
            .await
            .unwrap_err();
        assert!(
            matches!(error, FileUploadError::Blob(BlobError::Full { .. })),
            "{error}"
        );
        drop(unfinished);
        upload(&pool, b"third--", sha1(b"third--"), None)
            .await
            .unwrap();
    }
}
