//! `windlass backup`: one tar file with a consistent copy of the database and every blob that it
//! refers to.
//!
//! Secrets in it stay encrypted: the key file is not part of it, nor is the local authority.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};
use windlass_control::blobs::{BlobError, Blobs, Digest};
use windlass_store::{OpenOptions as StoreOptions, Store, StoreError};

use crate::private_file;

/// First entry: what this is.
pub const MANIFEST_ENTRY: &str = "windlass-backup.json";
/// Second entry: the database.
pub const DATABASE_ENTRY: &str = "windlass.db";
/// Beginning of the names of all further entries; the digest follows.
pub const BLOB_ENTRIES: &str = "blobs/";
/// Form of the file.
pub const FORMAT: u32 = 1;
/// Digests that are read from the database at once.
const BLOBS_PER_READ: u32 = 1000;
/// Copies of the database that are made when blobs are collected meanwhile.
const ATTEMPTS: u32 = 5;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Form of the file.
    pub format: u32,
    /// Version of the program that wrote it.
    pub version: String,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there already.
    #[error("{path} exists already; choose another name or remove it")]
    Exists {
        /// Which.
        path: PathBuf,
    },
    /// A file can't be read or written.
    #[error("failed to write {path}: {source}; is there space, and may Windlass write there?")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database can't be copied.
    #[error("failed to copy the database: {0}")]
    Store(#[from] StoreError),
    /// A blob can't be read.
    #[error("failed to copy a blob: {0}")]
    Blob(#[from] BlobError),
    /// Blobs went faster than they could be copied.
    #[error("blobs were removed while they were copied; try again")]
    Moving,
}

/// Writes a backup. The file appears whole or not at all. Blocking. Returns the number of blobs.
pub fn backup(store: &Store, blobs: &Blobs, file: &Path) -> Result<usize, BackupError> {
    if file.exists() {
        return Err(BackupError::Exists {
            path: file.to_path_buf(),
        });
    }
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| BackupError::Io {
            path: path.clone(),
            source,
        }
    };
    let scratch = beside(file, "part");
    let copy = beside(file, "db");
    let result = (0..ATTEMPTS)
        .find_map(|_| match write(store, blobs, &copy, &scratch) {
            Err(BackupError::Moving) => None,
            other => Some(other),
        })
        .unwrap_or(Err(BackupError::Moving));
    let _ = std::fs::remove_file(&copy);
    let result = result.and_then(|count| {
        // Links, does not replace: somebody may have made the file meanwhile.
        std::fs::hard_link(&scratch, file).map_err(|source| {
            if source.kind() == io::ErrorKind::AlreadyExists {
                let path = file.to_path_buf();
                return BackupError::Exists { path };
            }
            at(file)(source)
        })?;
        let directory = file.parent().unwrap_or(Path::new("/"));
        File::open(directory)
            .and_then(|dir| dir.sync_all())
            .map_err(at(directory))?;
        Ok(count)
    });
    let _ = std::fs::remove_file(&scratch);
    result
}

/// A name beside the file that no other backup takes, of this control or another.
fn beside(file: &Path, what: &str) -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}-{number}.{what}", std::process::id()));
    PathBuf::from(name)
}

fn write(store: &Store, blobs: &Blobs, copy: &Path, to: &Path) -> Result<usize, BackupError> {
    let at = |source| BackupError::Io {
        path: to.to_path_buf(),
        source,
    };
    let _ = std::fs::remove_file(copy);
    store.backup(copy)?;
    let digests = blobs_of(copy)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(private_file::SECRET)
        .open(to)
        .map_err(at)?;
    let mut tar = Builder::new(file);
    let manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let text = serde_json::to_vec(&manifest).map_err(|error| at(error.into()))?;
    append(&mut tar, MANIFEST_ENTRY, text.len() as u64, text.as_slice()).map_err(at)?;
    let database = File::open(copy).map_err(at)?;
    let length = database.metadata().map_err(at)?.len();
    append(&mut tar, DATABASE_ENTRY, length, database).map_err(at)?;
    for digest in &digests {
        let (content, length) = match blobs.open_checked(digest) {
            Ok(found) => found,
            // It was collected after the copy was made: the next copy does not refer to it.
            Err(BlobError::Missing(_)) => return Err(BackupError::Moving),
            Err(error) => return Err(error.into()),
        };
        append(
            &mut tar,
            &format!("{BLOB_ENTRIES}{digest}"),
            length,
            content,
        )
        .map_err(at)?;
    }
    let mut file = tar.into_inner().map_err(at)?;
    file.flush().and_then(|()| file.sync_all()).map_err(at)?;
    Ok(digests.len())
}

/// Digests that a copy of the database refers to.
fn blobs_of(copy: &Path) -> Result<Vec<Digest>, BackupError> {
    let store = Store::open(copy, StoreOptions::default())?;
    let mut digests = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.read(|reader| reader.blobs(after.as_deref(), BLOBS_PER_READ))?;
        digests.extend(page.iter().filter_map(|text| text.parse::<Digest>().ok()));
        after = page.last().cloned();
        if after.is_none() {
            return Ok(digests);
        }
    }
}

fn append(tar: &mut Builder<File>, name: &str, length: u64, content: impl Read) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(private_file::SECRET);
    header.set_size(length);
    tar.append_data(&mut header, name, content.take(length))
}
