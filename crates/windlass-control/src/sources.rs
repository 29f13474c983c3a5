//! Where source comes from: git repositories, and what their hosts report about pushes.
//!
//! An address is given by a user, so it may lead anywhere: [`SourceUrl`] knows the few forms that
//! are accepted, [`AddressRules`] the machines that are never asked, [`Remote`] holds a checked name
//! to the addresses that were checked. All access is by the machine's `git` with a fixed list of
//! arguments and an environment of its own ([`git`]).

mod address;
mod branch;
mod fetch;
mod git;
mod head;
mod output;
mod redirect;
mod remote;
mod ssh;
mod ssh_bridge;
mod url;
mod webhook;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

pub use address::{AddressRefusal, AddressRules};
pub use branch::{check_branch, check_commit};
pub use fetch::{FetchLimits, FetchPlan};
#[cfg(test)]
pub(crate) use fetch::{commit_line, fetch_line};
pub(crate) use fetch::{fetch, is_commit_line, is_fetch_line, source_directory};
pub use remote::Remote;
pub use ssh_bridge::ssh_bridge_main;
pub use url::{Scheme, SourceUrl, UrlError};
pub use webhook::{Push, WEBHOOK_BODY_BYTES, WebhookError};

/// Bytes of the certificates that git trusts; those of a system are about 220 KiB.
const CA_BYTES: u64 = 1024 * 1024;
/// Look-ups of branches at the same time.
const HEADS_AT_ONCE: usize = 4;

/// A host of repositories whose addresses have a short form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// GitHub.
    GitHub,
    /// GitLab.
    GitLab,
    /// Bitbucket.
    Bitbucket,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GitHub, Self::GitLab, Self::Bitbucket];

    /// Its name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Bitbucket => "bitbucket",
        }
    }
}

/// A text that no log shows. Its serialized form is the text: it goes through pipes only.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "unset" } else { "hidden" })
    }
}

/// Settings of git sources. Times and sizes carry their unit in their name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceSettings {
    /// Base address of GitHub's repositories.
    pub github_url: String,
    /// Base address of GitLab's repositories.
    pub gitlab_url: String,
    /// Base address of Bitbucket's repositories.
    pub bitbucket_url: String,
    /// Which addresses may be asked.
    pub addresses: AddressRules,
    /// Seconds between looks at a branch; 0 = never.
    pub poll_interval_s: u64,
    /// What signs the reports of pushes; `None` = they are refused.
    pub webhook_secret: Option<Hidden>,
    /// Certificates of the authorities that git trusts, PEM; `None` = those of the system. Everybody
    /// must be able to read it.
    pub ca_file: Option<PathBuf>,
    /// Private key for ssh; `None` = no ssh.
    pub ssh_key_file: Option<PathBuf>,
    /// Keys of the hosts that ssh may talk to.
    pub ssh_known_hosts_file: Option<PathBuf>,
    /// Longest fetch, seconds.
    pub fetch_time_limit_s: u64,
    /// Largest source, fetched or unpacked, MiB.
    pub source_mb: u64,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            github_url: "https://github.com".to_owned(),
            gitlab_url: "https://gitlab.com".to_owned(),
            bitbucket_url: "https://bitbucket.org".to_owned(),
            addresses: AddressRules::default(),
            poll_interval_s: 60,
            webhook_secret: None,
            ca_file: None,
            ssh_key_file: None,
            ssh_known_hosts_file: None,
            fetch_time_limit_s: 300,
            source_mb: 2_048,
        }
    }
}

/// Why source can't be had. The texts are for users.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The address has a form that is not accepted.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// `owner/name` is none.
    #[error("{0:?} is not the name of a repository, give it as owner/name")]
    Repository(String),
    /// The branch can't be one.
    #[error("{0:?} is not the name of a branch")]
    Branch(String),
    /// The commit can't be one.
    #[error("{0:?} is not a commit, give all 40 hex digits")]
    Commit(String),
    /// The directory leads out of the source.
    #[error("{0:?} is not a directory of the source, give it relative to the repository")]
    Directory(String),
    /// The address leads where it must not.
    #[error("{host}: {refusal}")]
    Address {
        /// The host as the address names it.
        host: String,
        /// Why.
        refusal: AddressRefusal,
    },
    /// The name is unknown.
    #[error("{host} can't be looked up: {reason}")]
    LookUp {
        /// The host.
        host: String,
        /// Why.
        reason: String,
    },
    /// ssh is asked for, but there is no key.
    #[error("ssh needs a key: set git_ssh_key_file, or give an https address")]
    NoSshKey,
    /// The server sent the request elsewhere.
    #[error("the repository's server redirects to {to}: {reason}")]
    Redirect {
        /// Where.
        to: String,
        /// Why nobody went there.
        reason: String,
    },
    /// There is no `git`, or it is too old.
    #[error("git 2.37 or newer is needed on this machine; {0}")]
    NoGit(String),
    /// The repository is not there, or not for everybody.
    #[error("{url} does not exist or is private")]
    NotFound {
        /// Its address.
        url: String,
    },
    /// The branch is not there.
    #[error("{url} has no branch {branch:?}")]
    NoBranch {
        /// Address of the repository.
        url: String,
        /// The branch.
        branch: String,
    },
    /// The commit is not there.
    #[error("{url} has no commit {commit}")]
    NoCommit {
        /// Address of the repository.
        url: String,
        /// The commit.
        commit: String,
    },
    /// The directory is not there.
    #[error("the source has no directory {0:?}")]
    NoDirectory(String),
    /// It took too long.
    #[error("{url} did not answer within {limit_s} seconds")]
    TooSlow {
        /// Address of the repository.
        url: String,
        /// The limit, seconds.
        limit_s: u64,
    },
    /// It is too large.
    #[error("the repository is larger than {limit_mb} MiB")]
    TooLarge {
        /// The limit, MiB.
        limit_mb: u64,
    },
    /// What git says.
    #[error("git: {0}")]
    Git(String),
    /// What is in it is not acceptable.
    #[error("the source is not acceptable: {0}")]
    Archive(#[from] crate::archive::ArchiveError),
    /// The machine failed.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl SourceError {
    pub(crate) fn io(action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

/// Git sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sources {
    settings: Arc<SourceSettings>,
    heads: Arc<Semaphore>,
}

impl Sources {
    /// With these settings.
    pub fn new(settings: SourceSettings) -> Self {
        Self {
            settings: Arc::new(settings),
            heads: Arc::new(Semaphore::new(HEADS_AT_ONCE)),
        }
    }

    /// The settings.
    pub fn settings(&self) -> &SourceSettings {
        &self.settings
    }

    /// The address of `owner/name` at a provider.
    ///
    /// # Errors
    /// [`SourceError::Repository`].
    pub fn clone_url(&self, provider: Provider, repository: &str) -> Result<String, SourceError> {
        let base = match provider {
            Provider::GitHub => &self.settings.github_url,
            Provider::GitLab => &self.settings.gitlab_url,
            Provider::Bitbucket => &self.settings.bitbucket_url,
        };
        self.below(base, repository)
    }

    /// The address of `owner/name` at a host of somebody's own.
    ///
    /// # Errors
    /// [`SourceError::Repository`], [`SourceError::Url`], [`SourceError::Address`].
    pub fn clone_url_at(&self, host: &str, repository: &str) -> Result<String, SourceError> {
        if host.contains('/') {
            return Err(UrlError::Host.into());
        }
        self.below(&format!("https://{host}"), repository)
    }

    fn below(&self, base: &str, repository: &str) -> Result<String, SourceError> {
        if !is_repository(repository) {
            return Err(SourceError::Repository(repository.to_owned()));
        }
        let name = repository.strip_suffix(".git").unwrap_or(repository);
        let url = format!("{}/{name}.git", base.trim_end_matches('/'));
        self.check_url(&url)?;
        Ok(url)
    }

    /// Checks an address as far as that is possible without asking anybody: its form, and its host
    /// when that is a number. Names are checked when they are looked up.
    ///
    /// # Errors
    /// [`SourceError::Url`], [`SourceError::Address`], [`SourceError::NoSshKey`].
    pub fn check_url(&self, url: &str) -> Result<SourceUrl, SourceError> {
        let url: SourceUrl = url.parse()?;
        if url.scheme() == Scheme::Ssh && self.settings.ssh_key_file.is_none() {
            return Err(SourceError::NoSshKey);
        }
        self.settings.addresses.check_host(&url)?;
        Ok(url)
    }

    /// The certificates that a fetch trusts in the place of the system's, PEM. Blocking.
    ///
    /// # Errors
    /// [`SourceError::Io`].
    pub(crate) fn certificates(&self) -> Result<Option<String>, SourceError> {
        let Some(path) = &self.settings.ca_file else {
            return Ok(None);
        };
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(CA_BYTES).read_to_string(&mut text))
            .map_err(SourceError::io("read git_ca_file"))?;
        Ok(Some(text))
    }

    /// The pushes that a provider reports; none when it reports something else.
    /// `header` finds a header of the request by its name in lower case.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub fn verify_webhook<'a>(
        &self,
        provider: Provider,
        header: impl Fn(&str) -> Option<&'a str>,
        body: &[u8],
    ) -> Result<Vec<Push>, WebhookError> {
        let secret = self.settings.webhook_secret.as_ref();
        let secret = secret.ok_or(WebhookError::NoSecret)?;
        webhook::verify(provider, secret.reveal(), header, body)
    }
}

/// `owner/name`; GitLab has groups in groups.
fn is_repository(text: &str) -> bool {
    const NAME_BYTES: usize = 512;
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let parts = text.split('/').count();
    text.len() <= NAME_BYTES && (2..=10).contains(&parts) && text.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_addresses() {
        let sources = Sources::new(SourceSettings {
            github_url: "https://git.example.com/mirror/".to_owned(),
            ..SourceSettings::default()
        });
        let url = |provider, name| sources.clone_url(provider, name).map_err(|e| e.to_string());
        assert_eq!(
            url(Provider::GitHub, "digitalocean/sample-golang").unwrap(),
            "https://git.example.com/mirror/digitalocean/sample-golang.git"
        );
        assert_eq!(
            url(Provider::GitLab, "group/sub/name.git").unwrap(),
            "https://gitlab.com/group/sub/name.git"
        );
        assert_eq!(
            sources.clone_url_at("git.example.org:8443", "a/b").unwrap(),
            "https://git.example.org:8443/a/b.git"
        );
        for bad in ["", "a b", "a/b", "user@host", "169.254.169.254"] {
            assert!(sources.clone_url_at(bad, "a/b").is_err(), "{bad}");
        }
        for bad in [
            "name", "/name", "a//b", "../b", "a/-b", "a b/c", "a/b?x", "a/b#",
        ] {
            assert!(url(Provider::Bitbucket, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let settings = SourceSettings {
            webhook_secret: Some(Hidden::new("hunter2")),
            ..SourceSettings::default()
        };
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn ssh_needs_a_key() {
        let sources = Sources::new(SourceSettings::default());
        assert!(matches!(
            sources.check_url("git@github.com:a/b.git"),
            Err(SourceError::NoSshKey)
        ));
    }
}
