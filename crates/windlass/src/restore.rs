//! `windlass restore`: a data directory becomes that of a backup: an empty one, or with `--replace`
//! one with another state, which is discarded with everything that runs of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tar::Archive;
use windlass_control::blobs::{BlobError, BlobLimits, Blobs};
use windlass_control::restored::{note_restored, table_epoch};
use windlass_router::read_table;
use windlass_runtime::end_all_runs;
use windlass_store::{OpenOptions, Store, StoreError, WriteError};

use crate::backup::{BLOB_ENTRIES, DATABASE_ENTRY, FORMAT, MANIFEST_ENTRY, Manifest};
use crate::crash_point::crash_point;
use crate::key_file::{self, KeyFileError};
use crate::layout::Layout;
use crate::private_file;
use crate::settings::Settings;
use crate::supervisor::lock::{self, LockError};

/// Longest manifest, bytes.
const MANIFEST_LIMIT_BYTES: u64 = 64 * 1024;

/// Why a backup was not restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// There is data already.
    #[error(
        "{path} holds data already; choose another --data-dir, or pass --replace to discard what is \
         there with every app that runs of it"
    )]
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
    /// What runs of the state before does not end.
    #[error("failed to end what still runs: {0}; try again")]
    Runs(io::Error),
}

/// What a restore did beside what it was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Instances, tasks and builds of the state before that still ran and were ended.
    pub ended_runs: usize,
}

/// Fills the data directory. The backup is read and checked whole before anything of a state
/// before is touched. The database comes last and at once: a restore that was interrupted leaves
/// the state before, perhaps with nothing running, or none; it can be done again. Blocking.
///
/// # Errors
/// When the backup is no good, Windlass runs there, or `replace` is false and there is data.
pub fn restore(settings: &Settings, file: &Path, replace: bool) -> Result<Restored, RestoreError> {
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
    if layout.database().exists() && !replace {
        return Err(RestoreError::NotEmpty {
            path: layout.root().to_path_buf(),
        });
    }
    // The control of a supervisor that was killed may still be ending.
    let _alone = lock::wait_and_take(&layout.control_lock())?;
    key_file::read(&settings.key_file)?;
    let limits = BlobLimits {
        blob_bytes: u64::MAX / 2,
        total_bytes: u64::MAX / 2,
    };
    let blobs = Blobs::open(layout.blobs_dir(), limits)?;
    let scratch = scratch(&layout);
    let result = unpack(file, &blobs, &scratch).and_then(|()| {
        mark(&scratch, seen_epoch(&layout))?;
        crash_point!("restore-backup-read");
        // Up to here nothing has changed.
        let ended_runs = end_all_runs(layout.root()).map_err(RestoreError::Runs)?;
        crash_point!("restore-runs-ended");
        Store::restore(&scratch, layout.database())?;
        crash_point!("restore-database-replaced");
        forget_table(&layout.route_table()).map_err(at(&layout.route_table()))?;
        Ok(Restored { ended_runs })
    });
    let _ = std::fs::remove_file(&scratch);
    result
}

/// Where the database of a backup lies while it is checked.
fn scratch(layout: &Layout) -> PathBuf {
    layout.state_dir().join("restoring.db")
}

/// Removes what a restore that was interrupted has left. Only for who holds the lock of control.
pub(crate) fn forget_interrupted(layout: &Layout) -> io::Result<()> {
    Store::forget_restore(scratch(layout), layout.database()).map_err(io::Error::other)
}

/// The newest epoch that a router of this machine may have seen. What can't be read is no help:
/// the link between control and router finds out too.
fn seen_epoch(layout: &Layout) -> u64 {
    let read = read_table(&layout.route_table()).ok();
    if let Some(table) = read.and_then(|read| read.table) {
        return table.epoch;
    }
    let database = layout.database();
    if !database.exists() {
        return 0;
    }
    let store = Store::open(database, OpenOptions::default()).ok();
    store
        .and_then(|store| table_epoch(&store).ok())
        .unwrap_or(0)
}

/// Upstreams of the state before have ended.
fn forget_table(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
fn mark(database: &Path, seen_epoch: u64) -> Result<(), RestoreError> {
    let store = Store::open(database, OpenOptions::default())?;
    let marked = store.write_blocking(move |tx| note_restored(tx, seen_epoch));
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
        restore(&to, &file, false).expect("restores");
        let restored = Blobs::open(to.layout().blobs_dir(), BlobLimits::default()).expect("opens");
        assert!(restored.contains(&used));
        assert_eq!(restored.list().expect("lists").len(), 1);
        let store = Store::open(to.layout().database(), OpenOptions::default()).expect("opens");
        let package = store.read(|reader| reader.get::<Package>(&PackageId::new("p")));
        assert!(package.expect("reads").is_some());
        drop(store);
        assert!(matches!(
            restore(&to, &file, false),
            Err(RestoreError::NotEmpty { .. })
        ));
    }

    #[test]
    fn of_backups_to_one_file_at_once_one_is_written_whole() {
        let root = tempfile::tempdir().expect("temp dir");
        let from = settings(root.path(), "from");
        let (store, blobs, _) = filled(&from);
        for round in 0..10 {
            let file = root.path().join(format!("backup-{round}.tar"));
            let written: Vec<_> = std::thread::scope(|scope| {
                let begin = || scope.spawn(|| backup::backup(&store, &blobs, &file));
                let threads = [begin(), begin(), begin()];
                threads
                    .map(|thread| thread.join().expect("no panic"))
                    .into()
            });
            let (good, others): (Vec<_>, Vec<_>) = written.into_iter().partition(Result::is_ok);
            assert_eq!(good.len(), 1);
            for other in others {
                assert!(
                    matches!(other, Err(BackupError::Exists { .. })),
                    "{other:?}"
                );
            }
            let to = settings(root.path(), &format!("to-{round}"));
            restore(&to, &file, false).expect("restores");
        }
        let left = std::fs::read_dir(root.path()).expect("directory");
        let names = left.map(|entry| entry.expect("entry").file_name().into_string());
        let parts = names.filter(|name| name.as_ref().is_ok_and(|name| name.contains(".tar.")));
        assert_eq!(parts.count(), 0);
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
            assert!(restore(&to, &half, false).is_err(), "{part} bytes");
            assert!(!to.layout().database().exists());
        }
        restore(&to, &file, false).expect("restores");
    }

    #[test]
    fn what_an_interrupted_restore_left_is_forgotten() {
        let root = tempfile::tempdir().expect("temp dir");
        let to = settings(root.path(), "to");
        let layout = to.layout();
        private_file::directory(&layout.state_dir()).expect("makes");
        let left = ["restoring.db", "restoring.db-wal", "windlass.db.partial"];
        for name in left.into_iter().chain(["windlass.db"]) {
            std::fs::write(layout.state_dir().join(name), "half").expect("writes");
        }
        forget_interrupted(&layout).expect("removes");
        for name in left {
            assert!(!layout.state_dir().join(name).exists(), "{name}");
        }
        assert!(layout.database().exists());
        forget_interrupted(&layout).expect("nothing to remove");
    }

    #[test]
    fn another_state_is_replaced_when_that_is_asked_for_and_the_backup_is_good() {
        let root = tempfile::tempdir().expect("temp dir");
        let from = settings(root.path(), "from");
        let (store, blobs, used) = filled(&from);
        let file = root.path().join("backup.tar");
        backup::backup(&store, &blobs, &file).expect("writes");
        let to = settings(root.path(), "to");
        let put = |name: &'static str, epoch: &'static str| {
            private_file::directory(&to.layout().state_dir()).expect("makes");
            let opened = Store::open(to.layout().database(), OpenOptions::default());
            let put = opened.expect("opens").write_blocking(move |tx| {
                tx.put_meta("table_epoch", epoch)?;
                tx.put_meta(name, "here")
            });
            assert!(put.is_ok());
        };
        put("mark", "41");
        let half = root.path().join("half.tar");
        let whole = std::fs::read(&file).expect("reads");
        std::fs::write(&half, &whole[..whole.len() / 2]).expect("writes");
        assert!(restore(&to, &half, true).is_err());
        let of = |name: &'static str| {
            let store = Store::open(to.layout().database(), OpenOptions::default());
            let store = store.expect("opens");
            store.read(|reader| reader.meta(name)).expect("reads")
        };
        assert_eq!(of("mark").as_deref(), Some("here"), "untouched");
        restore(&to, &file, true).expect("restores");
        assert_eq!(of("mark"), None);
        assert_eq!(of("table_epoch").as_deref(), Some("42"), "beats any before");
        let restored = Blobs::open(to.layout().blobs_dir(), BlobLimits::default()).expect("opens");
        assert!(restored.contains(&used));
    }
}
