//! Listing and removing blobs.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File, TryLockError};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{BlobError, Blobs, Digest, TEMPORARY, blocking};

/// One blob of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// When this content was last stored.
    pub stored_at: SystemTime,
}

/// What a collection removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Blobs.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Blobs {
    /// All blobs in place. Files that are not named like a blob are left out.
    pub fn list(&self) -> Result<Vec<BlobEntry>, BlobError> {
        let mut entries = Vec::new();
        for first in 0..=u8::MAX {
            let directory = self.inner.root.join(hex::encode([first]));
            for file in read_directory(&directory)? {
                let name = file.file_name();
                let Some(digest) = name.to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                // Gone since the directory was read.
                let Ok(metadata) = file.metadata() else {
                    continue;
                };
                let stored_at = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                entries.push(BlobEntry {
                    digest,
                    size_bytes: metadata.len(),
                    stored_at,
                });
            }
        }
        Ok(entries)
    }

    /// Removes every blob that nobody refers to and that was stored more than `min_age` before
    /// `now`.
    /// The age protects a blob whose row is not committed yet: it must exceed the longest time
    /// between storing and committing.
    pub fn collect(
        &self,
        referenced: &HashSet<Digest>,
        min_age: Duration,
        now: SystemTime,
    ) -> Result<Collected, BlobError> {
        let mut collected = Collected::default();
        for entry in self.list()? {
            if referenced.contains(&entry.digest) {
                continue;
            }
            if let Some(bytes) = self.remove_if_older(&entry.digest, min_age, now)? {
                collected.blobs += 1;
                collected.bytes += bytes;
            }
        }
        Ok(collected)
    }

    /// As [`Blobs::collect`], on a blocking thread.
    pub async fn collect_async(
        &self,
        referenced: HashSet<Digest>,
        min_age: Duration,
        now: SystemTime,
    ) -> Result<Collected, BlobError> {
        let blobs = self.clone();
        blocking(move || blobs.collect(&referenced, min_age, now)).await
    }

    fn remove_if_older(
        &self,
        digest: &Digest,
        min_age: Duration,
        now: SystemTime,
    ) -> Result<Option<u64>, BlobError> {
        let _changes = self.lock_changes();
        let path = self.path(digest);
        // Looked at again under the lock: the same content may have been stored since the list.
        let Ok(metadata) = fs::metadata(&path) else {
            return Ok(None);
        };
        let stored_at = metadata.modified().unwrap_or(now);
        let age = now.duration_since(stored_at).unwrap_or_default();
        if age <= min_age {
            return Ok(None);
        }
        fs::remove_file(&path).map_err(|error| BlobError::io("remove", &path, error))?;
        self.release(metadata.len());
        Ok(Some(metadata.len()))
    }

    /// Removes temporary files of processes that are gone; those in use are locked.
    pub(super) fn remove_temporary(&self) -> Result<(), BlobError> {
        for entry in read_directory(&self.inner.root.join(TEMPORARY))? {
            let path = entry.path();
            let Ok(file) = File::open(&path) else {
                continue;
            };
            match file.try_lock() {
                Ok(()) => {
                    fs::remove_file(&path)
                        .map_err(|error| BlobError::io("remove", &path, error))?;
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(BlobError::io("lock", &path, error));
                }
            }
        }
        Ok(())
    }
}

fn read_directory(path: &Path) -> Result<Vec<DirEntry>, BlobError> {
    fs::read_dir(path)
        .and_then(Iterator::collect)
        .map_err(|error| BlobError::io("list", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::BlobLimits;

    const HOUR: Duration = Duration::from_hours(1);

    fn open(path: &Path) -> Blobs {
        Blobs::open(path, BlobLimits::default()).unwrap()
    }

    #[test]
    fn only_old_unreferenced_blobs_are_collected() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = open(directory.path());
        let kept = blobs.put(b"referenced").unwrap();
        let gone = blobs.put(b"unreferenced").unwrap();
        let referenced = HashSet::from([kept.digest]);

        let soon = SystemTime::now() + HOUR / 2;
        let collected = blobs.collect(&referenced, HOUR, soon).unwrap();
        assert_eq!(
            collected,
            Collected::default(),
            "too young: its row may come"
        );

        let later = SystemTime::now() + 2 * HOUR;
        let collected = blobs.collect(&referenced, HOUR, later).unwrap();
        assert_eq!(
            collected,
            Collected {
                blobs: 1,
                bytes: 12
            }
        );
        assert!(blobs.contains(&kept.digest));
        assert!(!blobs.contains(&gone.digest));
        assert_eq!(blobs.used_bytes(), 10);
    }

    #[test]
    fn storing_again_makes_a_blob_young() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = open(directory.path());
        let stored = blobs.put(b"content").unwrap();
        let old = File::options()
            .write(true)
            .open(blobs.path(&stored.digest))
            .unwrap();
        old.set_modified(SystemTime::now() - 10 * HOUR).unwrap();
        blobs.put(b"content").unwrap();
        let collected = blobs
            .collect(&HashSet::new(), HOUR, SystemTime::now())
            .unwrap();
        assert_eq!(collected, Collected::default());
    }

    #[test]
    fn a_start_removes_what_a_crash_left_but_not_what_is_being_written() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = open(directory.path());
        let temporary = directory.path().join(TEMPORARY);
        fs::write(temporary.join("1-0"), b"left by a crash").unwrap();
        let mut writer = blobs.writer(false).unwrap();
        writer.push(b"still growing").unwrap();

        let again = open(directory.path());
        let names: Vec<_> = read_directory(&temporary).unwrap();
        assert_eq!(names.len(), 1, "only the locked one stays");
        assert_eq!(again.used_bytes(), 0);

        let stored = writer.finish().unwrap();
        assert!(again.contains(&stored.digest));
        assert_eq!(open(directory.path()).used_bytes(), 13);
    }

    #[test]
    fn strange_files_are_not_blobs() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = open(directory.path());
        fs::write(directory.path().join("ab").join("notes.txt"), b"x").unwrap();
        assert_eq!(blobs.list().unwrap(), Vec::new());
    }
}
