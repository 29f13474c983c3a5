//! Reading a blob, compared with its digest.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use sha2::{Digest as _, Sha256};

use super::{BlobError, Blobs, Digest, blocking};

/// Reads a blob once from begin to end. The last read fails with
/// [`std::io::ErrorKind::InvalidData`] when the content is not what the digest says: whoever acts on
/// the content reads it to its end first.
#[derive(Debug)]
pub struct VerifiedReader {
    file: File,
    size_bytes: u64,
    sha256: Sha256,
    digest: Digest,
}

const BUFFER_BYTES: usize = 128 * 1024;

impl Blobs {
    /// Opens a blob for one pass; it is verified at its end.
    pub fn open_verified(&self, digest: &Digest) -> Result<VerifiedReader, BlobError> {
        let (file, size_bytes) = self.open_file(digest)?;
        Ok(VerifiedReader {
            file,
            size_bytes,
            sha256: Sha256::new(),
            digest: *digest,
        })
    }

    /// Verifies a blob and opens it, with its size in bytes: for readers that seek, and for those
    /// that act before the end. Blocking.
    pub fn open_checked(&self, digest: &Digest) -> Result<(File, u64), BlobError> {
        let (mut file, size_bytes) = self.open_file(digest)?;
        let io = |error| BlobError::io("read", &self.path(digest), error);
        let mut sha256 = Sha256::new();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = file.read(&mut buffer).map_err(io)?;
            if count == 0 {
                break;
            }
            sha256.update(&buffer[..count]);
        }
        if Digest::new(sha256.finalize().into()) != *digest {
            return Err(BlobError::Corrupt(*digest));
        }
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        Ok((file, size_bytes))
    }

    /// As [`Blobs::open_checked`], for async code: to send a blob to a client.
    pub async fn open_async(&self, digest: &Digest) -> Result<(tokio::fs::File, u64), BlobError> {
        let (blobs, digest) = (self.clone(), *digest);
        let (file, size_bytes) = blocking(move || blobs.open_checked(&digest)).await?;
        Ok((tokio::fs::File::from_std(file), size_bytes))
    }

    fn open_file(&self, digest: &Digest) -> Result<(File, u64), BlobError> {
        let file = File::open(self.path(digest)).map_err(|e| self.missing_or(digest, "open", e))?;
        let metadata = file
            .metadata()
            .map_err(|e| self.missing_or(digest, "look at", e))?;
        Ok((file, metadata.len()))
    }
}

impl VerifiedReader {
    /// The size of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

impl Read for VerifiedReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() {
            let found = Digest::new(self.sha256.clone().finalize().into());
            if found != self.digest {
                let error = BlobError::Corrupt(self.digest);
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blobs::BlobLimits;

    #[test]
    fn a_damaged_blob_is_not_read_as_good() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path(), BlobLimits::default()).unwrap();
        let stored = blobs.put(b"good content").unwrap();

        let mut content = String::new();
        blobs
            .open_verified(&stored.digest)
            .unwrap()
            .read_to_string(&mut content)
            .unwrap();
        assert_eq!(content, "good content");
        assert_eq!(blobs.open_checked(&stored.digest).unwrap().1, 12);

        std::fs::write(blobs.path(&stored.digest), b"evil content").unwrap();
        let error = blobs
            .open_verified(&stored.digest)
            .unwrap()
            .read_to_end(&mut Vec::new())
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let error = blobs.open_checked(&stored.digest).unwrap_err();
        assert!(matches!(error, BlobError::Corrupt(_)), "{error}");

        // Storing the right content again heals it.
        blobs.put(b"good content").unwrap();
        blobs.open_checked(&stored.digest).unwrap();
        assert_eq!(blobs.used_bytes(), 12);
    }

    #[test]
    fn a_missing_blob_has_its_own_error() {
        let directory = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(directory.path(), BlobLimits::default()).unwrap();
        let digest = Digest::new([1; 32]);
        assert!(matches!(
            blobs.open_checked(&digest),
            Err(BlobError::Missing(_))
        ));
        assert!(matches!(
            blobs.size_bytes(&digest),
            Err(BlobError::Missing(_))
        ));
        assert!(!blobs.contains(&digest));
    }
}
