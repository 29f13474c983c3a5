//! Which upstreams the table picks, found without a look at the whole table: it is asked for with
//! each commit of an app that drains, and most groups are those of others.

use std::collections::{BTreeSet, HashMap};

use crate::table::{Change, Group, GroupId, Table, UpstreamId};

/// Upstreams that may be picked, each with the number of its places in groups.
#[derive(Debug, Default)]
pub(super) struct Pickable {
    places: HashMap<UpstreamId, u32>,
}

/// What changes touch.
#[derive(Debug)]
pub(super) enum Touched {
    /// These groups.
    Groups(BTreeSet<GroupId>),
    /// The whole table.
    Everything,
}

impl Touched {
    pub(super) fn by(changes: &[Change]) -> Self {
        let mut groups = BTreeSet::new();
        for change in changes {
            match change {
                Change::PutGroup { group, .. } | Change::RemoveGroup { group, .. } => {
                    groups.insert(group.clone());
                }
                Change::PutHost { .. } | Change::RemoveHost { .. } => {}
                Change::Snapshot { .. } => return Self::Everything,
            }
        }
        Self::Groups(groups)
    }
}

impl Pickable {
    /// Those of a table.
    pub(super) fn of(table: &Table) -> Self {
        let mut all = Self::default();
        for group in table.groups.values() {
            all.add(group);
        }
        all
    }

    pub(super) fn contains(&self, upstream: &str) -> bool {
        self.places.contains_key(upstream)
    }

    /// Takes groups out that are about to change.
    pub(super) fn before(&mut self, table: &Table, touched: &Touched) {
        match touched {
            Touched::Groups(groups) => {
                for group in groups.iter().filter_map(|group| table.groups.get(group)) {
                    self.remove(group);
                }
            }
            Touched::Everything => self.places.clear(),
        }
    }

    /// Takes in groups that have changed.
    pub(super) fn after(&mut self, table: &Table, touched: &Touched) {
        match touched {
            Touched::Groups(groups) => {
                for group in groups.iter().filter_map(|group| table.groups.get(group)) {
                    self.add(group);
                }
            }
            Touched::Everything => *self = Self::of(table),
        }
    }

    fn add(&mut self, group: &Group) {
        for upstream in group.pickable() {
            *self.places.entry(upstream.id.clone()).or_default() += 1;
        }
    }

    fn remove(&mut self, group: &Group) {
        for upstream in group.pickable() {
            if let Some(places) = self.places.get_mut(&upstream.id) {
                *places -= 1;
                if *places == 0 {
                    self.places.remove(&upstream.id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{TargetKind, Upstream, Version};

    fn group(upstreams: &[&str], share: u16) -> Group {
        let upstreams = upstreams
            .iter()
            .map(|id| Upstream {
                id: (*id).to_owned(),
                address: ([127, 0, 0, 1], 1).into(),
                index: 0,
                public_id: String::new(),
            })
            .collect();
        Group {
            versions: vec![Version {
                id: "v".to_owned(),
                share,
                target: TargetKind::Instances { upstreams },
            }],
            ..Group::default()
        }
    }

    fn put(name: &str, value: Group) -> Change {
        Change::PutGroup {
            group: name.to_owned(),
            value,
        }
    }

    #[test]
    fn follows_every_change_of_the_table() {
        let mut table = Table::default();
        let mut found = Pickable::of(&table);
        let mut step = |changes: Vec<Change>| {
            let touched = Touched::by(&changes);
            found.before(&table, &touched);
            let delta = crate::table::Delta {
                epoch: table.epoch,
                boot_id: table.boot_id.clone(),
                generation: table.generation + 1,
                changes,
            };
            assert_eq!(table.apply(&delta), Ok(true));
            found.after(&table, &touched);
            let mut known: Vec<_> = found.places.keys().cloned().collect();
            known.sort();
            let all: Vec<_> = table.pickable_upstreams().into_iter().collect();
            assert_eq!(known, all);
            known
        };
        step(vec![
            put("a", group(&["1", "2"], 10)),
            put("b", group(&["2"], 10)),
        ]);
        // Still in another group; and one that is named twice in one step.
        assert_eq!(
            step(vec![
                put("a", group(&["2"], 10)),
                put("a", group(&["1"], 10))
            ]),
            ["1", "2"]
        );
        assert_eq!(step(vec![put("a", group(&["1"], 0))]), ["2"]);
        let remove = Change::RemoveGroup {
            group: "b".to_owned(),
            plan_generation: 1,
        };
        assert!(step(vec![remove]).is_empty());
        let whole = Table {
            groups: [("c".to_owned(), group(&["3"], 10))].into(),
            ..Table::default()
        };
        let whole = Change::Snapshot {
            table: Box::new(whole),
        };
        assert_eq!(step(vec![whole]), ["3"]);
    }
}
