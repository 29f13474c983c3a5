//! What a build is made of, as its run is told.

use std::path::Path;

use windlass_engine::build::{Build, BuildSource};
use windlass_engine::id::PackageId;
use windlass_engine::records::{BuildRecord, Package};

use crate::archive::Owner;
use crate::blobs::Digest;
use crate::control::Control;
use crate::error::Error;
use crate::sources::{FetchLimits, FetchPlan, Scheme, SourceError, SourceUrl, Sources};
use crate::staging::{StagingSource, WorkDirectories};

impl Control {
    pub(super) fn staging_source(
        &self,
        build: &Build,
        row: &BuildRecord,
        run_dir: &Path,
    ) -> Result<StagingSource, Error> {
        match &build.source {
            BuildSource::Package(package) => {
                self.package_digest(package).map(StagingSource::Package)
            }
            BuildSource::Git {
                url,
                branch,
                commit,
            } => {
                // A site may need what lies beside its own directory.
                let whole = row.settings.build_output.is_some();
                let known = row.git.as_ref().and_then(|git| git.commit.clone());
                let sources = &self.settings().sources;
                let program = windlass_runtime::program_path().map_err(Error::internal)?;
                let work = WorkDirectories::new(run_dir).work;
                let ssh = is_by_ssh(url).then(|| Sources::ssh_command(&program, &work));
                Ok(StagingSource::Git(FetchPlan {
                    url: url.clone(),
                    branch: branch.clone(),
                    commit: commit.clone().or(known),
                    source_dir: row.settings.source_dir.clone().filter(|_| !whole),
                    addresses: sources.addresses,
                    limits: FetchLimits {
                        time_s: sources.fetch_time_limit_s,
                        source_mb: sources.source_mb,
                    },
                    certificates: self.sources().certificates().map_err(conflict)?,
                    ssh: ssh.filter(|_| sources.ssh_key_file.is_some()),
                }))
            }
        }
    }

    /// Where a source is fetched by ssh: what stands for ssh in the sandbox.
    pub(super) fn offer_ssh(
        &self,
        url: &str,
        directories: &WorkDirectories,
        owner: Option<Owner>,
    ) -> Result<(), Error> {
        let url = self.sources().check_url(url).map_err(conflict)?;
        self.sources()
            .offer_ssh(url, &directories.work, owner)
            .map_err(conflict)
    }

    fn package_digest(&self, package: &PackageId) -> Result<Digest, Error> {
        let package: Package = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(package)?))?
            .ok_or(Error::NotFound { what: "package" })?;
        package
            .blob
            .as_deref()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| Error::Conflict("the package has no content".to_owned()))
    }
}

fn conflict(error: SourceError) -> Error {
    Error::Conflict(error.to_string())
}

fn is_by_ssh(url: &str) -> bool {
    url.parse::<SourceUrl>()
        .is_ok_and(|url| url.scheme() == Scheme::Ssh)
}
