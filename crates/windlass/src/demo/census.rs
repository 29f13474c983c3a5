//! Which processes there are, read from `/proc` without asking Windlass.

use std::fs;
use std::path::Path;

/// A process that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// Its start in clock ticks since boot; with the id it names one process for ever.
    pub start_ticks: u64,
    /// Its words.
    pub arguments: Vec<String>,
    /// Whether it has ended and only waits to be reaped.
    pub is_zombie: bool,
}

impl Seen {
    /// Whether it is part of Windlass itself: a role or a shim.
    pub fn is_windlass(&self) -> bool {
        let words = ["up", "control", "router", "shim"];
        self.arguments.first().is_some_and(|program| {
            program.rsplit('/').next() == Some("windlass") || program.contains("/windlass")
        }) && self
            .arguments
            .get(1)
            .is_some_and(|word| words.contains(&word.as_str()))
    }

    /// Its command line.
    pub fn command(&self) -> String {
        self.arguments.join(" ")
    }
}

/// Every living process that has to do with a data directory: by command line, environment,
/// working directory, root or program. Neither a session of its own nor another parent hides one.
pub fn belonging_to(data_dir: &Path) -> Vec<Seen> {
    let needle = data_dir.as_os_str().as_encoded_bytes();
    let me = std::process::id();
    let mut found = all();
    found.retain(|seen| {
        let own = u32::try_from(seen.pid) == Ok(me);
        // What is only about to run something else is ours, but no part of it.
        !own && !seen.is_zombie && touches(seen.pid, data_dir, needle)
    });
    found
}

/// Every living process with these words in its command line.
pub fn with_words(words: &[&str]) -> Vec<Seen> {
    let mut found = all();
    found.retain(|seen| {
        !seen.is_zombie
            && words.iter().all(|word| {
                seen.arguments
                    .iter()
                    .any(|argument| argument.contains(word))
            })
    });
    found
}

/// The children of a process.
pub fn children(parent: i32) -> Vec<Seen> {
    let mut found = all();
    found.retain(|seen| seen.parent == parent);
    found
}

/// Those that are part of Windlass neither themselves nor by a living shim above them.
pub fn without_shim(all: &[Seen]) -> Vec<Seen> {
    let of = |pid: i32| all.iter().find(|seen| seen.pid == pid);
    let is_watched = |seen: &&Seen| {
        let mut above = Some(*seen);
        while let Some(seen) = above {
            if seen.is_windlass() {
                return true;
            }
            above = of(seen.parent);
        }
        false
    };
    let watched: Vec<i32> = all.iter().filter(is_watched).map(|seen| seen.pid).collect();
    all.iter()
        .filter(|seen| !watched.contains(&seen.pid))
        .cloned()
        .collect()
}

/// The processes of an earlier look that still live.
pub fn survivors(earlier: &[Seen]) -> Vec<Seen> {
    earlier
        .iter()
        .filter(|seen| start_ticks(seen.pid) == Some(seen.start_ticks) && !is_zombie(seen.pid))
        .cloned()
        .collect()
}

/// When a process began; `None` when there is none.
pub fn start_ticks(pid: i32) -> Option<u64> {
    stat(pid).map(|(_, _, start_ticks)| start_ticks)
}

/// Whether a process has ended and is not reaped.
pub fn is_zombie(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _, _)| matches!(state, 'Z' | 'X'))
}

fn all() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(look)
        .collect()
}

fn look(pid: i32) -> Option<Seen> {
    let (state, parent, start_ticks) = stat(pid)?;
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let arguments = words
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    Some(Seen {
        pid,
        parent,
        start_ticks,
        arguments,
        is_zombie: matches!(state, 'Z' | 'X'),
    })
}

/// State, parent and start of a process.
fn stat(pid: i32) -> Option<(char, i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, brackets too.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some((
        fields.first()?.chars().next()?,
        fields.get(1)?.parse().ok()?,
        fields.get(19)?.parse().ok()?,
    ))
}

fn touches(pid: i32, data_dir: &Path, needle: &[u8]) -> bool {
    let file = |name: &str| format!("/proc/{pid}/{name}");
    let mentions = |name: &str| {
        let bytes = fs::read(file(name)).unwrap_or_default();
        bytes.windows(needle.len()).any(|part| part == needle)
    };
    let leads_into =
        |name: &str| fs::read_link(file(name)).is_ok_and(|path| path.starts_with(data_dir));
    ["cwd", "root", "exe"].into_iter().any(leads_into)
        || ["cmdline", "environ"].into_iter().any(mentions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_left_its_session_is_seen_and_its_end_too() {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut child = std::process::Command::new("setsid")
            .args(["--fork", "--wait", "sleep", "600"])
            .current_dir(dir.path())
            .spawn()
            .expect("setsid");
        let found = loop {
            let found = belonging_to(dir.path());
            if found.iter().any(|seen| seen.command() == "sleep 600") {
                break found;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        };
        assert!(found.iter().all(|seen| !seen.is_windlass()));
        for seen in &found {
            let pid = nix::unistd::Pid::from_raw(seen.pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        child.wait().expect("reaped");
        while !survivors(&found).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(belonging_to(dir.path()), []);
    }
}
