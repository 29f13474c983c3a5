//! Reads `/proc`: who descends from whom, what a process uses, which marks it carries.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The fields of `/proc/<pid>/stat` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: u32,
    pub(crate) ppid: u32,
    pub(crate) pgrp: u32,
    pub(crate) session: u32,
    /// True for a process that has exited and waits to be reaped.
    pub(crate) is_zombie: bool,
    /// User and system time, in clock ticks.
    pub(crate) cpu_ticks: u64,
    /// Start time since boot, in clock ticks.
    pub(crate) start_ticks: u64,
    /// Resident memory, in pages.
    pub(crate) resident_pages: u64,
}

/// Reads the stat line of a process; `None` if it is gone.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_stat(line: &str) -> Option<Stat> {
    // The name stands in parentheses and may itself contain anything, parentheses included.
    let (pid, rest) = line.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |index: usize| fields.get(index)?.trim().parse::<u64>().ok();
    let pid_field = |index: usize| u32::try_from(number(index)?).ok();
    Some(Stat {
        pid: pid.parse().ok()?,
        is_zombie: matches!(*fields.first()?, "Z" | "X"),
        ppid: pid_field(1)?,
        pgrp: pid_field(2)?,
        session: pid_field(3)?,
        cpu_ticks: number(11)? + number(12)?,
        start_ticks: number(19)?,
        resident_pages: number(21)?,
    })
}

/// Ids of all processes that are visible, ascending.
pub(crate) fn pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// Stat lines of all visible processes.
pub(crate) fn all() -> Vec<Stat> {
    pids().into_iter().filter_map(stat).collect()
}

/// Everything that descends from `roots`, the roots themselves left out.
pub(crate) fn descendants(roots: &BTreeSet<u32>) -> Vec<Stat> {
    descendants_in(&all(), roots)
}

/// As [`descendants`], within a snapshot.
pub(crate) fn descendants_in(all: &[Stat], roots: &BTreeSet<u32>) -> Vec<Stat> {
    let mut children: BTreeMap<u32, Vec<Stat>> = BTreeMap::new();
    for stat in all {
        children.entry(stat.ppid).or_default().push(*stat);
    }
    let mut found = Vec::new();
    let mut waiting: Vec<u32> = roots.iter().copied().collect();
    let mut seen = roots.clone();
    while let Some(parent) = waiting.pop() {
        for child in children.get(&parent).into_iter().flatten() {
            if seen.insert(child.pid) {
                found.push(*child);
                waiting.push(child.pid);
            }
        }
    }
    found
}

/// Everything that `pid` descends from, the machine's init included.
pub(crate) fn ancestors_in(all: &[Stat], pid: u32) -> BTreeSet<u32> {
    let parents: BTreeMap<u32, u32> = all.iter().map(|stat| (stat.pid, stat.ppid)).collect();
    let mut found = BTreeSet::from([1]);
    let mut below = pid;
    while let Some(parent) = parents.get(&below).copied().filter(|parent| *parent > 0) {
        if !found.insert(parent) && parent != 1 {
            break;
        }
        below = parent;
    }
    found
}

/// Real user of a process; `None` if it is gone.
pub(crate) fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Memory that can be ascribed to a process, in bytes: the proportional set size where the kernel
/// tells it, else the resident size (which counts shared pages once per process).
pub(crate) fn proportional_bytes(stat: &Stat) -> u64 {
    let resident = stat.resident_pages * page_bytes();
    let Ok(text) = fs::read_to_string(format!("/proc/{}/smaps_rollup", stat.pid)) else {
        return resident;
    };
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kib.map_or(resident, |kib| kib * 1024)
}

/// Size of a memory page, in bytes.
pub(crate) fn page_bytes() -> u64 {
    use nix::unistd::{SysconfVar, sysconf};
    sysconf(SysconfVar::PAGE_SIZE)
        .ok()
        .flatten()
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(4096)
}

/// Clock ticks per second.
pub(crate) fn ticks_per_second() -> u64 {
    use nix::unistd::{SysconfVar, sysconf};
    sysconf(SysconfVar::CLK_TCK)
        .ok()
        .flatten()
        .and_then(|n| u64::try_from(n).ok())
        .unwrap_or(100)
}

/// Id of a process in its innermost pid namespace.
pub(crate) fn innermost_pid(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

/// True if the environment that the process was executed with has the line `NAME=value`.
pub(crate) fn has_environment(pid: u32, assignment: &str) -> bool {
    let Ok(environ) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    environ
        .split(|byte| *byte == 0)
        .any(|entry| entry == assignment.as_bytes())
}

/// Working directory of a process, if it may be known.
pub(crate) fn working_dir(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// Arguments of a process.
pub(crate) fn arguments(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
    text.split(|byte| *byte == 0)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_line_with_a_hostile_name_is_read() {
        let line = "42 (a) S 1 (b) R 7 42 42 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 777 999 33 1\n";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.ppid, stat.session), (42, 7, 42));
        assert_eq!(
            (stat.cpu_ticks, stat.start_ticks, stat.resident_pages),
            (11, 777, 33)
        );
    }

    #[test]
    fn this_process_descends_from_its_parent() {
        let me = stat(std::process::id()).unwrap();
        assert!(
            descendants(&BTreeSet::from([me.ppid]))
                .iter()
                .any(|stat| stat.pid == me.pid)
        );
        let above = ancestors_in(&all(), me.pid);
        assert!(above.contains(&me.ppid) && above.contains(&1) && !above.contains(&me.pid));
        assert_eq!(user(me.pid), Some(nix::unistd::getuid().as_raw()));
        assert!(page_bytes() >= 4096 && ticks_per_second() > 0);
        assert!(proportional_bytes(&me) > 0);
    }
}
