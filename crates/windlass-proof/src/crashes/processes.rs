//! What `/proc` says about processes and listening sockets.

use std::collections::BTreeMap;
use std::fs;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) session: i32,
    /// Clock ticks since boot; with the pid it names one process for ever.
    pub(super) start_ticks: u64,
    pub(super) is_zombie: bool,
}

impl Process {
    /// Its command line, for people.
    pub(super) fn command(&self) -> String {
        let words = self.arguments();
        if words.is_empty() {
            return format!("pid {}", self.pid);
        }
        words.join(" ")
    }

    /// Its words.
    pub(super) fn arguments(&self) -> Vec<String> {
        let bytes = fs::read(self.file("cmdline")).unwrap_or_default();
        bytes
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    /// Whether its environment (as it was executed) holds this text.
    pub(super) fn environment_holds(&self, text: &str) -> bool {
        let bytes = fs::read(self.file("environ")).unwrap_or_default();
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    }

    /// Its control groups, one line a hierarchy.
    pub(super) fn groups(&self) -> String {
        fs::read_to_string(self.file("cgroup")).unwrap_or_default()
    }

    /// Its user.
    pub(super) fn user(&self) -> Option<u32> {
        let status = fs::read_to_string(self.file("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Inodes of its sockets.
    fn sockets(&self) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(self.file("fd")) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| {
                let target = fs::read_link(entry.path()).ok()?;
                let name = target.to_str()?;
                name.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse()
                    .ok()
            })
            .collect()
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid)
    }
}

/// Every process.
pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(one)
        .collect()
}

fn one(pid: i32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything, brackets too.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let state = fields.first()?.chars().next()?;
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
        is_zombie: matches!(state, 'Z' | 'X'),
    })
}

/// A listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) port: u16,
    /// Processes that have it open; none that may be looked into.
    pub(super) owners: Vec<i32>,
}

/// Every listening TCP socket on a port that is asked for.
pub(super) fn listeners(processes: &[Process], is_asked: impl Fn(u16) -> bool) -> Vec<Listener> {
    let mut found: BTreeMap<u64, Listener> = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        for (port, inode) in text.lines().skip(1).filter_map(listening) {
            if is_asked(port) {
                let owners = Vec::new();
                found.insert(inode, Listener { port, owners });
            }
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    for process in processes {
        for inode in process.sockets() {
            if let Some(listener) = found.get_mut(&inode) {
                listener.owners.push(process.pid);
            }
        }
    }
    found.into_values().collect()
}

/// Port and inode of a line, if it listens.
fn listening(line: &str) -> Option<(u16, u64)> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (_, port) = fields.get(1)?.rsplit_once(':')?;
    Some((
        u16::from_str_radix(port, 16).ok()?,
        fields.get(9)?.parse().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listening_socket_is_found_with_its_owner() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let found = listeners(&all(), |asked| asked == port);
        let me = i32::try_from(std::process::id()).expect("pid");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].port, port);
        assert!(found[0].owners.contains(&me), "{found:?}");
    }
}
