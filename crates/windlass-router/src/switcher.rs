//! The router's own table: read from the file, changed by deltas, handed to all
//! workers.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{info, warn};
use windlass_clock::task::Instant;

use crate::compiled::{Compiler, usable};
use crate::counters::Registry;
use crate::idle::IdleWatch;
use crate::protocol::ToControl;
use crate::published::Published;
use crate::table::{Change, Delta, Position, Table, TargetKind, UpstreamId};
use crate::table_file::{FileEnd, TableFileError, read_table};
use crate::upstream::UpstreamState;
use crate::worker::Switch;

/// The table of this process, and the workers that pick by it.
#[derive(Debug)]
pub(crate) struct Switcher {
    table_path: PathBuf,
    boot_id: String,
    /// As the file says it, with whatever boot it names.
    table: Table,
    compiler: Compiler,
    workers: Vec<mpsc::Sender<Switch>>,
    registry: Arc<Registry>,
    published: Published,
    /// Upstreams whose last requests are awaited, with the upgraded
    /// connections that control was told of.
    withdrawn: HashMap<UpstreamId, Withdrawn>,
    /// Withdrawn upstreams of the table that are known to be empty.
    settled: HashSet<UpstreamId>,
    idle: IdleWatch,
}

#[derive(Debug)]
struct Withdrawn {
    state: Arc<UpstreamState>,
    told_upgraded: Option<u32>,
}

/// A worker has ended although the router has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a worker has ended unexpectedly")]
pub(crate) struct WorkerGone;

impl Switcher {
    pub(crate) fn new(
        table_path: PathBuf,
        boot_id: String,
        workers: Vec<mpsc::Sender<Switch>>,
        registry: Arc<Registry>,
        drained: Arc<Notify>,
        published: Published,
    ) -> Self {
        Self {
            table_path,
            boot_id,
            table: Table::default(),
            compiler: Compiler::new(workers.len(), Arc::clone(&registry), drained),
            workers,
            registry,
            published,
            withdrawn: HashMap::new(),
            settled: HashSet::new(),
            idle: IdleWatch::default(),
        }
    }

    /// The table that every worker picks by.
    pub(crate) fn position(&self) -> Position {
        self.table.position()
    }

    /// Reads the file and switches to what it says, if that is newer.
    pub(crate) async fn read_file(&mut self) -> Result<(), WorkerGone> {
        // Reading is short and rare; the main thread has nothing urgent to do.
        let read = match read_table(&self.table_path) {
            Ok(read) => read,
            Err(error) => {
                log_unreadable(&error);
                return Ok(());
            }
        };
        if read.end == FileEnd::Damaged {
            warn!("the table file is damaged: what follows the damage is not used");
        }
        let Some(table) = read.table else {
            return Ok(());
        };
        if table.position() <= self.position() {
            return Ok(());
        }
        info!(position = ?table.position(), groups = table.groups.len(), "table read");
        self.table = table;
        self.switch(None).await
    }

    /// Applies a delta. False when something is missing before it.
    pub(crate) async fn apply(&mut self, delta: &Delta) -> Result<bool, WorkerGone> {
        match self.table.apply(delta) {
            Ok(true) => {
                // Without its upstreams a table is compiled as a whole.
                let foreign = self.table.boot_id != self.boot_id;
                let changes = (!foreign).then_some(delta.changes.as_slice());
                self.switch(changes).await?;
                Ok(true)
            }
            Ok(false) => Ok(true),
            Err(_) => Ok(false),
        }
    }

    /// Hands the table to all workers; returns when each of them picks by it.
    async fn switch(&mut self, changes: Option<&[Change]>) -> Result<(), WorkerGone> {
        let table = usable(&self.table, &self.boot_id);
        let compiled = self.compiler.compile(&table, changes);
        let mut waits = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            let (done, wait) = oneshot::channel();
            let switch = Switch {
                table: Arc::clone(&compiled),
                done,
            };
            worker.send(switch).await.map_err(|_| WorkerGone)?;
            waits.push(wait);
        }
        for wait in waits {
            wait.await.map_err(|_| WorkerGone)?;
        }
        self.registry.set_position(compiled.position);
        self.published.put(compiled);
        Ok(())
    }

    /// Finds out which upstreams are withdrawn now. After each switch, when the
    /// acknowledgement is on its way.
    pub(crate) fn note_withdrawn(&mut self) {
        let marked = self.compiler.mark();
        for id in &marked.released {
            self.withdrawn.remove(id);
            self.settled.remove(id);
        }
        for state in marked.withdrawn {
            if !self.settled.contains(&*state.id) {
                self.withdrawn
                    .entry(state.id.to_string())
                    .or_insert(Withdrawn {
                        state,
                        told_upgraded: None,
                    });
            }
        }
    }

    /// Control asks about these: what is empty is told (again).
    pub(crate) fn ask(&mut self, upstreams: Vec<UpstreamId>) -> Vec<ToControl> {
        let position = self.position();
        let known = self.compiler.upstreams();
        let mut messages = Vec::new();
        for upstream in upstreams {
            if known.is_pickable(&upstream) {
                continue;
            }
            self.settled.remove(&upstream);
            if let Some(withdrawn) = self.withdrawn.get_mut(&upstream) {
                withdrawn.told_upgraded = None;
            } else if let Some(state) = known.get(&upstream) {
                let state = Arc::clone(state);
                self.withdrawn.insert(
                    upstream,
                    Withdrawn {
                        state,
                        told_upgraded: None,
                    },
                );
            } else {
                messages.push(ToControl::Empty {
                    upstream,
                    position,
                    upgraded: 0,
                });
            }
        }
        messages.extend(self.newly_empty());
        messages
    }

    /// What control should know about instances on demand that nobody needs.
    pub(crate) fn idle(&mut self, now: Instant) -> Vec<ToControl> {
        let versions = self.table.groups.values().flat_map(|group| &group.versions);
        let on_demand = versions.flat_map(|version| match &version.target {
            TargetKind::OnDemand { upstreams, .. } | TargetKind::Site { upstreams, .. } => {
                upstreams.as_slice()
            }
            TargetKind::Instances { .. }
            | TargetKind::Static { .. }
            | TargetKind::Redirect { .. } => &[],
        });
        let known = self.compiler.upstreams();
        let states = on_demand.filter_map(|upstream| known.get(&upstream.id));
        self.idle
            .look(states, now)
            .into_iter()
            .map(|(upstream, idle_ms)| ToControl::Idle { upstream, idle_ms })
            .collect()
    }

    /// What control must be told about withdrawn upstreams.
    pub(crate) fn newly_empty(&mut self) -> Vec<ToControl> {
        let position = self.position();
        let mut messages = Vec::new();
        self.withdrawn.retain(|id, withdrawn| {
            if withdrawn.state.in_flight() > 0 {
                return true;
            }
            let upgraded = withdrawn.state.upgraded();
            let is_news = match withdrawn.told_upgraded {
                None => true,
                Some(told) => told > 0 && upgraded == 0,
            };
            if is_news {
                withdrawn.told_upgraded = Some(upgraded);
                let upstream = id.clone();
                messages.push(ToControl::Empty {
                    upstream,
                    position,
                    upgraded,
                });
            }
            if upgraded == 0 {
                self.settled.insert(id.clone());
            }
            upgraded > 0
        });
        messages
    }
}

fn log_unreadable(error: &TableFileError) {
    warn!(%error, "the table file cannot be read: the table before stays in force");
}
