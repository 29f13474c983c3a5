//! `windlass restore`: an empty data directory becomes that of a backup.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tar::Archive;
use windlass_control::blobs::{BlobError, BlobLimits, Blobs};
use windlass_control::restored::note_restored;
use windlass_store::{OpenOptions, Store, StoreError, WriteError};

use crate::backup::{BLOB_ENTRIES, DATABASE_ENTRY, FORMAT, MANIFEST_ENTRY, Manifest};
use crate::key_file::{self, KeyFileError};
use crate::private_file;
use crate::settings::Settings;
use crate::supervisor::lock::{self, LockError};

/// Longest manifest, bytes.
const MANIFEST_LIMIT_BYTES: u64 = 64 * 1024;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is data already.
    #[error("{path} holds data already; move it away or choose another --data-dir")]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// Windlass runs there.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The key is not there.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The file can't be read, or the data directory not be written.
    #[error("failed to use {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no backup, or only a part of one.
    #[error("{path} is no backup of Windlass: {text}")]
    NoBackup {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        text: String,
    },
    /// The database in it can't be used.
    #[error("failed to restore the database: {0}")]
    Store(#[from] StoreError),
    /// A blob in it can't be stored.
    #[error("failed to restore a blob: {0}")]
    Blob(#[from] BlobError),
}

/// Fills the data directory. The database comes last and at once: a restore that was interrupted
/// leaves a directory without one, which can be restored again. Blocking.
pub fn restore(settings: &Settings, file: &Path) -> Result<(), RestoreError> {
    let layout = settings.layout();
    let at = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RestoreError::Io {
            path: path.clone(),
            source,
        }
    };
    for directory in [layout.root().to_path_buf(), layout.state_dir()] {
        private_file::directory(&directory).map_err(at(&directory))?;
    }
    let _lock = lock::take(&layout.supervisor_lock())?;
    if layout.database().exists() {
        return Err(RestoreError::NotEmpty {
            path: layout.root().to_path_buf(),
        });
    }
    key_file::read(&settings.key_file)?;
    let limits = BlobLimits {
        blob_bytes: u64::MAX / 2,
        total_bytes: u64::MAX / 2,
    };
    let blobs = Blobs::open(layout.blobs_dir(), limits)?;
    let scratch = layout.state_dir().join("restoring.db");
    let result = unpack(file, &blobs, &scratch).and_then(|()| {
        mark(&scratch)?;
        let target = layout.database();
        Store::restore(&scratch, &target)?;
        Ok(())
    });
    let _ = std::fs::remove_file(&scratch);
    result
}

/// Reads the backup: blobs into their store, the database to `scratch`.
fn unpack(file: &Path, blobs: &Blobs, scratch: &Path) -> Result<(), RestoreError> {
    let at = |source| RestoreError::Io {
        path: file.to_path_buf(),
        source,
    };
    let no = |text: &str| RestoreError::NoBackup {
        path: file.to_path_buf(),
        text: text.into(),
    };
    let mut archive = Archive::new(File::open(file).map_err(at)?);
    let mut has_manifest = false;
    let mut has_database = false;
    for entry in archive.entries().map_err(at)? {
        let mut entry = entry.map_err(|error| no(&error.to_string()))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match name.as_str() {
            MANIFEST_ENTRY if !has_manifest => {
                let mut text = Vec::new();
                (&mut entry)
                    .take(MANIFEST_LIMIT_BYTES)
                    .read_to_end(&mut text)
                    .map_err(at)?;
                let manifest: Manifest =
                    serde_json::from_slice(&text).map_err(|error| no(&error.to_string()))?;
                if manifest.format != FORMAT {
                    let text = format!(
                        "it has form {}, this program knows {FORMAT}; use Windlass {} or later",
                        manifest.format, manifest.version
                    );
                    return Err(no(&text));
                }
                has_manifest = true;
            }
            _ if !has_manifest => return Err(no("it does not begin with a manifest")),
            DATABASE_ENTRY if !has_database => {
                let mut out = File::create(scratch).map_err(at)?;
                let copied = io::copy(&mut entry, &mut out).map_err(at)?;
                let expected = entry.size();
                if copied != expected {
                    return Err(no("the database in it is cut off"));
                }
                out.sync_all().map_err(at)?;
                has_database = true;
            }
            name => match name.strip_prefix(BLOB_ENTRIES) {
                Some(digest) => put_blob(blobs, digest, &mut entry, &no, &at)?,
                None => return Err(no(&format!("it holds an unknown entry `{name}`"))),
            },
        }
    }
    if has_database {
        Ok(())
    } else {
        Err(no("it holds no database"))
    }
}

fn put_blob(
    blobs: &Blobs,
    digest: &str,
    content: &mut impl Read,
    no: &impl Fn(&str) -> RestoreError,
    at: &impl Fn(io::Error) -> RestoreError,
) -> Result<(), RestoreError> {
    let mut writer = blobs.writer(false)?;
    let mut bytes = vec![0; 128 * 1024];
    loop {
        let read = content.read(&mut bytes).map_err(at)?;
        if read == 0 {
            break;
        }
        writer.push(&bytes[..read])?;
    }
    let stored = writer.finish()?;
    if stored.digest.to_string() != digest {
        return Err(no(&format!("blob {digest} is damaged or cut off")));
    }
    Ok(())
}

/// Tells the next control that nothing of what the database says is running runs, and that routers
/// may have seen newer tables.
fn mark(database: &Path) -> Result<(), RestoreError> {
    let store = Store::open(database, OpenOptions::default())?;
    let marked = store.write_blocking(note_restored);
    marked.map_err(|error| match error {
        WriteError::Store(error) | WriteError::Refused(error) => RestoreError::Store(error),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_control::blobs::Digest;
    use windlass_engine::id::{AppId, PackageId};
    use windlass_engine::records::{Metadata, Package, PackageState, Stamps};

    use super::*;
    use crate::backup::{self, BackupError};
    use crate::settings::options::Name;
    use crate::settings::sources::resolve;

    fn settings(root: &Path, name: &str) -> Settings {
        let key = root.join("key");
        let flags = [(Name::KeyFile, key.display().to_string())].into();
        let data = root.join(name);
        let resolved = resolve(Some(&data), &flags, &BTreeMap::new()).expect("resolves");
        let settings = Settings::check(&resolved).expect("settings");
        key_file::read_or_create(&key, &data, false).expect("key");
        settings
    }

    /// A data directory with one blob that a row refers to and one that none does.
    fn filled(settings: &Settings) -> (Store, Blobs, Digest) {
        let layout = settings.layout();
        private_file::directory(&layout.state_dir()).expect("makes");
        let store = Store::open(layout.database(), OpenOptions::default()).expect("opens");
        let blobs = Blobs::open(layout.blobs_dir(), BlobLimits::default()).expect("opens");
        let used = blobs.put(b"source of an app").expect("stores").digest;
        blobs.put(b"nobody's").expect("stores");
        let package = Package {
            id: PackageId::new("p"),
            app: AppId::new("a"),
            state: PackageState::Ready,
            blob: Some(used.to_string()),
            size_bytes: 16,
            metadata: Metadata::default(),
            stamps: Stamps::default(),
        };
        let put = store.write_blocking(move |tx| tx.put(&package));
        assert!(put.is_ok(), "{put:?}");
        (store, blobs, used)
    }

    #[test]
    fn a_backup_round_trips_and_nothing_is_overwritten() {
        let root = tempfile::tempdir().expect("temp dir");
        let from = settings(root.path(), "from");
        let (store, blobs, used) = filled(&from);
        let file = root.path().join("backup.tar");
        assert_eq!(backup::backup(&store, &blobs, &file).expect("writes"), 1);
        assert!(!private_file::is_open_to_others(&file).expect("metadata"));
        let again = backup::backup(&store, &blobs, &file);
        assert!(matches!(again, Err(BackupError::Exists { .. })));

        let to = settings(root.path(), "to");
        restore(&to, &file).expect("restores");
        let restored = Blobs::open(to.layout().blobs_dir(), BlobLimits::default()).expect("opens");
        assert!(restored.contains(&used));
        assert_eq!(restored.list().expect("lists").len(), 1);
        let store = Store::open(to.layout().database(), OpenOptions::default()).expect("opens");
        let package = store.read(|reader| reader.get::<Package>(&PackageId::new("p")));
        assert!(package.expect("reads").is_some());
        drop(store);
        assert!(matches!(
            restore(&to, &file),
            Err(RestoreError::NotEmpty { .. })
        ));
    }

    #[test]
    fn half_a_backup_leaves_a_directory_that_can_be_restored_again() {
        let root = tempfile::tempdir().expect("temp dir");
        let from = settings(root.path(), "from");
        let (store, blobs, _) = filled(&from);
        let file = root.path().join("backup.tar");
        backup::backup(&store, &blobs, &file).expect("writes");
        let whole = std::fs::read(&file).expect("reads");
        let to = settings(root.path(), "to");
        for part in [0, 600, whole.len() / 2] {
            let half = root.path().join("half.tar");
            std::fs::write(&half, &whole[..part]).expect("writes");
            assert!(restore(&to, &half).is_err(), "{part} bytes");
            assert!(!to.layout().database().exists());
        }
        restore(&to, &file).expect("restores");
    }
}
