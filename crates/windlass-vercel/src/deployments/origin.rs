//! What a deployment is made of: files, a commit of a repository, or the source of an earlier one.

use serde_json::{Map, Value};
use windlass_control::source_files::SourceError;
use windlass_control::staging::SourceFile;
use windlass_engine::build::BuildSource;
use windlass_engine::id::PackageId;
use windlass_engine::records::{GitSource, PackageState};

use super::detail::Detail;
use super::find::{self, Found};
use super::git::{self, Repository, Wanted};
use super::source;
use crate::auth::Authenticated;
use crate::body;
use crate::document::Link;
use crate::error::{ApiError, ApiResult};
use crate::place::Place;
use crate::query::Pairs;
use crate::server::VercelState;

/// What a request says.
pub(super) enum Asked {
    /// These files.
    Files(Vec<SourceFile>),
    /// A commit.
    Git(Wanted),
    /// What an earlier one was made of.
    Again {
        /// That one.
        found: Box<Found>,
        /// Whether the newest commit of its branch is wanted instead of its own.
        newest: bool,
    },
}

/// What is built.
pub(super) enum Origin {
    /// These files.
    Files(Vec<SourceFile>),
    /// This commit.
    Git(Repository, GitSource),
    /// What an earlier one was made of.
    Again(Box<Found>, Same),
}

/// What a repeated deployment is made of.
pub(super) enum Same {
    /// The same files.
    Package(PackageId),
    /// The same repository.
    Git(GitSource),
}

/// Where the build finds it.
pub(super) enum Made {
    /// A package.
    Package(PackageId),
    /// A repository.
    Git(GitSource),
}

impl Asked {
    /// Reads it.
    ///
    /// # Errors
    /// 400; 404 for an earlier deployment that is not there.
    pub(super) async fn read(
        state: &VercelState,
        caller: &Authenticated,
        query: &Pairs,
        object: &Map<String, Value>,
    ) -> ApiResult<Self> {
        let newest = body::truth(object, "withLatestCommit")? == Some(true);
        if let Some(id) = body::text(object, "deploymentId")? {
            let found = find::deployment(state, caller, query, &id).await?;
            return Ok(Self::Again {
                found: Box::new(found),
                newest,
            });
        }
        let files = source::files(object)?.filter(|files| !files.is_empty());
        match (Wanted::read(object)?, files) {
            (None, Some(files)) => Ok(Self::Files(files)),
            (Some(wanted), None) => Ok(Self::Git(wanted)),
            (Some(_), Some(_)) => Err(ApiError::bad_request(
                "Invalid request: `files` and `gitSource` can't be given together; what is known \
                 of the repository of files is `gitMetadata`",
            )),
            (None, None) => Err(ApiError::bad_request(
                "Invalid request: `files` should not be empty",
            )),
        }
    }

    /// Finds what is to be built, and changes nothing.
    ///
    /// # Errors
    /// 400 for what is not there.
    pub(super) async fn resolve(
        self,
        state: &VercelState,
        link: Option<&Link>,
    ) -> ApiResult<Origin> {
        match self {
            Self::Files(files) => Ok(Origin::Files(files)),
            Self::Git(wanted) => {
                let (repository, source) = wanted.resolve(state, link).await?;
                Ok(Origin::Git(repository, source))
            }
            Self::Again { found, newest } => {
                let same = same(state, &found, newest).await?;
                Ok(Origin::Again(found, same))
            }
        }
    }
}

async fn same(state: &VercelState, found: &Found, newest: bool) -> ApiResult<Same> {
    if let Some(git) = &found.record.git {
        let mut git = git.clone();
        if newest || git.commit.is_none() {
            git.commit = git::head(state, &git.url, &git.branch).await?;
        }
        return Ok(Same::Git(git));
    }
    if newest {
        return Err(ApiError::bad_request(
            "`withLatestCommit` is for deployments that were made of a repository",
        ));
    }
    let gone = || ApiError::bad_request("the source of the deployment is not there any more");
    let id = found.record.package.clone().ok_or_else(gone)?;
    let package = state.control.package(&id)?.ok_or_else(gone)?;
    if package.state != PackageState::Ready {
        return Err(gone());
    }
    Ok(Same::Package(id))
}

impl Origin {
    /// The deployment that is repeated.
    pub(super) fn before(&self) -> Option<&Found> {
        match self {
            Self::Again(found, _) => Some(found),
            Self::Files(_) | Self::Git(..) => None,
        }
    }

    /// The word for it on the wire; of files the client says it.
    pub(super) fn word(&self, of_files: &str) -> String {
        match self {
            Self::Files(_) => of_files,
            Self::Git(..) => "api-trigger-git-deploy",
            Self::Again(..) => "redeploy",
        }
        .to_owned()
    }

    /// The repository.
    pub(super) fn repository(&self) -> Option<&Repository> {
        match self {
            Self::Git(repository, _) => Some(repository),
            Self::Again(found, Same::Git(_)) => found.detail.git.as_ref(),
            Self::Files(_) | Self::Again(_, Same::Package(_)) => None,
        }
    }

    /// The branch and the commit.
    pub(super) fn git(&self) -> Option<&GitSource> {
        match self {
            Self::Git(_, git) | Self::Again(_, Same::Git(git)) => Some(git),
            Self::Files(_) | Self::Again(_, Same::Package(_)) => None,
        }
    }

    /// What an earlier deployment said.
    pub(super) fn detail_before(&self) -> Option<&Detail> {
        self.before().map(|found| &found.detail)
    }

    /// Puts it where its build finds it.
    ///
    /// # Errors
    /// 400 for files that are missing.
    pub(super) async fn made(
        &self,
        state: &VercelState,
        caller: &Authenticated,
        place: &Place,
    ) -> ApiResult<Made> {
        let files = match self {
            Self::Git(_, git) | Self::Again(_, Same::Git(git)) => {
                return Ok(Made::Git(git.clone()));
            }
            Self::Again(_, Same::Package(package)) => return Ok(Made::Package(package.clone())),
            Self::Files(files) => files.clone(),
        };
        let actor = caller.principal.actor();
        let archive = Some(source::ARCHIVE);
        let control = &state.control;
        let made = control.create_package_of_files(&actor, &place.app.id, files, archive);
        match made.await {
            Ok(package) => Ok(Made::Package(package.id)),
            Err(SourceError::Missing(missing)) => Err(source::missing(&missing)),
            Err(SourceError::Other(error)) => Err(error.into()),
        }
    }
}

impl Made {
    /// As the engine is told.
    pub(super) fn source(&self) -> BuildSource {
        match self {
            Self::Package(package) => BuildSource::Package(package.clone()),
            Self::Git(git) => BuildSource::Git {
                url: git.url.clone(),
                branch: git.branch.clone(),
                commit: git.commit.clone(),
            },
        }
    }

    /// As its record keeps it.
    pub(super) fn parts(self) -> (Option<PackageId>, Option<GitSource>) {
        match self {
            Self::Package(package) => (Some(package), None),
            Self::Git(git) => (None, Some(git)),
        }
    }
}
