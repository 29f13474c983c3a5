//! Control groups, version 2 and version 1, each controller where it is to be found.
//!
//! A controller that is bound to a version 1 hierarchy cannot be used in version 2 at the same
//! time, so a machine may have memory in one and pids in the other; and a version 2 group without
//! any controller is still good for ending everything that is in it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::spec::Limits;

mod hierarchy;

pub(crate) use hierarchy::Hierarchies;

/// Group between the server's own and those of the runs.
const PARENT: &str = "windlass";

/// How often the removal of an emptied group is tried: its last processes may still be leaving.
const REMOVE_TRIES: u32 = 50;
/// Pause between these tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(2);

/// The control groups of one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Groups {
    memory: Option<(Version, PathBuf)>,
    pids: Option<(Version, PathBuf)>,
    /// Group of version 2, with or without controllers.
    unified: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Groups {
    /// Makes the groups of a run and sets its limits.
    ///
    /// # Errors
    /// When a limit that is asked for cannot be set, or no group at all can be made.
    pub(crate) fn create(found: &Hierarchies, run: &str, limits: &Limits) -> io::Result<Self> {
        // Runs of several servers may have the same name: a group is only ever one run's.
        let name = format!("{run}.{}", std::process::id());
        let mut groups = Self::default();
        let made = groups
            .make(found, &name)
            .and_then(|()| groups.set_limits(limits));
        if let Err(error) = made {
            groups.remove();
            return Err(error);
        }
        Ok(groups)
    }

    fn make(&mut self, found: &Hierarchies, name: &str) -> io::Result<()> {
        if let Some(base) = &found.unified {
            let path = base.join(PARENT).join(name);
            create_dir(&path)?;
            if found.unified_memory {
                self.memory = Some((Version::Two, path.clone()));
            }
            if found.unified_pids {
                self.pids = Some((Version::Two, path.clone()));
            }
            self.unified = Some(path);
        }
        if let (None, Some(base)) = (&self.memory, &found.memory_v1) {
            let path = base.join(PARENT).join(name);
            create_dir(&path)?;
            self.memory = Some((Version::One, path));
        }
        if let (None, Some(base)) = (&self.pids, &found.pids_v1) {
            let path = base.join(PARENT).join(name);
            create_dir(&path)?;
            self.pids = Some((Version::One, path));
        }
        if *self == Self::default() {
            return Err(io::Error::other("this machine offers no control group"));
        }
        Ok(())
    }

    fn set_limits(&self, limits: &Limits) -> io::Result<()> {
        if let (Some((version, path)), Some(memory_mb)) = (&self.memory, limits.memory_mb) {
            let limit_bytes = memory_mb.saturating_mul(1024 * 1024);
            match version {
                Version::Two => {
                    write(path, "memory.max", limit_bytes)?;
                    // Without swap accounting the file is absent, and without swap it has no use.
                    let _ = write(path, "memory.swap.max", 0);
                    let _ = write(path, "memory.oom.group", 1);
                }
                Version::One => {
                    write(path, "memory.limit_in_bytes", limit_bytes)?;
                    let _ = write(path, "memory.memsw.limit_in_bytes", limit_bytes);
                }
            }
        }
        if let (Some((_, path)), Some(pids)) = (&self.pids, limits.pids) {
            write(path, "pids.max", pids)?;
        }
        Ok(())
    }

    /// Paths of all groups, for the state file.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let memory = self.memory.iter().map(|(_, path)| path);
        let pids = self.pids.iter().map(|(_, path)| path);
        let mut paths: Vec<PathBuf> = self
            .unified
            .iter()
            .chain(memory)
            .chain(pids)
            .cloned()
            .collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Moves the calling process, which has one thread, into the groups.
    ///
    /// To move a whole process by `cgroup.procs`, the kernel keeps all others from forking, and
    /// waits ten milliseconds and more until it knows that none is about to. `tasks` of version 1
    /// moves the calling thread alone without that.
    pub(crate) fn join<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> io::Result<()> {
        paths
            .into_iter()
            .try_for_each(|path| match write(path, "tasks", 0) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    write(path, "cgroup.procs", 0)
                }
                other => other,
            })
    }

    /// The group of version 2 among these, for a process to be born in.
    pub(crate) fn birthplace(paths: &[PathBuf]) -> Option<(&Path, File)> {
        let path = paths
            .iter()
            .find(|path| path.join("cgroup.controllers").exists())?;
        let opened = File::open(path).ok()?;
        Some((path, opened))
    }

    /// True if the kernel enforces the memory limit.
    pub(crate) fn limits_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Number of processes that the kernel has ended because the memory limit was reached.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let Some((version, path)) = &self.memory else {
            return 0;
        };
        let file = match version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        keyed(path, file, "oom_kill").unwrap_or(0)
    }

    /// Memory in use without page cache that can be dropped at once, in bytes.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        let (version, path) = self.memory.as_ref()?;
        let (file, inactive) = match version {
            Version::One => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::Two => ("memory.current", "inactive_file"),
        };
        let used: u64 = fs::read_to_string(path.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        Some(used.saturating_sub(keyed(path, "memory.stat", inactive).unwrap_or(0)))
    }

    /// CPU time used so far, in microseconds.
    pub(crate) fn cpu_us(&self) -> Option<u64> {
        keyed(self.unified.as_ref()?, "cpu.stat", "usage_usec")
    }

    /// Number of processes in the groups.
    pub(crate) fn processes(&self) -> u64 {
        self.pids().len() as u64
    }

    /// Processes in the groups.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let path = self.paths().into_iter().next();
        path.map_or_else(Vec::new, |path| members(&path))
    }

    /// Ends everything in the groups. Repeat it until nothing is left.
    pub(crate) fn kill(&self) {
        kill_members(&self.paths());
    }

    /// Removes the emptied groups.
    pub(crate) fn remove(&self) {
        remove_groups(&self.paths());
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |place: &Option<(Version, PathBuf)>| match place {
            Some((Version::One, _)) => "version 1",
            Some((Version::Two, _)) => "version 2",
            None => "sampled",
        };
        let pids = if self.pids.is_none() {
            "no limit"
        } else {
            word(&self.pids)
        };
        write!(f, "memory: {}, pids: {pids}", word(&self.memory))
    }
}

/// Ends every process in `groups` once; says how many were seen.
pub(crate) fn kill_members(groups: &[PathBuf]) -> usize {
    let mut seen = 0;
    for group in groups {
        // No new process can be made in a pids group with limit 0, so that one pass is enough.
        let _ = write(group, "pids.max", 0);
        let _ = write(group, "cgroup.kill", 1);
        for pid in members(group) {
            seen += 1;
            let Ok(pid) = i32::try_from(pid) else {
                continue;
            };
            // It may be gone already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    seen
}

/// Removes emptied groups, with those that the processes themselves made below.
pub(crate) fn remove_groups(groups: &[PathBuf]) {
    for group in groups {
        for _ in 0..REMOVE_TRIES {
            for child in child_groups(group) {
                let _ = fs::remove_dir(child);
            }
            match fs::remove_dir(group) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    std::thread::sleep(REMOVE_PAUSE);
                }
                _ => break,
            }
        }
    }
}

/// Processes in a group and in those below it.
fn members(group: &Path) -> Vec<u32> {
    let mut pids: Vec<u32> = fs::read_to_string(group.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    for child in child_groups(group) {
        pids.extend(members(&child));
    }
    pids.retain(|pid| *pid != 0);
    pids
}

fn child_groups(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

/// Makes a group of our own; one that is left from an earlier boot of a container is replaced.
fn create_dir(path: &Path) -> io::Result<()> {
    let made = fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| {
        // It can only be removed while nothing is in it.
        let _ = fs::remove_dir(path);
        fs::create_dir(path)
    });
    made.map_err(|error| {
        io::Error::new(error.kind(), format!("making {}: {error}", path.display()))
    })
}

fn write(group: &Path, file: &str, value: u64) -> io::Result<()> {
    let path = group.join(file);
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, value.to_string().as_bytes()))
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Value of the line `key value` in a file of a group.
fn keyed(group: &Path, file: &str, key: &str) -> Option<u64> {
    let text = fs::read_to_string(group.join(file)).ok()?;
    let mut words = text.lines().filter_map(|line| line.split_once(' '));
    words.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}
