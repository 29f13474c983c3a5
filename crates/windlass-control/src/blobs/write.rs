//! Writing a blob: hash while writing, sync, rename, sync the directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::{BlobError, Blobs, Digest, Sha1Digest, TEMPORARY, blocking, sync_directory};
use crate::crash_point::crash_point;

/// A blob that is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its SHA-1, when asked for.
    pub sha1: Option<Sha1Digest>,
}

/// Takes the content of one blob. Blocking; see [`AsyncBlobWriter`] for async code.
/// Dropped without [`BlobWriter::finish`], nothing of it stays.
#[derive(Debug)]
pub struct BlobWriter {
    blobs: Blobs,
    file: File,
    temporary: PathBuf,
    sha256: Sha256,
    sha1: Option<Sha1>,
    size_bytes: u64,
    /// Set once the temporary file has become the blob.
    in_place: bool,
}

/// Tells temporary files of one process apart.
static NEXT: AtomicU64 = AtomicU64::new(0);
const FILE_MODE: u32 = 0o600;

impl Blobs {
    /// Begins a blob. `with_sha1` computes its SHA-1 too.
    pub fn writer(&self, with_sha1: bool) -> Result<BlobWriter, BlobError> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{number}", std::process::id());
        let temporary = self.inner.root.join(TEMPORARY).join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&temporary)
            .map_err(|error| BlobError::io("create", &temporary, error))?;
        let writer = BlobWriter {
            blobs: self.clone(),
            file,
            temporary,
            sha256: Sha256::new(),
            sha1: with_sha1.then(Sha1::new),
            size_bytes: 0,
            in_place: false,
        };
        // The lock says "in use" to another process that opens the store (while the server is
        // replaced by a newer one, two are alive).
        match writer.file.try_lock() {
            Ok(()) => Ok(writer),
            Err(TryLockError::WouldBlock) => {
                let source = std::io::Error::from(std::io::ErrorKind::WouldBlock);
                Err(BlobError::io("lock", &writer.temporary, source))
            }
            Err(TryLockError::Error(error)) => Err(BlobError::io("lock", &writer.temporary, error)),
        }
    }

    /// Stores content that is in memory.
    pub fn put(&self, content: &[u8]) -> Result<Stored, BlobError> {
        let mut writer = self.writer(false)?;
        writer.push(content)?;
        writer.finish()
    }

    /// Begins a blob for async code.
    pub async fn async_writer(&self, with_sha1: bool) -> Result<AsyncBlobWriter, BlobError> {
        let blobs = self.clone();
        let writer = blocking(move || blobs.writer(with_sha1)).await?;
        Ok(AsyncBlobWriter {
            writer: Some(writer),
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }
}

impl BlobWriter {
    /// Appends content.
    pub fn push(&mut self, content: &[u8]) -> Result<(), BlobError> {
        let more_bytes = content.len() as u64;
        let limit_bytes = self.blobs.inner.limits.blob_bytes;
        if self.size_bytes.saturating_add(more_bytes) > limit_bytes {
            return Err(BlobError::TooLarge { limit_bytes });
        }
        self.blobs.reserve(more_bytes)?;
        self.size_bytes += more_bytes;
        self.sha256.update(content);
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(content);
        }
        self.file
            .write_all(content)
            .map_err(|error| BlobError::io("write", &self.temporary, error))
    }

    /// Bytes so far.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Puts the blob in place; after this it survives a loss of power.
    pub fn finish(mut self) -> Result<Stored, BlobError> {
        self.file
            .sync_all()
            .map_err(|error| BlobError::io("sync", &self.temporary, error))?;
        let digest = Digest::new(std::mem::take(&mut self.sha256).finalize().into());
        let sha1 = self
            .sha1
            .take()
            .map(|sha1| Sha1Digest::new(sha1.finalize().into()));
        let path = self.blobs.path(&digest);
        {
            let _changes = self.blobs.lock_changes();
            let replaced_bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            // Also when the blob exists: the new file is known to be right, the old one may be
            // damaged, and its age begins anew, so that collect leaves it.
            crash_point!("control-blob-before-rename");
            fs::rename(&self.temporary, &path)
                .map_err(|error| BlobError::io("rename", &self.temporary, error))?;
            crash_point!("control-blob-renamed");
            self.in_place = true;
            self.blobs.release(replaced_bytes);
        }
        if let Some(directory) = path.parent() {
            sync_directory(directory)?;
        }
        Ok(Stored {
            digest,
            size_bytes: self.size_bytes,
            sha1,
        })
    }
}

impl Drop for BlobWriter {
    fn drop(&mut self) {
        if !self.in_place {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&self.temporary);
            self.blobs.release(self.size_bytes);
        }
    }
}

impl Write for BlobWriter {
    fn write(&mut self, content: &[u8]) -> std::io::Result<usize> {
        self.push(content).map_err(std::io::Error::other)?;
        Ok(content.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Takes the content of one blob chunk by chunk; files are written on blocking threads.
#[derive(Debug)]
pub struct AsyncBlobWriter {
    /// `None` after an error: what was written is gone then.
    writer: Option<BlobWriter>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
}

/// So many bytes are collected before a thread is asked to write them.
const BATCH_BYTES: usize = 256 * 1024;

impl AsyncBlobWriter {
    /// Appends a chunk. Not to be called again after an error.
    pub async fn push(&mut self, chunk: Bytes) -> Result<(), BlobError> {
        self.waiting_bytes += chunk.len();
        self.waiting.push(chunk);
        if self.waiting_bytes < BATCH_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    /// Puts the blob in place.
    pub async fn finish(mut self) -> Result<Stored, BlobError> {
        self.flush().await?;
        let writer = self.writer.take().ok_or(BlobError::Stopped)?;
        blocking(move || writer.finish()).await
    }

    async fn flush(&mut self) -> Result<(), BlobError> {
        let chunks = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let mut writer = self.writer.take().ok_or(BlobError::Stopped)?;
        let writer = blocking(move || {
            for chunk in &chunks {
                writer.push(chunk)?;
            }
            Ok(writer)
        });
        self.writer = Some(writer.await?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::BlobLimits;

    fn store(limits: BlobLimits) -> (tempfile::TempDir, Blobs) {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path().join("blobs"), limits).unwrap();
        (directory, blobs)
    }

    fn temporary_files(blobs: &Blobs) -> usize {
        fs::read_dir(blobs.inner.root.join(TEMPORARY))
            .unwrap()
            .count()
    }

    #[test]
    fn the_name_is_the_sha_256() {
        let (_directory, blobs) = store(BlobLimits::default());
        let mut writer = blobs.writer(true).unwrap();
        writer.push(b"ab").unwrap();
        writer.push(b"c").unwrap();
        let stored = writer.finish().unwrap();
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(stored.digest.to_string(), sha256);
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(stored.sha1.unwrap().to_string(), sha1);
        assert_eq!(blobs.size_bytes(&stored.digest).unwrap(), 3);
        assert_eq!(blobs.used_bytes(), 3);
        assert_eq!(temporary_files(&blobs), 0);
    }

    #[test]
    fn the_same_content_counts_once() {
        let (_directory, blobs) = store(BlobLimits::default());
        let first = blobs.put(b"same").unwrap();
        let second = blobs.put(b"same").unwrap();
        assert_eq!(first, second);
        assert_eq!(blobs.used_bytes(), 4);
        assert_eq!(blobs.list().unwrap().len(), 1);
    }

    #[test]
    fn limits_are_kept_and_leave_nothing_behind() {
        let (_directory, blobs) = store(BlobLimits {
            blob_bytes: 10,
            total_bytes: 15,
        });
        blobs.put(&[1; 10]).unwrap();
        let too_large = blobs.put(&[2; 11]).unwrap_err();
        assert!(
            matches!(too_large, BlobError::TooLarge { limit_bytes: 10 }),
            "{too_large}"
        );
        let full = blobs.put(&[3; 6]).unwrap_err();
        assert!(
            matches!(
                full,
                BlobError::Full {
                    limit_bytes: 15,
                    used_bytes: 10
                }
            ),
            "{full}"
        );
        assert_eq!(blobs.used_bytes(), 10);
        assert_eq!(temporary_files(&blobs), 0);
        blobs.put(&[4; 5]).unwrap();
    }

    #[test]
    fn a_dropped_writer_leaves_nothing() {
        let (_directory, blobs) = store(BlobLimits::default());
        let mut writer = blobs.writer(false).unwrap();
        writer.push(b"half").unwrap();
        assert_eq!((blobs.used_bytes(), temporary_files(&blobs)), (4, 1));
        drop(writer);
        assert_eq!((blobs.used_bytes(), temporary_files(&blobs)), (0, 0));
    }

    #[tokio::test]
    async fn async_chunks_become_one_blob() {
        let (_directory, blobs) = store(BlobLimits::default());
        let mut writer = blobs.async_writer(true).await.unwrap();
        let chunk = Bytes::from(vec![7; 100_000]);
        for _ in 0..10 {
            writer.push(chunk.clone()).await.unwrap();
        }
        let stored = writer.finish().await.unwrap();
        assert_eq!(stored.size_bytes, 1_000_000);
        assert_eq!(
            stored.digest,
            blobs.put(&vec![7; 1_000_000]).unwrap().digest
        );
        assert!(stored.sha1.is_some());
    }
}
