//! Which commit a branch points to, asked from outside of any build.

use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use super::output::{self, Stopped};
use super::{
    Remote, Scheme, SourceError, SourceSettings, SourceUrl, Sources, check_branch, check_commit,
    git, redirect, ssh,
};

/// Longest look-up of a branch, seconds.
const HEAD_LIMIT_S: u64 = 20;
/// Lines of git that are kept for an error.
const LINES: usize = 100;
/// User without rights, who asks where Windlass runs as root.
const NOBODY: u32 = 65_534;

impl Sources {
    /// The commit that a branch of a repository points to, as 40 hex digits.
    ///
    /// # Errors
    /// [`SourceError`]; it takes at most 20 seconds.
    pub async fn head(&self, url: &str, branch: &str) -> Result<String, SourceError> {
        let url = self.check_url(url)?;
        check_branch(branch)?;
        let too_slow = SourceError::TooSlow {
            url: url.to_string(),
            limit_s: HEAD_LIMIT_S,
        };
        let limit = Duration::from_secs(HEAD_LIMIT_S);
        let (settings, heads) = (self.settings.clone(), self.heads.clone());
        let branch = branch.to_owned();
        let asked = async move {
            let permit = heads.acquire_owned().await;
            let deadline = Instant::now() + limit;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                head(&settings, url, &branch, deadline)
            })
            .await
        };
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => Err(SourceError::Git(error.to_string())),
            Err(_) => Err(too_slow),
        }
    }
}

fn head(
    settings: &SourceSettings,
    mut url: SourceUrl,
    branch: &str,
    deadline: Instant,
) -> Result<String, SourceError> {
    git::check_version()?;
    for _ in 0..=redirect::REDIRECTS {
        let remote = Remote::look_up(url, settings.addresses)?;
        match ask(settings, &remote, branch, deadline)? {
            Answer::Commit(commit) => return Ok(commit),
            Answer::Elsewhere(to) => url = to,
        }
    }
    Err(SourceError::Redirect {
        to: url.to_string(),
        reason: "one redirect follows the other".to_owned(),
    })
}

enum Answer {
    Commit(String),
    Elsewhere(SourceUrl),
}

fn ask(
    settings: &SourceSettings,
    remote: &Remote,
    branch: &str,
    deadline: Instant,
) -> Result<Answer, SourceError> {
    let reference = format!("refs/heads/{branch}");
    let url = remote.url();
    let ssh = match url.scheme() {
        Scheme::Ssh => Some(ssh::command(settings, remote)?),
        Scheme::Http | Scheme::Https => None,
    };
    let means = git::Means {
        certificates: settings.ca_file.as_deref(),
        ssh: ssh.as_deref(),
    };
    let mut command = git::to_remote(remote, None, means);
    command.args(["ls-remote", "--quiet", "--", &url.to_string(), &reference]);
    // What a stranger's server sends is read without rights. ssh has to read its key.
    if ssh.is_none() && nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let (mut lines, mut location) = (Vec::new(), None);
    let mut hear = |line: &str| {
        if let Some(found) = redirect::location(line) {
            location = Some(found.to_owned());
        } else if !redirect::is_trace(line) && lines.len() < LINES {
            lines.push(line.to_owned());
        }
    };
    let ended =
        output::run(command, deadline, &mut hear, &|| false).map_err(|stopped| match stopped {
            Stopped::TooSlow | Stopped::TooLarge => SourceError::TooSlow {
                url: url.to_string(),
                limit_s: HEAD_LIMIT_S,
            },
            Stopped::Io(source) => SourceError::io("run git")(source),
        })?;
    if !ended.status.success() {
        return match location {
            Some(location) => redirect::follow(url, &location).map(Answer::Elsewhere),
            None => Err(git::failure(remote, branch, &lines)),
        };
    }
    let text = String::from_utf8_lossy(&ended.stdout);
    let found = text
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .find(|(_, name)| *name == reference);
    let Some((commit, _)) = found else {
        let (url, branch) = (url.to_string(), branch.to_owned());
        return Err(SourceError::NoBranch { url, branch });
    };
    check_commit(commit)?;
    Ok(Answer::Commit(commit.to_owned()))
}
