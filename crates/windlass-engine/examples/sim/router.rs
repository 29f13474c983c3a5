//! The router: workers that take tables over late, and requests that end late.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use windlass_engine::id::{ComponentName, InstanceId};
use windlass_engine::plan::VersionShare;

const WORKERS: usize = 2;

/// One table of the app.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) generation: u64,
    pub(crate) routes: BTreeMap<ComponentName, Vec<VersionShare>>,
    /// The runs that it names.
    pub(crate) runs: BTreeSet<(InstanceId, u32)>,
}

#[derive(Debug, Default)]
pub(crate) struct Router {
    pub(crate) incarnation: u32,
    /// The table file: its last record is the newest table.
    tables: BTreeMap<u64, Rc<Table>>,
    workers: [Option<Rc<Table>>; WORKERS],
    /// Drains that control has asked about: the run and the table that leaves it out.
    asked: BTreeMap<InstanceId, (u32, u64)>,
}

impl Router {
    pub(crate) fn workers() -> std::ops::Range<usize> {
        0..WORKERS
    }

    pub(crate) fn publish(&mut self, table: Table) {
        self.tables.insert(table.generation, Rc::new(table));
    }

    /// A worker takes a table over; an older one than it has changes nothing.
    pub(crate) fn apply(&mut self, worker: usize, generation: u64) {
        let has = self.workers[worker].as_ref().map(|table| table.generation);
        if has.is_none_or(|has| has < generation) {
            self.workers[worker] = self.tables.get(&generation).cloned();
        }
        if let Some(oldest) = self.in_force() {
            self.tables.retain(|generation, _| *generation >= oldest);
        }
    }

    /// The generation that every worker uses at least.
    pub(crate) fn in_force(&self) -> Option<u64> {
        let mut oldest = u64::MAX;
        for worker in &self.workers {
            oldest = oldest.min(worker.as_ref()?.generation);
        }
        Some(oldest)
    }

    /// The tables by which requests are dealt out now.
    pub(crate) fn used(&self) -> impl Iterator<Item = &Table> {
        self.workers.iter().flatten().map(Rc::as_ref)
    }

    pub(crate) fn ask(&mut self, instance: InstanceId, run: u32, generation: u64) {
        self.asked.insert(instance, (run, generation));
    }

    /// Drains whose table every worker uses: their requests begin to run out.
    pub(crate) fn begun_drains(&mut self) -> Vec<(InstanceId, u32)> {
        let Some(in_force) = self.in_force() else {
            return Vec::new();
        };
        let begun = self
            .asked
            .iter()
            .filter(|(_, (_, generation))| *generation <= in_force);
        let list: Vec<_> = begun
            .map(|(instance, (run, _))| (*instance, *run))
            .collect();
        for (instance, _) in &list {
            self.asked.remove(instance);
        }
        list
    }

    /// A new router reads the table file and uses its last record.
    pub(crate) fn restart(&mut self) {
        self.incarnation += 1;
        let newest = self.tables.values().next_back().cloned();
        self.workers = std::array::from_fn(|_| newest.clone());
    }

    /// After a reboot no table of before is used.
    pub(crate) fn reboot(&mut self) {
        *self = Self {
            incarnation: self.incarnation + 1,
            ..Self::default()
        };
    }
}
