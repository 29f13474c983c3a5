//! The route table: what is routed where, and how it changes.
//!
//! The same types are the content of the table file and of the protocol, so a
//! change of a field is a change of the protocol version
//! ([`crate::protocol::VERSION`]).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

mod manners;

pub use manners::{AnswerHeader, AnswerKind, Pins, RequestHeader};

/// Identity of one routed component of one app.
pub type GroupId = String;
/// Identity of one version of a group (a revision of the app's component).
pub type VersionId = String;
/// Identity of one run of one instance; never used again for another run.
pub type UpstreamId = String;

/// All shares of a group together are this many parts.
pub const SHARE_PARTS: u16 = 10_000;

/// The whole route table at one position.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Raised when the file was lost, damaged or restored; beats any generation.
    pub epoch: u64,
    /// Boot in which the upstreams were written down. Addresses of another boot
    /// are never used.
    pub boot_id: String,
    /// Counts the changes within the epoch, one by one.
    pub generation: u64,
    /// Routed components.
    pub groups: BTreeMap<GroupId, Group>,
    /// Rules by host name: lower case, without port, perhaps `*.domain`.
    pub hosts: BTreeMap<String, HostRoutes>,
    /// Groups that served before a reboot and whose instances control has not
    /// confirmed since: their requests wait.
    #[serde(default)]
    pub unconfirmed: BTreeSet<GroupId>,
}

/// Place of a table in the order of all tables; a higher epoch beats any
/// generation.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Position {
    /// Epoch of the table file.
    pub epoch: u64,
    /// Number of the change within the epoch.
    pub generation: u64,
}

/// One routed component of one app.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The app, as its public API names it (`X-Cf-App-Instance`).
    pub app_id: String,
    /// Generation of the plan that says so. A change that comes from an older
    /// plan than the one in force is dropped by [`crate::RouterLink::publish`].
    pub plan_generation: u64,
    /// Versions that run, with their shares.
    pub versions: Vec<Version>,
    /// How long a withdrawn instance may finish its requests; control ends the
    /// instance afterwards.
    pub drain_limit_ms: u64,
    /// A response that sets one of these cookies pins its client to the
    /// instance. Empty: no pinning.
    #[serde(default)]
    pub sticky_cookies: Vec<String>,
    /// Whether the group stands for a whole app: then it has no versions, and
    /// `ingress` says which other group answers.
    #[serde(default)]
    pub is_whole_app: bool,
    /// Rules of the app; the first that matches decides.
    #[serde(default)]
    pub ingress: Vec<IngressRule>,
    /// What the shares divide.
    #[serde(default)]
    pub split: Split,
    /// How a request names the version that it is for, whatever the shares say.
    #[serde(default)]
    pub pins: Option<Box<Pins>>,
}

/// What the shares of a group divide.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "split", rename_all = "snake_case")]
pub enum Split {
    /// Requests, each by itself.
    #[default]
    Requests,
    /// Visitors: all requests of one go to the same version. The versions keep
    /// their order while shares move, so that each visitor moves at most once.
    Visitors {
        /// Identity of the rollout: another one divides them anew.
        rollout: String,
        /// Header of responses that names the version which answered.
        #[serde(default)]
        header: Option<String>,
    },
}

/// One rule of an app about its paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngressRule {
    /// Only requests to this host: lower case, without port.
    #[serde(default)]
    pub host: Option<String>,
    /// Whole path segments as in [`RouteRule::path_prefix`], unless `exact`.
    pub path: String,
    /// Only this very path.
    #[serde(default)]
    pub exact: bool,
    /// What answers.
    pub answer: IngressAnswer,
}

/// What answers the requests of an ingress rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum IngressAnswer {
    /// Another group, by the shares of its versions.
    Group {
        /// Which.
        group: GroupId,
        /// What takes the place of the matched part of the path; `None`
        /// leaves it as it is.
        replace: Option<String>,
    },
    /// Another address; what is `None` is that of the request.
    Redirect {
        /// Path and query.
        uri: Option<String>,
        /// Host.
        authority: Option<String>,
        /// Port.
        port: Option<u16>,
        /// `http` or `https`.
        scheme: Option<String>,
        /// 300 to 308.
        status: u16,
    },
}

/// One version of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Identity of the version.
    pub id: VersionId,
    /// Part of the group's requests, in 1/10,000. With 0 the version is
    /// withdrawn: nothing is picked from it, not even by a pin.
    pub share: u16,
    /// What answers.
    pub target: TargetKind,
}

/// What answers the requests of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TargetKind {
    /// Running instances.
    Instances {
        /// Routable instances.
        upstreams: Vec<Upstream>,
    },
    /// Instances that are started by the first request. Without one the router
    /// asks control and holds the request.
    OnDemand {
        /// Routable instances, empty while none runs.
        upstreams: Vec<Upstream>,
        /// Longest hold of one request, at most 30,000.
        hold_ms: u32,
        /// Requests that may be held at once, at most 100.
        hold_limit: u32,
    },
    /// Files that the router serves itself.
    Static {
        /// Directory of the artifact.
        root: PathBuf,
        /// Name of the document of a directory.
        index: String,
        /// Document for unknown paths; `None` answers 404.
        fallback: Option<String>,
        /// Document of the answer 404; `None` answers with a line of text.
        #[serde(default)]
        not_found: Option<String>,
    },
    /// A built site in the Build Output layout: its routes say what answers, a
    /// file that the router serves itself or a function in an instance that is
    /// started on demand.
    Site {
        /// Directory of the unpacked artifact: `config.json`, `static/`,
        /// `functions/`. Its content never changes.
        root: PathBuf,
        /// Routable instances that run the functions, empty while none runs.
        upstreams: Vec<Upstream>,
        /// Longest hold of one request for a function, at most 30,000.
        hold_ms: u32,
        /// Requests that may be held at once, at most 100.
        hold_limit: u32,
        /// Headers that answers carry beside those of the site.
        #[serde(default)]
        headers: Vec<AnswerHeader>,
        /// Headers that functions see in place of the client's own.
        #[serde(default)]
        request_headers: Vec<RequestHeader>,
    },
    /// Another address.
    Redirect {
        /// Absolute URL, or a prefix of it when `keep_path` is set.
        location: String,
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Append the path and query of the request to `location`.
        keep_path: bool,
    },
}

/// One routable instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// The run of the instance.
    pub id: UpstreamId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Number of the instance within its process.
    pub index: u32,
    /// Identity of the instance as clients see it (in the pinning cookie).
    pub public_id: String,
}

/// The rules of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRoutes {
    /// Number of the commit that says so; an older one never replaces it.
    pub commit: u64,
    /// The rules, in any order: the most specific one wins.
    pub rules: Vec<RouteRule>,
}

/// Sends a part of a host's requests to destinations. The longest path prefix
/// wins, then a rule with a method, then the one with more headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRule {
    /// Identity of the route, for the access log.
    pub route_id: String,
    /// Whole path segments: `/api` matches `/api` and `/api/x`, not `/apix`.
    /// Empty or `/` matches everything.
    pub path_prefix: String,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests with all of these headers.
    #[serde(default)]
    pub headers: Vec<HeaderMatch>,
    /// Where requests go; the weights are relative to each other.
    pub destinations: Vec<Destination>,
    /// While none of the destinations is there, the answer is 404 with these
    /// headers; without any it is 503, as for what may come back soon.
    #[serde(default)]
    pub absent: Vec<AnswerHeader>,
}

/// A header that a request must carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderMatch {
    /// Header name, any case.
    pub name: String,
    /// Exact value; `None` means any.
    pub value: Option<String>,
}

/// One destination of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The group that answers.
    pub group: GroupId,
    /// Part of the rule's requests, relative to the other destinations. It
    /// multiplies the shares of the group's versions.
    pub weight: u32,
}

/// One step from a table to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// Epoch of the table after the step.
    pub epoch: u64,
    /// Boot of the upstreams that the step names.
    pub boot_id: String,
    /// Generation of the table after the step.
    pub generation: u64,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// One change of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Sets a group.
    PutGroup {
        /// Which.
        group: GroupId,
        /// Its new content.
        value: Group,
    },
    /// Removes a group.
    RemoveGroup {
        /// Which.
        group: GroupId,
        /// Generation of the plan that removes it.
        plan_generation: u64,
    },
    /// Sets the rules of a host.
    PutHost {
        /// Lower case, without port, perhaps `*.domain`.
        host: String,
        /// Its rules.
        value: HostRoutes,
    },
    /// Removes a host.
    RemoveHost {
        /// Which.
        host: String,
        /// Number of the commit that removes it.
        commit: u64,
    },
    /// Replaces everything.
    Snapshot {
        /// Groups, hosts and unconfirmed groups are taken from it; its own
        /// position is that of the delta.
        table: Box<Table>,
    },
}

/// A delta that does not follow the table at hand: something between is
/// missing, so the file must be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the change {found:?} does not follow the table at {at:?}: read the table file from its start"
)]
pub struct Gap {
    /// Position of the table.
    pub at: Position,
    /// Position of the delta.
    pub found: Position,
}

impl Table {
    /// Position of this table.
    pub fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            generation: self.generation,
        }
    }

    /// Takes a delta in. `Ok(false)`: the delta is not newer and was ignored.
    pub fn apply(&mut self, delta: &Delta) -> Result<bool, Gap> {
        let (at, found) = (self.position(), delta.position());
        if found <= at {
            return Ok(false);
        }
        let whole = matches!(delta.changes.first(), Some(Change::Snapshot { .. }));
        let follows = found.epoch == at.epoch
            && found.generation == at.generation + 1
            && delta.boot_id == self.boot_id;
        if !whole && !follows {
            return Err(Gap { at, found });
        }
        for change in &delta.changes {
            self.change(change);
        }
        self.epoch = delta.epoch;
        self.generation = delta.generation;
        self.boot_id.clone_from(&delta.boot_id);
        Ok(true)
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::PutGroup { group, value } => {
                if value.confirms() {
                    self.unconfirmed.remove(group);
                }
                self.groups.insert(group.clone(), value.clone());
            }
            Change::RemoveGroup {
                group,
                plan_generation: _,
            } => {
                self.unconfirmed.remove(group);
                self.groups.remove(group);
            }
            Change::PutHost { host, value } => {
                self.hosts.insert(host.clone(), value.clone());
            }
            Change::RemoveHost { host, commit: _ } => {
                self.hosts.remove(host);
            }
            Change::Snapshot { table } => {
                self.groups.clone_from(&table.groups);
                self.hosts.clone_from(&table.hosts);
                self.unconfirmed.clone_from(&table.unconfirmed);
            }
        }
    }

    /// Whether a change comes from an older plan or commit than what is in
    /// force, and must not replace it.
    pub fn is_stale(&self, change: &Change) -> bool {
        match change {
            Change::PutGroup { group, value } => self
                .groups
                .get(group)
                .is_some_and(|known| value.plan_generation < known.plan_generation),
            Change::RemoveGroup {
                group,
                plan_generation,
            } => self
                .groups
                .get(group)
                .is_some_and(|known| *plan_generation < known.plan_generation),
            Change::PutHost { host, value } => self
                .hosts
                .get(host)
                .is_some_and(|known| value.commit < known.commit),
            Change::RemoveHost { host, commit } => self
                .hosts
                .get(host)
                .is_some_and(|known| *commit < known.commit),
            Change::Snapshot { .. } => false,
        }
    }

    /// Whether a change would leave the table as it is.
    pub fn is_unchanged_by(&self, change: &Change) -> bool {
        match change {
            Change::PutGroup { group, value } => {
                self.groups.get(group) == Some(value)
                    && !(value.confirms() && self.unconfirmed.contains(group))
            }
            Change::RemoveGroup { group, .. } => !self.groups.contains_key(group),
            Change::PutHost { host, value } => self.hosts.get(host) == Some(value),
            Change::RemoveHost { host, .. } => !self.hosts.contains_key(host),
            Change::Snapshot { table } => {
                self.groups == table.groups
                    && self.hosts == table.hosts
                    && self.unconfirmed == table.unconfirmed
            }
        }
    }

    /// Forgets all upstreams, because they belong to another boot: their
    /// addresses may be anybody's now. Groups that could serve become
    /// unconfirmed, so that their requests wait for control.
    pub fn forget_upstreams(&mut self, boot_id: &str) {
        for (id, group) in &mut self.groups {
            // A site serves its files, and its functions are started again.
            let loses_instances = group.versions.iter().any(|version| {
                version.pickable().next().is_some()
                    && !matches!(version.target, TargetKind::Site { .. })
            });
            if loses_instances {
                self.unconfirmed.insert(id.clone());
            }
            for version in &mut group.versions {
                match &mut version.target {
                    TargetKind::Instances { upstreams }
                    | TargetKind::OnDemand { upstreams, .. }
                    | TargetKind::Site { upstreams, .. } => upstreams.clear(),
                    TargetKind::Static { .. } | TargetKind::Redirect { .. } => {}
                }
            }
        }
        boot_id.clone_into(&mut self.boot_id);
    }

    /// Ends the wait of groups whose content confirms them, and of those that
    /// are gone.
    pub(crate) fn settle_unconfirmed(&mut self) {
        let groups = &self.groups;
        self.unconfirmed
            .retain(|id| groups.get(id).is_some_and(|group| !group.confirms()));
    }

    /// Identities of all upstreams that requests may be sent to.
    pub fn pickable_upstreams(&self) -> BTreeSet<UpstreamId> {
        self.pickable_ids().into_iter().map(str::to_owned).collect()
    }

    /// The same, without copies.
    pub(crate) fn pickable_ids(&self) -> HashSet<&str> {
        self.groups
            .values()
            .flat_map(Group::pickable)
            .map(|upstream| upstream.id.as_str())
            .collect()
    }
}

impl Group {
    /// Upstreams that requests may be sent to.
    pub fn pickable(&self) -> impl Iterator<Item = &Upstream> {
        self.versions.iter().flat_map(Version::pickable)
    }

    /// Whether this content, written after a reboot, ends the wait of the
    /// group's requests: something can serve, or nothing is meant to.
    fn confirms(&self) -> bool {
        let wanted = self.versions.iter().any(|version| version.share > 0);
        let serves = self.versions.iter().any(|version| {
            version.share > 0
                && match &version.target {
                    TargetKind::Instances { upstreams } => !upstreams.is_empty(),
                    TargetKind::OnDemand { .. }
                    | TargetKind::Static { .. }
                    | TargetKind::Site { .. }
                    | TargetKind::Redirect { .. } => true,
                }
        });
        serves || !wanted
    }
}

impl Version {
    /// All upstreams, also of a withdrawn version.
    pub fn upstreams(&self) -> &[Upstream] {
        match &self.target {
            TargetKind::Instances { upstreams }
            | TargetKind::OnDemand { upstreams, .. }
            | TargetKind::Site { upstreams, .. } => upstreams,
            TargetKind::Static { .. } | TargetKind::Redirect { .. } => &[],
        }
    }

    /// Upstreams that requests may be sent to: none when the share is 0.
    pub fn pickable(&self) -> impl Iterator<Item = &Upstream> {
        let upstreams = if self.share > 0 {
            self.upstreams()
        } else {
            &[]
        };
        upstreams.iter()
    }
}

impl Delta {
    /// Position of the table after this step.
    pub fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            generation: self.generation,
        }
    }
}

#[cfg(test)]
mod tests;
