//! Control's side of the route table: write it down, send it, know when it is
//! in force everywhere.
//!
//! A [`RouterLink`] is the only writer of the table file. Several routers may
//! be there at once (after a reload the old one drains while the new one
//! serves); a change is acknowledged when *every* router that lives has
//! switched to it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UnixListener;
use tokio::sync::{Notify, mpsc, watch};
use tracing::warn;

use crate::crash_point::crash_point;
use crate::presence;
use crate::protocol::{ASK_LIMIT, LINE_LIMIT_BYTES, ToRouter};
use crate::table::{Change, Delta, Group, GroupId, Position, Table, UpstreamId, VersionId};
use crate::table_file::{Durability, TableFileError, TableWriter};

mod connection;
mod drain;
mod pickable;
mod tombstones;

use drain::Draining;
use pickable::{Pickable, Touched};
use tombstones::Tombstones;

/// Messages that may wait for one router; one that is slower is disconnected,
/// reads the file and comes back.
const OUTGOING_LIMIT: usize = 1_024;
/// Events that may wait for control in the channel.
const EVENT_LIMIT: usize = 1_024;
/// Events that may wait before the channel. Beyond it hints (unreachable,
/// wanted) are dropped; what control needs (empty) never is.
const PENDING_LIMIT: usize = 10_000;
/// While something is awaited of a router without a connection, its lock is
/// looked at this often: nothing tells when it is released.
const PRESENCE_RESCAN: Duration = Duration::from_millis(5);

/// Control's handle on the routers. Clones share everything.
#[derive(Debug, Clone)]
pub struct RouterLink {
    shared: Arc<Shared>,
    // The link's tasks end with the last clone.
    _alive: Arc<watch::Sender<()>>,
}

/// What routers report to control.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RouterEvent {
    /// No router has a request in flight at this withdrawn upstream. Told again
    /// when `upgraded` has become 0.
    Empty {
        /// Which.
        upstream: UpstreamId,
        /// Upgraded connections that are still open, in all routers.
        upgraded: u32,
    },
    /// A router cannot connect to it and leaves it out for a moment.
    Unreachable {
        /// Which.
        upstream: UpstreamId,
    },
    /// A request waits for this version to be started.
    Wanted {
        /// The group of the version; empty from an older router.
        group: GroupId,
        /// Which.
        version: VersionId,
    },
    /// An instance on demand has had no request for some time.
    Idle {
        /// Which.
        upstream: UpstreamId,
        /// For how long at least, in milliseconds.
        idle_ms: u64,
    },
}

/// Answer to "is this table in force?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acknowledgement {
    /// Every router that lives has switched, or none lives.
    Acknowledged {
        /// Since the wait began, in milliseconds.
        after_ms: u64,
    },
    /// Not within the time given.
    NotYet {
        /// Who has not.
        missing: Vec<MissingRouter>,
    },
}

/// A router that has not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingRouter {
    /// Its announced name (begins with its pid).
    pub name: String,
    /// What it acknowledged last; `None` while it is not connected.
    pub position: Option<Position>,
}

/// A router as `windlass status` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterStatus {
    /// Its announced name.
    pub name: String,
    /// Its process, when it is connected.
    pub pid: Option<u32>,
    /// What it acknowledged last, when it is connected.
    pub position: Option<Position>,
}

/// Why the link could not be opened or a change not be published.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The table file could not be written. Nothing was sent.
    #[error(transparent)]
    File(#[from] TableFileError),
    /// The listening socket could not be used.
    #[error("cannot listen for routers: {0}")]
    Listen(std::io::Error),
}

#[derive(Debug)]
struct Shared {
    table_path: PathBuf,
    state: Mutex<State>,
    /// Told whenever an acknowledgement or the drain of an upstream may have
    /// come closer.
    changed: Notify,
    /// Told whenever there are events for control.
    has_events: Notify,
}

#[derive(Debug)]
struct State {
    writer: TableWriter,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    draining: BTreeMap<UpstreamId, Draining>,
    pending: BTreeSet<RouterEvent>,
    tombstones: Tombstones,
    pickable: Pickable,
}

#[derive(Debug)]
struct Connection {
    outgoing: mpsc::Sender<ToRouter>,
    /// `None` before the hello.
    router: Option<ConnectedRouter>,
}

#[derive(Debug)]
struct ConnectedRouter {
    name: String,
    pid: u32,
    position: Position,
}

impl RouterLink {
    /// Opens the table file, begins to accept routers and returns the link with
    /// its events. Must be called within a tokio runtime.
    ///
    /// `boot_id` names the boot (and, where instances may have ended together
    /// otherwise, their generation): upstreams of another one are forgotten.
    /// `minimum_epoch` is raised by whoever knows that the file is older than
    /// what routers may have seen, for example after a restore.
    pub fn open(
        listener: StdListener,
        table_path: &Path,
        boot_id: &str,
        minimum_epoch: u64,
    ) -> Result<(Self, mpsc::Receiver<RouterEvent>), LinkError> {
        listener.set_nonblocking(true).map_err(LinkError::Listen)?;
        let listener = UnixListener::from_std(listener).map_err(LinkError::Listen)?;
        let writer = TableWriter::open(table_path, boot_id, minimum_epoch)?;
        let shared = Arc::new(Shared {
            table_path: table_path.to_owned(),
            state: Mutex::new(State {
                pickable: Pickable::of(writer.table()),
                writer,
                connections: BTreeMap::new(),
                next_connection: 0,
                draining: BTreeMap::new(),
                pending: BTreeSet::new(),
                tombstones: Tombstones::default(),
            }),
            changed: Notify::new(),
            has_events: Notify::new(),
        });
        let (events, receiver) = mpsc::channel(EVENT_LIMIT);
        let (alive, life) = watch::channel(());
        tokio::spawn(while_alive(
            life.clone(),
            connection::accept(listener, Arc::clone(&shared), life.clone()),
        ));
        tokio::spawn(while_alive(life, drain::pump(events, Arc::clone(&shared))));
        Ok((
            Self {
                shared,
                _alive: Arc::new(alive),
            },
            receiver,
        ))
    }

    /// Writes the changes down, then sends them, and returns the position of
    /// the table that holds them. Does not wait for routers.
    ///
    /// Changes that come from an older plan or commit than what is in force are
    /// dropped, so publishers need no order among each other. When nothing
    /// remains to be changed, the present position is returned and nothing is
    /// written.
    pub fn publish(&self, changes: Vec<Change>) -> Result<Position, LinkError> {
        let mut state = self.shared.lock();
        let changes: Vec<Change> = changes
            .into_iter()
            .filter(|change| {
                let table = state.writer.table();
                !table.is_stale(change)
                    && !state.tombstones.forbid(change)
                    && !table.is_unchanged_by(change)
            })
            .collect();
        if changes.is_empty() {
            return Ok(state.writer.table().position());
        }
        let before = state.pickable_of(&changes);
        crash_point!("link-before-append");
        let delta = state.append(changes)?;
        crash_point!("link-appended");
        for change in &delta.changes {
            state.tombstones.record(change);
        }
        state.send_delta(&delta);
        crash_point!("link-sent");
        let after = state.pickable_of(&delta.changes);
        state.note_withdrawn(&before, &after);
        drop(state);
        self.shared.changed.notify_waiters();
        Ok(delta.position())
    }

    /// Replaces all groups and hosts (at the start of control, when it has
    /// computed what should be): what is not in `table` is removed. Groups of
    /// another boot that `table` does not confirm go on waiting.
    pub fn replace(&self, mut table: Table) -> Result<Position, LinkError> {
        {
            let state = self.shared.lock();
            let known = state.writer.table();
            table.unconfirmed.clone_from(&known.unconfirmed);
            table.settle_unconfirmed();
        }
        self.publish(vec![Change::Snapshot {
            table: Box::new(table),
        }])
    }

    /// Waits until every router that lives picks by a table at least as new as
    /// `position`. Without a living router that is so at once: the next one
    /// reads the file, which has it already.
    pub async fn wait_acknowledged(
        &self,
        position: Position,
        timeout: Duration,
    ) -> Acknowledgement {
        let began = Instant::now();
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            // A look at the locks is dear, and all who wait are woken at each acknowledgement: it
            // is left out as long as it could not change the answer.
            let is_behind = self.shared.lock().is_behind(position);
            let left = timeout.saturating_sub(began.elapsed());
            let wait = if is_behind && !left.is_zero() {
                left
            } else {
                let missing = self.missing(position);
                if missing.is_empty() {
                    let after_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    return Acknowledgement::Acknowledged { after_ms };
                }
                if left.is_zero() {
                    return Acknowledgement::NotYet { missing };
                }
                left.min(PRESENCE_RESCAN)
            };
            // Both outcomes mean: look again.
            let _ = tokio::time::timeout(wait, changed).await;
        }
    }

    /// Asks for a [`RouterEvent::Empty`] of an upstream, unless that is being
    /// waited for: for control after a restart, when it does not know whether
    /// it has missed the first, and for what no table has ever named, because
    /// a newer one came first. Nothing comes while the upstream may still be
    /// picked.
    pub fn ask_empty(&self, upstream: &str) {
        let mut state = self.shared.lock();
        if state.is_draining(upstream) || state.pickable.contains(upstream) {
            return;
        }
        state.note_withdrawn(&BTreeSet::from([upstream.to_owned()]), &BTreeSet::new());
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Whether an upstream is withdrawn and has been told to be empty since. An event that has
    /// waited may be older than that.
    pub fn is_known_empty(&self, upstream: &str) -> bool {
        let state = self.shared.lock();
        !state.is_awaited_empty(upstream) && !state.pickable.contains(upstream)
    }

    /// The table as it was published last.
    pub fn table(&self) -> Table {
        self.shared.lock().writer.table().clone()
    }

    /// Names of the groups of that table which begin with `prefix`: a copy of the whole table for
    /// those of one app would be one of those of all apps.
    pub fn groups_below(&self, prefix: &str) -> Vec<GroupId> {
        let state = self.shared.lock();
        let groups = &state.writer.table().groups;
        groups
            .range(prefix.to_owned()..)
            .map(|(group, _)| group)
            .take_while(|group| group.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Position of the table that was published last.
    pub fn position(&self) -> Position {
        self.shared.lock().writer.table().position()
    }

    /// The routers that live.
    pub fn routers(&self) -> Vec<RouterStatus> {
        let state = self.shared.lock();
        let living = self.shared.living(&state);
        living
            .into_iter()
            .map(|name| {
                let router = state.router(&name);
                RouterStatus {
                    pid: router.map(|router| router.pid),
                    position: router.map(|router| router.position),
                    name,
                }
            })
            .collect()
    }

    fn missing(&self, position: Position) -> Vec<MissingRouter> {
        self.routers()
            .into_iter()
            .filter(|router| router.position.is_none_or(|at| at < position))
            .map(|router| MissingRouter {
                name: router.name,
                position: router.position,
            })
            .collect()
    }
}

/// Runs a task of the link until the last handle is gone.
async fn while_alive(mut life: watch::Receiver<()>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        // Nothing is ever sent: only the end of the sender ends the wait.
        _ = life.changed() => {}
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // State is changed in steps that leave it sound, so a panic elsewhere
        // while it was held does not make it unusable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wrong on purpose: who has no connection picks by nothing.
    #[cfg(windlass_mutant = "unconnected_router_uncounted")]
    fn living(&self, state: &State) -> Vec<String> {
        state.routers().map(|router| router.name.clone()).collect()
    }

    /// Names of the routers that live. When that cannot be found out, every
    /// change would be unacknowledged for ever; the names that are connected
    /// are the best answer left.
    #[cfg(not(windlass_mutant = "unconnected_router_uncounted"))]
    fn living(&self, state: &State) -> Vec<String> {
        let living = presence::living(&self.table_path, |name| state.router(name).is_some());
        living.unwrap_or_else(|error| {
            warn!(%error, "cannot look which routers live");
            let mut names: Vec<String> =
                state.routers().map(|router| router.name.clone()).collect();
            names.push("unknown".to_owned());
            names
        })
    }
}

impl State {
    fn routers(&self) -> impl Iterator<Item = &ConnectedRouter> {
        self.connections
            .values()
            .filter_map(|connection| connection.router.as_ref())
    }

    /// Whether a router that is connected has not switched to a table.
    fn is_behind(&self, position: Position) -> bool {
        self.routers().any(|router| router.position < position)
    }

    fn router(&self, name: &str) -> Option<&ConnectedRouter> {
        self.routers().find(|router| router.name == name)
    }

    /// Writes changes down as the next table.
    fn append(&mut self, changes: Vec<Change>) -> Result<Delta, TableFileError> {
        let touched = Touched::by(&changes);
        self.pickable.before(self.writer.table(), &touched);
        let appended = self.writer.append(changes, Durability::Written);
        // Also of a table that has stayed as it was.
        self.pickable.after(self.writer.table(), &touched);
        appended
    }

    /// Sends to every router that has said hello. A router that does not keep
    /// up loses its connection: it reads the file when it comes back.
    fn send(&mut self, message: &ToRouter) {
        self.connections.retain(|_, connection| {
            connection.router.is_none() || connection.outgoing.try_send(message.clone()).is_ok()
        });
    }

    fn send_delta(&mut self, delta: &Delta) {
        let snapshot = delta
            .changes
            .iter()
            .any(|change| matches!(change, Change::Snapshot { .. }));
        // The room is for the envelope around the delta.
        let fits = serde_json::to_vec(delta).is_ok_and(|json| json.len() + 256 < LINE_LIMIT_BYTES);
        let message = if snapshot || !fits {
            ToRouter::ReadFile {
                position: delta.position(),
            }
        } else {
            ToRouter::Delta {
                delta: delta.clone(),
            }
        };
        self.send(&message);
    }

    /// Asks every router about these upstreams.
    fn send_ask(&mut self, upstreams: &[UpstreamId]) {
        for part in upstreams.chunks(ASK_LIMIT) {
            self.send(&ToRouter::AskEmpty {
                upstreams: part.to_vec(),
            });
        }
    }

    /// Upstreams that may be picked in the groups which the changes touch.
    fn pickable_of(&self, changes: &[Change]) -> BTreeSet<UpstreamId> {
        let table = self.writer.table();
        let mut found = BTreeSet::new();
        for change in changes {
            match change {
                Change::PutGroup { group, .. } | Change::RemoveGroup { group, .. } => {
                    let group = table.groups.get(group);
                    found.extend(
                        group
                            .into_iter()
                            .flat_map(Group::pickable)
                            .map(|u| u.id.clone()),
                    );
                }
                Change::PutHost { .. } | Change::RemoveHost { .. } => {}
                Change::Snapshot { .. } => return table.pickable_upstreams(),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests;
