//! Where on this machine which controller is to be found.

use std::fs;
use std::path::{Path, PathBuf};

use super::PARENT;

/// The groups below which those of the runs can be made, per controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hierarchies {
    /// Writable group of version 2.
    pub(crate) unified: Option<PathBuf>,
    /// True if groups below `unified` have the memory controller.
    pub(crate) unified_memory: bool,
    /// True if groups below `unified` have the pids controller.
    pub(crate) unified_pids: bool,
    /// Writable group of the version 1 memory hierarchy.
    pub(crate) memory_v1: Option<PathBuf>,
    /// Writable group of the version 1 pids hierarchy.
    pub(crate) pids_v1: Option<PathBuf>,
    /// Why something is missing, for people.
    pub(crate) notes: Vec<String>,
}

/// A mounted hierarchy and the server's own group in it.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    is_unified: bool,
    controllers: Vec<String>,
    root: PathBuf,
    /// Directory of the server's own group.
    own: PathBuf,
}

impl Hierarchies {
    /// Looks at the machine and prepares the parent groups.
    pub(crate) fn detect() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut found = Self::default();
        for mount in parse(&mounts, &groups) {
            if mount.is_unified {
                found.use_unified(&mount);
            } else if mount.controllers.iter().any(|name| name == "memory") {
                found.memory_v1 = found.usable(&mount, "memory");
            } else if mount.controllers.iter().any(|name| name == "pids") {
                found.pids_v1 = found.usable(&mount, "pids");
            }
        }
        found
    }

    /// True if any kind of group can be made.
    pub(crate) fn is_usable(&self) -> bool {
        self.unified.is_some() || self.memory_v1.is_some() || self.pids_v1.is_some()
    }

    fn usable(&mut self, mount: &Mount, name: &str) -> Option<PathBuf> {
        let place = candidates(mount)
            .into_iter()
            .find(|dir| make_parent(dir).is_ok());
        if place.is_none() {
            self.notes
                .push(format!("{name} (version 1): no group is writable"));
        }
        place
    }

    /// Prefers the nearest group that can hand down the controllers; a group that has processes of
    /// its own cannot, hence the way up.
    fn use_unified(&mut self, mount: &Mount) {
        let mut without_controllers = None;
        for place in candidates(mount) {
            if make_parent(&place).is_err() {
                continue;
            }
            let (memory, pids) = (hand_down(&place, "memory"), hand_down(&place, "pids"));
            if memory || pids {
                self.unified = Some(place);
                (self.unified_memory, self.unified_pids) = (memory, pids);
                return;
            }
            without_controllers = without_controllers.or(Some(place));
        }
        match &without_controllers {
            Some(_) => self
                .notes
                .push("version 2: no controller, only for ending runs".to_owned()),
            None => self
                .notes
                .push("version 2: no group is writable".to_owned()),
        }
        self.unified = without_controllers;
    }
}

/// The server's own group and those above it.
fn candidates(mount: &Mount) -> Vec<PathBuf> {
    let ancestors = mount
        .own
        .ancestors()
        .take_while(|dir| dir.starts_with(&mount.root));
    ancestors.map(Path::to_path_buf).collect()
}

fn make_parent(place: &Path) -> std::io::Result<()> {
    let parent = place.join(PARENT);
    fs::create_dir_all(&parent)?;
    // A directory may exist and belong to somebody else: try to make a group in it.
    let trial = parent.join(format!("trial-{}", std::process::id()));
    fs::create_dir(&trial)?;
    fs::remove_dir(&trial)
}

/// Lets the groups below `place/windlass` have `controller`; true if they do.
fn hand_down(place: &Path, controller: &str) -> bool {
    for dir in [place.to_path_buf(), place.join(PARENT)] {
        let enabled = dir.join("cgroup.subtree_control");
        let has = |file: &Path| {
            fs::read_to_string(file)
                .unwrap_or_default()
                .split_whitespace()
                .any(|c| c == controller)
        };
        if !has(&enabled) && fs::write(&enabled, format!("+{controller}")).is_err() {
            return false;
        }
    }
    true
}

fn parse(mountinfo: &str, own_groups: &str) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let (&[_, _, _, shown, mount_point, ..], &[kind, _, options]) = (&left[..], &right[..])
        else {
            continue;
        };
        let is_unified = kind == "cgroup2";
        if !is_unified && kind != "cgroup" {
            continue;
        }
        let controllers: Vec<String> = options.split(',').map(str::to_owned).collect();
        let Some(own) = own_group(own_groups, is_unified, &controllers) else {
            continue;
        };
        // In a container the mount may show only a part of the hierarchy.
        let below = own
            .strip_prefix(shown)
            .unwrap_or(Path::new(""))
            .to_path_buf();
        let mount_point = PathBuf::from(mount_point);
        let own = if below.as_os_str().is_empty() {
            mount_point.clone()
        } else {
            mount_point.join(below)
        };
        mounts.push(Mount {
            is_unified,
            controllers,
            root: mount_point,
            own,
        });
    }
    mounts
}

fn own_group(own_groups: &str, is_unified: bool, controllers: &[String]) -> Option<PathBuf> {
    own_groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, names, path) = (parts.next()?, parts.next()?, parts.next()?);
        let matches = if is_unified {
            id == "0"
        } else {
            names
                .split(',')
                .any(|name| controllers.iter().any(|controller| controller == name))
        };
        matches.then(|| PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
30 1 0:25 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory
31 1 0:26 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
32 1 0:27 /docker/x /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 1 8:1 / / rw - ext4 /dev/root rw";

    #[test]
    fn hybrid_machine_is_read_per_controller() {
        let groups = "9:memory:/a/b\n8:pids:/docker/x/y\n0::/";
        let mounts = parse(HYBRID, groups);
        let own: Vec<&str> = mounts
            .iter()
            .map(|mount| mount.own.to_str().unwrap())
            .collect();
        assert_eq!(
            own,
            [
                "/sys/fs/cgroup/memory/a/b",
                "/sys/fs/cgroup/unified",
                "/sys/fs/cgroup/pids/y"
            ]
        );
        assert_eq!(
            candidates(&mounts[0]),
            [
                "/sys/fs/cgroup/memory/a/b",
                "/sys/fs/cgroup/memory/a",
                "/sys/fs/cgroup/memory"
            ]
            .map(PathBuf::from)
        );
    }
}
