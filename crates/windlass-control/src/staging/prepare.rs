//! Lays out the directories of one staging run.

use std::fs;
use std::path::{Path, PathBuf};

use super::{
    BuildOutputPlan, BuildpackError, Buildpacks, PlannedBuildpack, Selection, SitePlan,
    StagingPlan, WorkDirectories,
};
use crate::archive::{
    ArchiveError, ArchiveLimits, ExtractOptions, LinkPolicy, Owner, copy_tree, extract_tar_gz,
    extract_zip, own_tree,
};
use crate::blobs::{BlobError, Blobs, Digest};
use crate::sources::FetchPlan;

/// What is to be staged.
#[derive(Debug, Clone)]
pub struct StagingRequest {
    /// What it is made of.
    pub source: StagingSource,
    /// What the last staging of this application kept, if anything.
    pub cache: Option<Digest>,
    /// The buildpacks that the user named; empty = detect.
    pub buildpacks: Vec<String>,
    /// Names of the user's variables; the values are in the environment of the run.
    pub env_names: Vec<String>,
    /// Under whom the run runs; `None` = as this process.
    pub owner: Option<Owner>,
    /// A command of the user that runs after the buildpacks have built.
    pub build_command: Option<String>,
    /// Set when the outcome is files to serve.
    pub site: Option<SitePlan>,
    /// Set when the outcome is a site in the Build Output layout.
    pub build_output: Option<BuildOutputPlan>,
}

/// What an application is made of.
#[derive(Debug, Clone)]
pub enum StagingSource {
    /// A package, a zip in the store.
    Package(Digest),
    /// A git repository, which the run fetches.
    Git(FetchPlan),
}

/// Why a run could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The buildpacks.
    #[error(transparent)]
    Buildpack(#[from] BuildpackError),
    /// The package is not acceptable, or the directory not writable.
    #[error("package: {0}")]
    Package(ArchiveError),
    /// Something else could not be unpacked or copied.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The package is not there or damaged.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The machine failed.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes `<run_dir>/work` anew: the unpacked package, the cache, copies of the buildpacks, and the
/// plan. What an earlier attempt left there is removed. Blocking.
///
/// The run is then `windlass stage --plan <plan_file>`, with `work` as its only writable directory.
pub fn prepare(
    blobs: &Blobs,
    buildpacks: &Buildpacks,
    request: &StagingRequest,
    run_dir: &Path,
) -> Result<StagingPlan, PrepareError> {
    let (selection, installed) = if request.build_output.is_some() {
        (Selection::Named, Vec::new())
    } else {
        buildpacks.resolve(&request.buildpacks)?
    };
    let directories = WorkDirectories::new(run_dir);
    let WorkDirectories {
        work,
        app,
        cache,
        deps,
        profile,
        tmp,
        ..
    } = &directories;
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| PrepareError::Io { path, source }
    };
    match fs::remove_dir_all(work) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(work)(error)),
        Ok(()) | Err(_) => {}
    }
    for directory in [app, cache, deps, profile, tmp, &directories.buildpacks] {
        fs::create_dir_all(directory).map_err(io(directory))?;
    }
    let fetch = match &request.source {
        StagingSource::Package(package) => {
            let (package, _) = blobs.open_checked(package)?;
            let options = ExtractOptions {
                limits: ArchiveLimits::STORED_PACKAGE,
                ..ExtractOptions::default()
            };
            extract_zip(package, app, options).map_err(PrepareError::Package)?;
            None
        }
        StagingSource::Git(plan) => Some(plan.clone()),
    };
    let options = ExtractOptions {
        limits: ArchiveLimits::DROPLET,
        links: LinkPolicy::InsideOrSystem,
        owner: None,
    };
    if let Some(digest) = &request.cache {
        restore_cache(blobs, digest, cache, options)?;
    }
    let mut planned = Vec::with_capacity(installed.len());
    for (index, buildpack) in installed.into_iter().enumerate() {
        let directory = directories.buildpacks.join(index.to_string());
        copy_tree(&buildpack.directory, &directory, options)?;
        planned.push(PlannedBuildpack {
            name: buildpack.name,
            directory,
        });
    }
    let plan = StagingPlan {
        version: 1,
        run_dir: run_dir.to_path_buf(),
        selection,
        buildpacks: planned,
        env_names: request.env_names.clone(),
        fetch,
        build_command: request.build_command.clone(),
        site: request.site.clone(),
        build_output: request.build_output.clone(),
    };
    let file = &directories.plan_file;
    let text = serde_json::to_vec_pretty(&plan)
        .map_err(std::io::Error::from)
        .map_err(io(file))?;
    fs::write(file, text).map_err(io(file))?;
    if let Some(owner) = request.owner {
        own_tree(work, owner, &ArchiveLimits::DROPLET)?;
    }
    Ok(plan)
}

/// A cache only saves time: when it is gone or damaged, staging begins without.
fn restore_cache(
    blobs: &Blobs,
    digest: &Digest,
    directory: &Path,
    options: ExtractOptions,
) -> Result<(), PrepareError> {
    let restored = blobs
        .open_checked(digest)
        .map_err(PrepareError::from)
        .and_then(|(file, size)| {
            extract_tar_gz(file, size, directory, options).map_err(PrepareError::from)
        });
    if let Err(error) = restored {
        tracing::warn!(%error, "the build cache cannot be used");
        let io = |source| PrepareError::Io {
            path: directory.to_path_buf(),
            source,
        };
        fs::remove_dir_all(directory).map_err(io)?;
        fs::create_dir_all(directory).map_err(io)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::whole::World;
    use super::*;
    use crate::archive::{Refusal, zip_tree};

    /// Above the size from which an upload of this kind is refused.
    const ZEROS_BYTES: usize = 17 * 1024 * 1024;

    #[test]
    fn what_was_packed_here_may_be_as_compressible_as_it_is() {
        let (world, tree) = (World::new(), tempfile::tempdir().unwrap());
        fs::write(tree.path().join("zeros"), vec![0; ZEROS_BYTES]).unwrap();
        let packed = zip_tree(Vec::new(), tree.path(), &ArchiveLimits::PACKAGE);
        let (package, _) = packed.unwrap();
        let refused = extract_zip(
            std::io::Cursor::new(&package),
            tempfile::tempdir().unwrap().path(),
            ExtractOptions::default(),
        );
        let refusal = refused.unwrap_err();
        assert!(
            matches!(refusal.refusal(), Some(Refusal::Ratio { .. })),
            "{refusal}"
        );
        world.prepare(&world.request(&package));
        let file = fs::metadata(world.work().app.join("zeros")).unwrap();
        assert_eq!(file.len(), ZEROS_BYTES as u64);
    }
}
