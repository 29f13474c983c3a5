//! The machine's git: always the same arguments, and an environment without settings of anybody.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{Remote, Scheme, SourceError};

/// Where git and ssh are looked up.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The first version that can be held to an address (`http.curloptResolve`).
const OLDEST: (u32, u32) = (2, 37);
/// A transfer below so many bytes a second …
const SLOW_BYTES: &str = "http.lowSpeedLimit=1000";
/// … for so many seconds has failed.
const SLOW_SECONDS: &str = "http.lowSpeedTime=30";

/// In force whatever a repository, a user or the machine has set.
const SETTINGS: [&str; 20] = [
    "protocol.version=2",
    // Each redirect is looked at first; this also turns off further places of dumb servers.
    "http.followRedirects=false",
    "http.proxy=",
    "http.cookieFile=",
    "http.sslVerify=true",
    SLOW_BYTES,
    SLOW_SECONDS,
    "credential.helper=",
    "core.askPass=",
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    // Neither bundles nor packs from elsewhere.
    "transfer.bundleURI=false",
    "fetch.uriProtocols=",
    // One pack instead of a file for each object.
    "fetch.unpackLimit=1",
    "gc.auto=0",
    "maintenance.auto=false",
    "safe.directory=*",
];

/// Finds git and checks its version, once.
pub(super) fn check_version() -> Result<(), SourceError> {
    static FOUND: OnceLock<Result<(), String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let output = clean("git").arg("--version").output();
        let output = output.map_err(|error| format!("it can't be run: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        if version(&text).is_some_and(|version| version >= OLDEST) {
            Ok(())
        } else {
            Err(format!("this one says {:?}", text.trim()))
        }
    });
    found.clone().map_err(SourceError::NoGit)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("git version ")?.split(['.', ' ', '\n']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn clean(program: &str) -> Command {
    let path = PATH
        .split(':')
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| PathBuf::from(program));
    let mut command = Command::new(path);
    command.env_clear().env("PATH", PATH);
    command
}

/// A git command that asks nobody but its repository.
pub(super) fn local(directory: Option<&Path>) -> Command {
    let mut command = clean("git");
    command
        .stdin(std::process::Stdio::null())
        .current_dir("/")
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("SSH_ASKPASS", "")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_PROTOCOL_FROM_USER", "0")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_OPTIONAL_LOCKS", "0");
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    if let Some(directory) = directory {
        command.arg("--git-dir").arg(directory);
    }
    command
}

/// How git reaches another machine and knows it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Means<'a> {
    /// File of the certificates that are trusted in the place of the system's.
    pub(super) certificates: Option<&'a Path>,
    /// Command line that stands for ssh.
    pub(super) ssh: Option<&'a str>,
}

/// A git command that asks the machines of `remote`, and no other.
pub(super) fn to_remote(remote: &Remote, directory: Option<&Path>, means: Means<'_>) -> Command {
    let mut command = local(None);
    let url = remote.url();
    command.env("GIT_ALLOW_PROTOCOL", url.scheme().as_str());
    match url.scheme() {
        Scheme::Http | Scheme::Https => {
            command
                .env("GIT_TRACE_CURL", "2")
                .env("GIT_TRACE_CURL_NO_DATA", "1");
            if let Some(pin) = remote.pin() {
                command.args(["-c", &format!("http.curloptResolve={pin}")]);
            }
            if let Some(file) = means.certificates {
                command.env("GIT_SSL_CAINFO", file);
            }
        }
        Scheme::Ssh => {
            // Without a way to reach it there is none: never the ssh of whoever runs this.
            command
                .env("GIT_SSH_COMMAND", means.ssh.unwrap_or("false"))
                .env("GIT_SSH_VARIANT", "ssh");
        }
    }
    if let Some(directory) = directory {
        command.arg("--git-dir").arg(directory);
    }
    command
}

/// What git said at its end, in words for the user.
pub(super) fn failure(remote: &Remote, branch: &str, lines: &[String]) -> SourceError {
    let url = remote.url().to_string();
    let says = |text: &str| lines.iter().any(|line| line.contains(text));
    if says("could not read Username")
        || says("Authentication failed")
        || says("not found")
        || says("returned error: 404")
        || says("returned error: 401")
        || says("returned error: 403")
        || says("does not appear to be a git repository")
    {
        return SourceError::NotFound { url };
    }
    if says("couldn't find remote ref") {
        let branch = branch.to_owned();
        return SourceError::NoBranch { url, branch };
    }
    if says("Could not read from remote repository") {
        let words = "it can't be read by ssh: the key, the host's key or the name is wrong, and the \
                     server's log says which";
        return SourceError::Git(words.to_owned());
    }
    let last = lines
        .iter()
        .rev()
        .find(|line| line.starts_with("fatal: ") || line.starts_with("error: "))
        .or(lines.last());
    let text = last.map_or("it failed without a word", String::as_str);
    let text = text
        .trim_start_matches("fatal: ")
        .trim_start_matches("error: ");
    SourceError::Git(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("git version 2.39.5\n"), Some((2, 39)));
        assert_eq!(version("git version 2.50.1 (Apple Git-155)"), Some((2, 50)));
        assert_eq!(version("something else"), None);
    }
}
