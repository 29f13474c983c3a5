//! A git repository as the source of a deployment: what a request names, where that lies, and how
//! it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use windlass_control::sources::{Provider, SourceError, check_branch, check_commit};
use windlass_engine::records::GitSource;

use crate::body;
use crate::document::Link;
use crate::error::{ApiError, ApiResult};
use crate::server::VercelState;

/// Hosts of repositories, in the words of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// GitHub.
    Github,
    /// GitHub, with fewer rights: the same repositories.
    GithubLimited,
    /// A GitHub of somebody's own.
    GithubCustomHost,
    /// GitLab.
    Gitlab,
    /// Bitbucket.
    Bitbucket,
    /// Whatever an address leads to.
    Custom,
}

/// A repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Repository {
    /// Whose host it lies on.
    pub(crate) kind: Kind,
    /// The host, where the kind does not say it.
    pub(crate) host: Option<String>,
    /// Owner, organization or groups; empty where only the address is known.
    pub(crate) owner: String,
    /// Its name; empty where only the address is known.
    pub(crate) name: String,
    /// Address that it is cloned from.
    pub(crate) url: String,
    /// Number of the pull request that asked for it.
    #[serde(default)]
    pub(crate) pull_request: Option<u64>,
}

/// What a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    kind: Kind,
    place: Place,
    reference: Option<String>,
    sha: Option<String>,
    pull_request: Option<u64>,
}

/// How a request names a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Owner and name, on this host if not on the usual one.
    Named {
        host: Option<String>,
        owner: String,
        name: String,
    },
    /// Its address.
    Address(String),
    /// Not at all, or by a number that only its host knows.
    Linked,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::Github,
        Self::GithubLimited,
        Self::GithubCustomHost,
        Self::Gitlab,
        Self::Bitbucket,
        Self::Custom,
    ];

    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::GithubLimited => "github-limited",
            Self::GithubCustomHost => "github-custom-host",
            Self::Gitlab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::Custom => "custom",
        }
    }

    /// From the wire.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The one whose host everybody knows.
    pub(crate) fn provider(self) -> Option<Provider> {
        match self {
            Self::Github | Self::GithubLimited => Some(Provider::GitHub),
            Self::Gitlab => Some(Provider::GitLab),
            Self::Bitbucket => Some(Provider::Bitbucket),
            Self::GithubCustomHost | Self::Custom => None,
        }
    }

    /// Beginning of the names of pairs that are about a commit.
    fn prefix(self) -> &'static str {
        match self {
            Self::Github | Self::GithubLimited | Self::GithubCustomHost => "github",
            Self::Gitlab => "gitlab",
            Self::Bitbucket => "bitbucket",
            Self::Custom => "git",
        }
    }

    /// What names a repository of this kind.
    fn members(self) -> &'static str {
        match self {
            Self::Github | Self::GithubLimited => "`org` and `repo`",
            Self::GithubCustomHost => "`host`, `org` and `repo`",
            Self::Gitlab => "`projectId` as a path (\"group/project\")",
            Self::Bitbucket => "`owner` and `slug`",
            Self::Custom => "`gitUrl`",
        }
    }
}

impl Wanted {
    /// Reads `gitSource`; `None` = the request has none.
    ///
    /// # Errors
    /// 400.
    pub(super) fn read(object: &Map<String, Value>) -> ApiResult<Option<Self>> {
        let source = match object.get("gitSource") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(source)) => source,
            Some(_) => return Err(body::kind("gitSource", "an object")),
        };
        let kind = body::text(source, "type")?.and_then(|word| Kind::parse(&word));
        let kind = kind.ok_or_else(|| {
            let known = Kind::ALL.map(Kind::as_str).join(", ");
            ApiError::bad_request(format!("`gitSource.type` should be one of {known}"))
        })?;
        let pull_request = match source.get("prId") {
            None | Some(Value::Null) => None,
            Some(number) => Some(
                number
                    .as_u64()
                    .ok_or_else(|| body::kind("gitSource.prId", "a number"))?,
            ),
        };
        let sha = body::text(source, "sha")?.map(|sha| sha.to_ascii_lowercase());
        if let Some(sha) = &sha {
            check_commit(sha).map_err(|error| refused(&error))?;
        }
        let reference = body::text(source, "ref")?;
        let reference = reference.map(|text| match text.strip_prefix("refs/heads/") {
            Some(branch) => branch.to_owned(),
            None => text,
        });
        if let Some(branch) = &reference {
            check_branch(branch).map_err(|error| refused(&error))?;
        }
        Ok(Some(Self {
            place: place(kind, source)?,
            kind,
            reference,
            sha,
            pull_request,
        }))
    }

    /// Where it lies. What a request leaves out its project says, if it is connected to one.
    ///
    /// # Errors
    /// 400 for what can't be found by what is given.
    pub(super) async fn resolve(
        self,
        state: &VercelState,
        link: Option<&Link>,
    ) -> ApiResult<(Repository, GitSource)> {
        let link = link.filter(|link| link.kind.provider() == self.kind.provider());
        let mut usual_branch = None;
        let (host, owner, name, url) = match (self.place, link) {
            (Place::Address(url), _) => (None, String::new(), String::new(), url),
            (Place::Named { host, owner, name }, _) => {
                let url = address(state, self.kind, host.as_deref(), &owner, &name)?;
                (host, owner, name, url)
            }
            (Place::Linked, Some(link)) => {
                let url = address(state, self.kind, None, &link.owner, &link.name)?;
                usual_branch = Some(link.production_branch.clone());
                (None, link.owner.clone(), link.name.clone(), url)
            }
            (Place::Linked, None) => {
                return Err(ApiError::bad_request(format!(
                    "a repository can't be looked up by its id: name it in `gitSource` by {}, or \
                     connect the project to it first",
                    self.kind.members()
                )));
            }
        };
        let branch = self
            .reference
            .or(usual_branch)
            .ok_or_else(|| body::kind("gitSource.ref", "a branch"))?;
        let checked = state.control.sources().check_url(&url);
        let url = checked.map_err(|error| refused(&error))?.to_string();
        let commit = match self.sha {
            Some(sha) => Some(sha),
            None => head(state, &url, &branch).await?,
        };
        let source = GitSource {
            url: url.clone(),
            branch,
            commit,
        };
        let repository = Repository {
            kind: self.kind,
            host,
            owner,
            name,
            url,
            pull_request: self.pull_request,
        };
        Ok((repository, source))
    }
}

fn place(kind: Kind, source: &Map<String, Value>) -> ApiResult<Place> {
    let (owner, name) = match kind {
        Kind::Github | Kind::GithubLimited | Kind::GithubCustomHost => ("org", "repo"),
        Kind::Bitbucket => ("owner", "slug"),
        Kind::Custom => {
            let url = body::text(source, "gitUrl")?;
            return Ok(url.map_or(Place::Linked, Place::Address));
        }
        Kind::Gitlab => {
            let path = source.get("projectId").and_then(Value::as_str);
            return Ok(match path.and_then(|path| path.rsplit_once('/')) {
                Some((owner, name)) => Place::Named {
                    host: None,
                    owner: owner.to_owned(),
                    name: name.to_owned(),
                },
                None => Place::Linked,
            });
        }
    };
    let host = match kind {
        Kind::GithubCustomHost => {
            let host = body::text(source, "host")?;
            Some(host.ok_or_else(|| body::kind("gitSource.host", "a host"))?)
        }
        Kind::Github | Kind::GithubLimited | Kind::Gitlab | Kind::Bitbucket | Kind::Custom => None,
    };
    match (body::text(source, owner)?, body::text(source, name)?) {
        (Some(owner), Some(name)) => Ok(Place::Named { host, owner, name }),
        (None, None) => Ok(Place::Linked),
        (Some(_), None) | (None, Some(_)) => Err(ApiError::bad_request(format!(
            "`gitSource` needs {}",
            kind.members()
        ))),
    }
}

fn address(
    state: &VercelState,
    kind: Kind,
    host: Option<&str>,
    owner: &str,
    name: &str,
) -> ApiResult<String> {
    let sources = state.control.sources();
    let path = format!("{owner}/{name}");
    let url = match (kind.provider(), host) {
        (Some(provider), _) => sources.clone_url(provider, &path),
        (None, host) => sources.clone_url_at(host.unwrap_or_default(), &path),
    };
    url.map_err(|error| refused(&error))
}

/// The commit that a branch points to, as far as that can be known now: a branch that can't be
/// looked at is looked at again by the build, whose log says what is wrong.
///
/// # Errors
/// 400 for what will not be different in a moment.
pub(super) async fn head(
    state: &VercelState,
    url: &str,
    branch: &str,
) -> ApiResult<Option<String>> {
    match state.control.sources().head(url, branch).await {
        Ok(commit) => Ok(Some(commit)),
        Err(
            error @ (SourceError::Url(_)
            | SourceError::Address { .. }
            | SourceError::Branch(_)
            | SourceError::NoSshKey
            | SourceError::NoBranch { .. }),
        ) => Err(refused(&error)),
        Err(error) => {
            tracing::info!(url, "a branch was not looked at: {error}");
            Ok(None)
        }
    }
}

fn refused(error: &SourceError) -> ApiError {
    ApiError::bad_request(format!("gitSource: {error}"))
}

impl Repository {
    /// `gitSource` of a deployment; absent while it would lack its commit where clients need one.
    pub(super) fn to_wire(&self, git: &GitSource) -> Option<Value> {
        let mut wire = match self.kind {
            Kind::Github | Kind::GithubLimited => json!({"org": self.owner, "repo": self.name}),
            Kind::GithubCustomHost => {
                json!({"host": self.host, "org": self.owner, "repo": self.name})
            }
            Kind::Gitlab => json!({"projectId": format!("{}/{}", self.owner, self.name)}),
            Kind::Bitbucket => json!({"owner": self.owner, "slug": self.name}),
            Kind::Custom => {
                git.commit.as_ref()?;
                json!({"gitUrl": self.url})
            }
        };
        wire["type"] = self.kind.as_str().into();
        wire["ref"] = git.branch.as_str().into();
        if let Some(commit) = &git.commit {
            wire["sha"] = commit.as_str().into();
        }
        if let Some(number) = self.pull_request {
            wire["prId"] = number.into();
        }
        Some(wire)
    }

    /// The pairs of `meta` that say what it was made of.
    pub(super) fn meta(&self, git: &GitSource) -> BTreeMap<String, String> {
        let prefix = self.kind.prefix();
        let mut pairs = vec![("CommitRef", git.branch.clone())];
        if let Some(commit) = &git.commit {
            pairs.push(("CommitSha", commit.clone()));
        }
        if let Some(number) = self.pull_request {
            pairs.push(("PrId", number.to_string()));
        }
        let (owner, name) = (self.owner.clone(), self.name.clone());
        match self.kind {
            Kind::Github | Kind::GithubLimited | Kind::GithubCustomHost => pairs.extend([
                ("Deployment", "1".to_owned()),
                ("Org", owner.clone()),
                ("Repo", name.clone()),
                ("CommitOrg", owner),
                ("CommitRepo", name),
            ]),
            Kind::Gitlab => pairs.extend([
                ("Deployment", "1".to_owned()),
                ("ProjectPath", format!("{owner}/{name}")),
                ("ProjectNamespace", owner),
                ("ProjectName", name),
            ]),
            Kind::Bitbucket => pairs.extend([
                ("Deployment", "1".to_owned()),
                ("RepoOwner", owner),
                ("RepoSlug", name),
            ]),
            Kind::Custom => {}
        }
        let named = |(name, value): (&str, String)| (format!("{prefix}{name}"), value);
        pairs.into_iter().map(named).collect()
    }
}
