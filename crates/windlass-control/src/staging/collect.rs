//! Takes in what a staging run left behind: as hostile as an upload.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::WorkDirectories;
use super::result::{LifecycleFailure, StagingEnd, StagingOutcome, StagingResult};
use crate::archive::{
    ArchiveError, ArchiveLimits, ExtractOptions, LinkPolicy, PackItem, pack_tar_gz,
};
use crate::blobs::{BlobError, Blobs, Digest, Stored};
use crate::sources::check_commit;

/// A droplet that is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedDroplet {
    /// The blob (its SHA-256 is the checksum that clients see).
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Process types, buildpacks and sidecars.
    pub result: StagingResult,
    /// What the next staging of the application begins with; `None` when the cache is empty.
    pub cache: Option<Digest>,
}

/// Why there is no droplet.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The run says that staging failed.
    #[error(transparent)]
    Failed(LifecycleFailure),
    /// The run ended without a result: it was ended, or it crashed.
    #[error("staging ended without a result")]
    NoResult,
    /// The result is not what this program writes.
    #[error("the result of staging is not valid: {0}")]
    BadResult(String),
    /// The droplet cannot be packed.
    #[error("the droplet cannot be packed: {0}")]
    Archive(#[from] ArchiveError),
    /// The droplet cannot be stored.
    #[error(transparent)]
    Blob(#[from] BlobError),
}

/// Bytes of a result.
const RESULT_BYTES: u64 = 1024 * 1024;

const OPTIONS: ExtractOptions = ExtractOptions {
    limits: ArchiveLimits::DROPLET,
    links: LinkPolicy::InsideOrSystem,
    owner: None,
};

/// Reads the result of the run and packs the droplet and the cache into the store.
/// To be called when nothing of the run is alive. Blocking.
pub fn collect(blobs: &Blobs, run_dir: &Path) -> Result<StagedDroplet, CollectError> {
    let directories = WorkDirectories::new(run_dir);
    let result = read_result(&directories)?;
    let info = staging_info(&result);
    let WorkDirectories {
        app,
        deps,
        profile,
        cache,
        ..
    } = &directories;
    let items = [
        PackItem::Tree {
            name: "app",
            directory: app,
        },
        PackItem::Tree {
            name: "deps",
            directory: deps,
        },
        PackItem::Tree {
            name: "profile.d",
            directory: profile,
        },
        PackItem::Directory { name: "tmp" },
        PackItem::Directory { name: "logs" },
        PackItem::File {
            name: "staging_info.yml",
            content: &info,
        },
    ];
    let droplet = pack(blobs, &items)?;
    let cache = store_cache(blobs, cache);
    Ok(StagedDroplet {
        digest: droplet.digest,
        size_bytes: droplet.size_bytes,
        result,
        cache,
    })
}

fn pack(blobs: &Blobs, items: &[PackItem<'_>]) -> Result<Stored, CollectError> {
    let writer = blobs.writer(false)?;
    let (writer, _) = pack_tar_gz(writer, items, &OPTIONS)?;
    Ok(writer.finish()?)
}

/// The droplet counts; a cache that cannot be kept costs time, nothing else.
fn store_cache(blobs: &Blobs, directory: &Path) -> Option<Digest> {
    let has_files = fs::read_dir(directory).ok()?.any(|entry| {
        // Empty directories are made for every buildpack.
        entry.is_ok_and(|entry| {
            fs::read_dir(entry.path()).map_or(true, |mut inside| inside.next().is_some())
        })
    });
    if !has_files {
        return None;
    }
    match pack(
        blobs,
        &[PackItem::Tree {
            name: "",
            directory,
        }],
    ) {
        Ok(stored) => Some(stored.digest),
        Err(error) => {
            tracing::warn!(%error, "the build cache is not kept");
            None
        }
    }
}

/// The commit that a run has fetched, also when it failed later. Blocking.
pub fn fetched_commit(run_dir: &Path) -> Option<String> {
    let outcome = read_outcome(&WorkDirectories::new(run_dir)).ok()?;
    outcome.commit.filter(|commit| check_commit(commit).is_ok())
}

fn read_result(directories: &WorkDirectories) -> Result<StagingResult, CollectError> {
    match read_outcome(directories)?.end {
        StagingEnd::Failed(failure) => Err(CollectError::Failed(failure.shortened())),
        StagingEnd::Staged(result) => {
            result
                .check()
                .map_err(|problem| CollectError::BadResult(problem.to_owned()))?;
            Ok(result)
        }
    }
}

fn read_outcome(directories: &WorkDirectories) -> Result<StagingOutcome, CollectError> {
    // Neither a link into the server's own files nor a pipe that never ends.
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = &directories.result_file;
    let directory = file.parent().unwrap_or(file);
    if !fs::symlink_metadata(directory).is_ok_and(|metadata| metadata.is_dir()) {
        return Err(CollectError::NoResult);
    }
    let file = match OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(file)
    {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CollectError::NoResult);
        }
        Err(error) => return Err(CollectError::BadResult(error.to_string())),
    };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Err(CollectError::BadResult("not a file".to_owned()));
    }
    let mut text = Vec::new();
    file.take(RESULT_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| CollectError::BadResult(error.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| CollectError::BadResult(error.to_string()))
}

/// JSON, which is YAML too.
fn staging_info(result: &StagingResult) -> Vec<u8> {
    let detected = result
        .buildpacks
        .last()
        .map_or("", |buildpack| buildpack.name.as_str());
    let detected = if result.detect_output.is_empty() {
        detected
    } else {
        &result.detect_output
    };
    let command = result.process_types.get("web").map_or("", String::as_str);
    let info = serde_json::json!({ "detected_buildpack": detected, "start_command": command });
    let mut text = info.to_string().into_bytes();
    text.push(b'\n');
    text
}
