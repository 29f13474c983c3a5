//! What is known of the commit that a deployment was made of, as its variables tell.

use windlass_control::sources::Provider;
use windlass_engine::records::GitSource;

use super::git::Repository;

/// As far as somebody said so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Commit {
    /// The branch.
    pub(super) branch: Option<String>,
    /// 40 hex digits.
    pub(super) sha: Option<String>,
    /// Its message.
    pub(super) message: Option<String>,
    /// Name of its author.
    pub(super) author: Option<String>,
    /// The host of its repository, in the words of the wire.
    pub(super) provider: Option<&'static str>,
    /// Owner of its repository.
    pub(super) owner: Option<String>,
    /// Name of its repository.
    pub(super) repository: Option<String>,
    /// The pull request that asked for it.
    pub(super) pull_request: Option<u64>,
}

impl Commit {
    /// What is built from a repository is known better than by what a client says.
    pub(super) fn with_source(
        self,
        source: Option<&GitSource>,
        repository: Option<&Repository>,
    ) -> Self {
        let (Some(source), Some(repository)) = (source, repository) else {
            return self;
        };
        let named = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            branch: Some(source.branch.clone()),
            sha: source.commit.clone(),
            message: None,
            author: None,
            provider: repository.kind.provider().map(Provider::as_str),
            owner: named(&repository.owner),
            repository: named(&repository.name),
            pull_request: repository.pull_request,
        }
    }

    /// The variables that tell it.
    pub(super) fn variables(&self) -> Vec<(&'static str, String)> {
        [
            ("VERCEL_GIT_PROVIDER", self.provider.map(str::to_owned)),
            ("VERCEL_GIT_REPO_OWNER", self.owner.clone()),
            ("VERCEL_GIT_REPO_SLUG", self.repository.clone()),
            ("VERCEL_GIT_COMMIT_REF", self.branch.clone()),
            ("VERCEL_GIT_COMMIT_SHA", self.sha.clone()),
            ("VERCEL_GIT_COMMIT_MESSAGE", self.message.clone()),
            ("VERCEL_GIT_COMMIT_AUTHOR_NAME", self.author.clone()),
            (
                "VERCEL_GIT_PULL_REQUEST_ID",
                self.pull_request.map(|number| number.to_string()),
            ),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(_, value)| !value.contains('\0'))
        .collect()
    }
}
