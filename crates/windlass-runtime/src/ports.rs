//! Who listens on a TCP port.

mod diag;

use std::collections::BTreeSet;
use std::fs;

/// Whose listening socket is on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Nobody listens.
    Nobody,
    /// A process of the given set.
    Ours,
    /// A process outside of it.
    Foreign,
    /// The kernel does not tell.
    Unknown,
}

/// Finds out whose listening socket is on `port`, on any address.
pub(crate) fn listener(port: u16, pids: &BTreeSet<u32>) -> Listener {
    let Some(inodes) = listening_inodes(port) else {
        return Listener::Unknown;
    };
    if inodes.is_empty() {
        return Listener::Nobody;
    }
    let mut is_hidden = false;
    for pid in pids {
        let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else {
            // A process that is gone hides nothing.
            is_hidden |= crate::procfs::stat(*pid).is_some_and(|stat| !stat.is_zombie);
            continue;
        };
        for entry in entries.flatten() {
            let Ok(target) = fs::read_link(entry.path()) else {
                continue;
            };
            let inode = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .parse::<u64>()
                    .ok()
            });
            if inode.is_some_and(|inode| inodes.contains(&inode)) {
                return Listener::Ours;
            }
        }
    }
    if is_hidden {
        Listener::Unknown
    } else {
        Listener::Foreign
    }
}

/// Inodes of the sockets that listen on `port`; `None` if the kernel does not tell.
fn listening_inodes(port: u16) -> Option<BTreeSet<u64>> {
    diag::listening_inodes(port)
        .ok()
        .or_else(|| inodes_in_tables(port))
}

/// The same from the kernel's text tables, which every kernel has.
fn inodes_in_tables(port: u16) -> Option<BTreeSet<u64>> {
    let v4 = fs::read_to_string("/proc/net/tcp").ok();
    let v6 = fs::read_to_string("/proc/net/tcp6").ok();
    if v4.is_none() && v6.is_none() {
        return None;
    }
    let lines = v4.iter().chain(&v6).flat_map(|table| table.lines());
    Some(
        lines
            .filter_map(|line| listening_inode(line, port))
            .collect(),
    )
}

fn listening_inode(line: &str, port: u16) -> Option<u64> {
    /// State `TCP_LISTEN` in the kernel's tables.
    const LISTEN: &str = "0A";
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (_, local_port) = fields.next()?.rsplit_once(':')?;
    let state = fields.nth(1)?;
    if state != LISTEN || u16::from_str_radix(local_port, 16).ok()? != port {
        return None;
    }
    fields.nth(5)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_listener_is_ours_and_of_another_set_foreign() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let me = BTreeSet::from([std::process::id()]);
        assert_eq!(listener(port, &me), Listener::Ours);
        assert_eq!(listener(port, &BTreeSet::new()), Listener::Foreign);
        drop(socket);
        assert_eq!(listener(port, &me), Listener::Nobody);
    }
}
