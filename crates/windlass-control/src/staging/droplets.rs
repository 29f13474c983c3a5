//! Droplets as directories: unpacked once, copied for each instance and task.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{PrepareError, WorkDirectories};
use crate::archive::{ArchiveLimits, ExtractOptions, LinkPolicy, Owner, copy_tree, extract_tar_gz};
use crate::blobs::{Blobs, Digest};

/// Unpacked droplets of this boot: `<root>/<boot id>/<digest>`. Cheap to clone.
///
/// They are not synced to disk, so those of an earlier boot are not believed but removed.
#[derive(Debug, Clone)]
pub struct Droplets {
    blobs: Blobs,
    root: PathBuf,
    /// Held while a droplet is unpacked: ten instances that start together unpack it once.
    unpacking: Arc<Mutex<()>>,
}

const OPTIONS: ExtractOptions = ExtractOptions {
    limits: ArchiveLimits::DROPLET,
    links: LinkPolicy::InsideOrSystem,
    owner: None,
};

impl Droplets {
    /// Opens the cache. `boot_id` is any name that changes with each boot of the machine.
    pub fn open(
        blobs: Blobs,
        root: impl Into<PathBuf>,
        boot_id: &str,
    ) -> Result<Self, PrepareError> {
        let outer = root.into();
        let root = outer.join(boot_id);
        fs::create_dir_all(&root).map_err(io(&root))?;
        for entry in fs::read_dir(&outer).map_err(io(&outer))? {
            let path = entry.map_err(io(&outer))?.path();
            if path != root {
                fs::remove_dir_all(&path).map_err(io(&path))?;
            }
        }
        Ok(Self {
            blobs,
            root,
            unpacking: Arc::default(),
        })
    }

    /// Makes `<run_dir>/work` anew with a copy of the droplet. Blocking.
    pub fn lay_out(
        &self,
        digest: &Digest,
        run_dir: &Path,
        owner: Option<Owner>,
    ) -> Result<WorkDirectories, PrepareError> {
        let unpacked = self.unpacked(digest)?;
        let directories = WorkDirectories::new(run_dir);
        match fs::remove_dir_all(&directories.work) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io(&directories.work)(error));
            }
            Ok(()) | Err(_) => {}
        }
        let options = ExtractOptions { owner, ..OPTIONS };
        copy_tree(&unpacked, &directories.work, options)?;
        // A droplet that was uploaded may lack them.
        for directory in [&directories.app, &directories.tmp] {
            fs::create_dir_all(directory).map_err(io(directory))?;
            if let Some(Owner { uid, gid }) = owner {
                std::os::unix::fs::chown(directory, Some(uid), Some(gid)).map_err(io(directory))?;
            }
        }
        Ok(directories)
    }

    /// Directory of a droplet's own files, as the router serves them.
    pub fn files_of(&self, digest: &Digest) -> PathBuf {
        self.root.join(digest.to_string()).join("app")
    }

    /// Whether they are there.
    pub fn has_files(&self, digest: &Digest) -> bool {
        self.files_of(digest).is_dir()
    }

    /// Unpacks a droplet, unless it is. Blocking.
    pub fn unpack(&self, digest: &Digest) -> Result<(), PrepareError> {
        self.unpacked(digest)?;
        let files = self.files_of(digest);
        // A droplet that was uploaded may lack them.
        fs::create_dir_all(&files).map_err(io(&files))
    }

    /// Removes the unpacked form of all other droplets.
    pub fn keep_only(&self, digests: &HashSet<Digest>) -> Result<(), PrepareError> {
        let _unpacking = self
            .unpacking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for entry in fs::read_dir(&self.root).map_err(io(&self.root))? {
            let entry = entry.map_err(io(&self.root))?;
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| name.parse::<Digest>().ok());
            if digest.is_some_and(|digest| !digests.contains(&digest)) {
                fs::remove_dir_all(entry.path()).map_err(io(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn unpacked(&self, digest: &Digest) -> Result<PathBuf, PrepareError> {
        let directory = self.root.join(digest.to_string());
        let _unpacking = self
            .unpacking
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if directory.is_dir() {
            return Ok(directory);
        }
        let temporary = tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(&self.root)
            .map_err(io(&self.root))?;
        let (file, size_bytes) = self.blobs.open_checked(digest)?;
        let inside = temporary.path().join("droplet");
        extract_tar_gz(file, size_bytes, &inside, OPTIONS)?;
        fs::rename(&inside, &directory).map_err(io(&directory))?;
        Ok(directory)
    }
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> PrepareError + use<> {
    let path = path.to_path_buf();
    move |source| PrepareError::Io { path, source }
}
