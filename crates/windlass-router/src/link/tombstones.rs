//! What was removed, and by which plan or commit.

use std::collections::{BTreeMap, VecDeque};

use crate::table::Change;

/// Removed groups and hosts whose order is remembered, so that an older plan
/// cannot bring them back.
const TOMBSTONE_LIMIT: usize = 10_000;
/// Order of what was removed, so that a late change of an older plan cannot
/// bring it back.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    removed: BTreeMap<TombstoneKey, u64>,
    order: VecDeque<TombstoneKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum TombstoneKey {
    Group(String),
    Host(String),
}

impl Tombstones {
    /// Whether the change would bring back what a newer plan or commit removed.
    pub(super) fn forbid(&self, change: &Change) -> bool {
        let (key, number) = match change {
            Change::PutGroup { group, value } => {
                (TombstoneKey::Group(group.clone()), value.plan_generation)
            }
            Change::PutHost { host, value } => (TombstoneKey::Host(host.clone()), value.commit),
            Change::RemoveGroup { .. } | Change::RemoveHost { .. } | Change::Snapshot { .. } => {
                return false;
            }
        };
        self.removed
            .get(&key)
            .is_some_and(|removed| number < *removed)
    }

    /// Remembers what the change removes.
    pub(super) fn record(&mut self, change: &Change) {
        let (key, number) = match change {
            Change::RemoveGroup {
                group,
                plan_generation,
            } => (TombstoneKey::Group(group.clone()), *plan_generation),
            Change::RemoveHost { host, commit } => (TombstoneKey::Host(host.clone()), *commit),
            Change::PutGroup { .. } | Change::PutHost { .. } | Change::Snapshot { .. } => return,
        };
        if self.removed.insert(key.clone(), number).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > TOMBSTONE_LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.removed.remove(&oldest);
        }
    }
}
