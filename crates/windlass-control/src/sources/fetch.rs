//! Fetches one commit of a repository and unpacks it: the first phase of a build, in its sandbox.
//!
//! Nothing is checked out: the content comes as an archive and goes through the same checks as an
//! upload. No setting, hook, filter or submodule of the repository takes part.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::output::{self, Stopped};
use super::{
    AddressRules, Remote, Scheme, SourceError, SourceUrl, check_branch, check_commit, git, redirect,
};
use crate::archive::{ArchiveLimits, ExtractOptions, Refusal, extract_tar};

/// Lines of git that are kept for an error.
const LINES: usize = 100;
/// Bytes of what git says about an archive.
const ARCHIVE_WORDS_BYTES: u64 = 16 * 1024;
/// Name that the fetched commit gets.
const REFERENCE: &str = "refs/windlass/source";
/// All files, as they are: nothing is left out, filled in or converted.
const ATTRIBUTES: &str = "* -export-ignore -export-subst -filter -ident -working-tree-encoding\n";
/// Beginnings of lines that say how far a fetch is.
const FETCHING: &str = "-----> Fetching ";
const COMMIT: &str = "       commit ";
const MIB: u64 = 1024 * 1024;

/// What is to be fetched: part of the plan of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchPlan {
    /// Address of the repository.
    pub url: String,
    /// Branch.
    pub branch: String,
    /// Commit, 40 hex digits; `None` = what the branch points to.
    pub commit: Option<String>,
    /// Directory of the repository; `None` = all of it.
    pub source_dir: Option<String>,
    /// Which machines may be asked.
    pub addresses: AddressRules,
    /// How much of it.
    pub limits: FetchLimits,
    /// Certificates that are trusted in the place of the system's, PEM.
    #[serde(default)]
    pub certificates: Option<String>,
    /// Command that offers a way by ssh, if there is one.
    pub ssh: Option<String>,
}

/// Limits of one fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchLimits {
    /// Longest time, seconds.
    pub time_s: u64,
    /// Largest source, fetched or unpacked, MiB.
    pub source_mb: u64,
}

/// Fetches into `scratch` (which is removed again) and unpacks to the empty directory `app`.
/// Lines for the log go to `say`. Answers with the commit.
pub(crate) fn fetch(
    plan: &FetchPlan,
    scratch: &Path,
    app: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<String, SourceError> {
    check_branch(&plan.branch)?;
    if let Some(commit) = &plan.commit {
        check_commit(commit)?;
    }
    let directory = source_directory(plan.source_dir.as_deref().unwrap_or_default())?;
    git::check_version()?;
    let fetching = Fetching {
        plan,
        repository: scratch.to_path_buf(),
        deadline: Instant::now() + Duration::from_secs(plan.limits.time_s),
    };
    say(&fetch_line(&plan.branch, &plan.url));
    fetching.make_repository()?;
    fetching.follow_redirects(say)?;
    let commit = fetching.commit()?;
    say(&commit_line(&commit));
    fetching.unpack(&commit, &directory, app)?;
    fs::remove_dir_all(scratch).map_err(SourceError::io("remove the fetched repository"))?;
    Ok(commit)
}

/// The first line that a fetch says.
pub(crate) fn fetch_line(branch: &str, url: &str) -> String {
    format!("{FETCHING}{branch} of {url}")
}

/// Whether a line is the first of a fetch.
pub(crate) fn is_fetch_line(line: &str) -> bool {
    line.starts_with(FETCHING)
}

/// The line with which a fetch says that everything is there.
pub(crate) fn commit_line(commit: &str) -> String {
    format!("{COMMIT}{commit}")
}

/// Whether a line is that one. The other end can't say it: its lines are marked.
pub(crate) fn is_commit_line(line: &str) -> bool {
    line.strip_prefix(COMMIT)
        .is_some_and(|commit| check_commit(commit.trim_end()).is_ok())
}

/// The directory without what means nothing; empty for the repository itself.
pub(crate) fn source_directory(text: &str) -> Result<String, SourceError> {
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") || text.contains(['\0', '\\', '\n']) || text.len() > 1024 {
        return Err(SourceError::Directory(text.chars().take(200).collect()));
    }
    Ok(parts.join("/"))
}

struct Fetching<'a> {
    plan: &'a FetchPlan,
    repository: PathBuf,
    deadline: Instant,
}

impl Fetching<'_> {
    fn make_repository(&self) -> Result<(), SourceError> {
        let mut command = git::local(None);
        command
            .args(["init", "--quiet", "--bare", "--template=", "--"])
            .arg(&self.repository);
        self.plain(command)?;
        let info = self.repository.join("info");
        fs::create_dir_all(&info)
            .and_then(|()| fs::write(info.join("attributes"), ATTRIBUTES))
            .map_err(SourceError::io("write attributes"))?;
        match &self.plan.certificates {
            Some(text) => fs::write(self.certificates_file(), text)
                .map_err(SourceError::io("write certificates")),
            None => Ok(()),
        }
    }

    fn certificates_file(&self) -> PathBuf {
        self.repository.join("info/certificates.pem")
    }

    fn follow_redirects(&self, say: &mut dyn FnMut(&str)) -> Result<(), SourceError> {
        let mut url: SourceUrl = self.plan.url.parse()?;
        for _ in 0..=redirect::REDIRECTS {
            if url.scheme() == Scheme::Ssh && self.plan.ssh.is_none() {
                return Err(SourceError::NoSshKey);
            }
            // By ssh the other end looks the host up: this one does not connect at all.
            let remote = Remote::look_up(url, self.plan.addresses)?;
            match self.fetch_from(&remote, say)? {
                None => return Ok(()),
                Some(to) => {
                    say(&format!("       redirected to {to}"));
                    url = to;
                }
            }
        }
        Err(SourceError::Redirect {
            to: url.to_string(),
            reason: "one redirect follows the other".to_owned(),
        })
    }

    fn fetch_from(
        &self,
        remote: &Remote,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<SourceUrl>, SourceError> {
        let branch = format!("refs/heads/{}", self.plan.branch);
        let Some(commit) = &self.plan.commit else {
            return self.try_fetch(remote, &branch, true, say);
        };
        // Most servers give a single commit away. With others it has to be found on its branch.
        match self.try_fetch(remote, commit, true, say) {
            Err(SourceError::Git(_) | SourceError::NoBranch { .. }) => {}
            other => return other,
        }
        let redirected = self.try_fetch(remote, &branch, false, say)?;
        if redirected.is_none() && !self.has(commit) {
            return Err(SourceError::NoCommit {
                url: remote.url().to_string(),
                commit: commit.clone(),
            });
        }
        Ok(redirected)
    }

    fn try_fetch(
        &self,
        remote: &Remote,
        what: &str,
        shallow: bool,
        say: &mut dyn FnMut(&str),
    ) -> Result<Option<SourceUrl>, SourceError> {
        let certificates = self.certificates_file();
        let means = git::Means {
            certificates: self.plan.certificates.as_ref().map(|_| &*certificates),
            ssh: self.plan.ssh.as_deref(),
        };
        let mut command = git::to_remote(remote, Some(&self.repository), means);
        command.args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"]);
        command.args(["--no-write-fetch-head", "--refmap="]);
        if shallow {
            command.arg("--depth=1");
        }
        let url = remote.url().to_string();
        command.args(["--", &url, &format!("+{what}:{REFERENCE}")]);
        let (mut lines, mut location) = (Vec::new(), None);
        let mut hear = |line: &str| {
            if let Some(found) = redirect::location(line) {
                location = Some(found.to_owned());
            } else if !redirect::is_trace(line) && !line.is_empty() && lines.len() < LINES {
                if line.starts_with("remote: ") {
                    say(&format!("       {line}"));
                }
                lines.push(line.to_owned());
            }
        };
        let limits = self.plan.limits;
        let too_large = || size_bytes(&self.repository) > limits.source_mb.saturating_mul(MIB);
        let ended =
            output::run(command, self.deadline, &mut hear, &too_large).map_err(|stopped| {
                match stopped {
                    Stopped::TooSlow => SourceError::TooSlow {
                        url: url.clone(),
                        limit_s: limits.time_s,
                    },
                    Stopped::TooLarge => SourceError::TooLarge {
                        limit_mb: limits.source_mb,
                    },
                    Stopped::Io(source) => SourceError::io("run git")(source),
                }
            })?;
        if ended.status.success() {
            return Ok(None);
        }
        match location {
            Some(location) => redirect::follow(remote.url(), &location).map(Some),
            None => Err(git::failure(remote, &self.plan.branch, &lines)),
        }
    }

    fn has(&self, commit: &str) -> bool {
        let mut command = git::local(Some(&self.repository));
        command.args(["cat-file", "-e", &format!("{commit}^{{commit}}")]);
        self.plain(command).is_ok()
    }

    fn commit(&self) -> Result<String, SourceError> {
        if let Some(commit) = &self.plan.commit {
            return Ok(commit.clone());
        }
        let mut command = git::local(Some(&self.repository));
        command.args(["rev-parse", "--verify", &format!("{REFERENCE}^{{commit}}")]);
        let text = self.plain(command)?;
        let commit = text.trim().to_owned();
        check_commit(&commit)?;
        Ok(commit)
    }

    fn unpack(&self, commit: &str, directory: &str, app: &Path) -> Result<(), SourceError> {
        let mut tree = git::local(Some(&self.repository));
        tree.args(["cat-file", "-t", &format!("{commit}:{directory}")]);
        if self.plain(tree).ok().as_deref() != Some("tree\n") {
            return Err(SourceError::NoDirectory(directory.to_owned()));
        }
        let mut command = git::local(Some(&self.repository));
        command
            .args(["archive", "--format=tar", &format!("{commit}:{directory}")])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(SourceError::io("run git"))?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(SourceError::Git("its output is not there".to_owned()));
        };
        let words = std::thread::spawn(move || {
            let mut words = String::new();
            let _ = stderr.take(ARCHIVE_WORDS_BYTES).read_to_string(&mut words);
            words
        });
        let options = ExtractOptions {
            limits: self.archive_limits(),
            ..ExtractOptions::default()
        };
        let extracted = extract_tar(stdout, app, options);
        if extracted.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(SourceError::io("wait for git"))?;
        let words = words.join().unwrap_or_default();
        // It refuses some names itself; its archive ends early then.
        let refused = match &extracted {
            Ok(_) => !status.success(),
            Err(error) => {
                matches!(error.refusal(), Some(Refusal::Corrupt(_))) && words.starts_with("error: ")
            }
        };
        if refused {
            let words = words.lines().last().unwrap_or("the archive ended early");
            return Err(SourceError::Git(words.to_owned()));
        }
        extracted.map(drop).map_err(SourceError::from)
    }

    fn archive_limits(&self) -> ArchiveLimits {
        let most = ArchiveLimits::PACKAGE;
        let total_bytes = self.plan.limits.source_mb.saturating_mul(MIB);
        ArchiveLimits {
            total_bytes,
            file_bytes: most.file_bytes.min(total_bytes),
            ..most
        }
    }

    /// Runs a command that asks nobody, and takes its output.
    fn plain(&self, command: Command) -> Result<String, SourceError> {
        let mut lines = Vec::new();
        let mut hear = |line: &str| {
            if lines.len() < LINES {
                lines.push(line.to_owned());
            }
        };
        match output::run(command, self.deadline, &mut hear, &|| false) {
            Ok(ended) if ended.status.success() => {
                Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
            }
            Ok(_) => Err(SourceError::Git(lines.pop().unwrap_or_default())),
            Err(Stopped::TooSlow | Stopped::TooLarge) => Err(SourceError::TooSlow {
                url: self.plan.url.clone(),
                limit_s: self.plan.limits.time_s,
            }),
            Err(Stopped::Io(source)) => Err(SourceError::io("run git")(source)),
        }
    }
}

/// Bytes of the files of the repository: packs, also those that are being written.
fn size_bytes(repository: &Path) -> u64 {
    let size = |directory: PathBuf| {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .sum::<u64>()
    };
    size(repository.join("objects/pack")) + size(repository.join("objects"))
}

#[cfg(test)]
mod tests;
