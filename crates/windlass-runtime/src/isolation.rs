//! The four independent means of isolation.

pub(crate) mod capabilities;
pub(crate) mod landlock;
pub(crate) mod mounts;
mod probe;
pub(crate) mod user_namespace;

pub(crate) use probe::probe_main;
pub use probe::{Means, Probe, ShimCommand, probe};

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which means of isolation to use. Each works without the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationSet {
    /// Files: Landlock.
    pub landlock: bool,
    /// Processes: a pid namespace (with a mount namespace, for an ordinary user inside a user
    /// namespace).
    pub pidns: bool,
    /// Resources: control groups, version 2 or 1, per controller.
    pub cgroup: bool,
    /// User: a user id of its own; needs a server that runs as root.
    pub uid: bool,
}

/// A word in an isolation set that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown means of isolation {0:?}, use bare or a list of landlock, pidns, cgroup, uid")]
pub struct UnknownMeans(String);

impl IsolationSet {
    /// No means at all.
    pub const BARE: Self = Self {
        landlock: false,
        pidns: false,
        cgroup: false,
        uid: false,
    };
    /// All four.
    pub const ALL: Self = Self {
        landlock: true,
        pidns: true,
        cgroup: true,
        uid: true,
    };

    /// Reads `bare` or a comma-separated list of `landlock`, `pidns`, `cgroup`, `uid`.
    pub fn parse(text: &str) -> Result<Self, UnknownMeans> {
        let mut set = Self::BARE;
        if text.trim() == "bare" {
            return Ok(set);
        }
        for word in text.split(',').map(str::trim) {
            match word {
                "landlock" => set.landlock = true,
                "pidns" => set.pidns = true,
                "cgroup" => set.cgroup = true,
                "uid" => set.uid = true,
                other => return Err(UnknownMeans(other.to_owned())),
            }
        }
        Ok(set)
    }

    /// The means that are in both sets.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self {
            landlock: self.landlock && other.landlock,
            pidns: self.pidns && other.pidns,
            cgroup: self.cgroup && other.cgroup,
            uid: self.uid && other.uid,
        }
    }
}

impl fmt::Display for IsolationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = [
            (self.landlock, "landlock"),
            (self.pidns, "pidns"),
            (self.cgroup, "cgroup"),
            (self.uid, "uid"),
        ]
        .into_iter()
        .filter_map(|(is_in, word)| is_in.then_some(word))
        .collect();
        f.write_str(if words.is_empty() { "bare" } else { "" })?;
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_round_trip_through_text() {
        for text in [
            "bare",
            "landlock",
            "pidns,cgroup",
            "landlock,pidns,cgroup,uid",
        ] {
            assert_eq!(
                IsolationSet::parse(text).map(|set| set.to_string()),
                Ok(text.to_owned())
            );
        }
        assert!(IsolationSet::parse("landlock,docker").is_err());
        assert!(IsolationSet::parse("").is_err());
    }
}
