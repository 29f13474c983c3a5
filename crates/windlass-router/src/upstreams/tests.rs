use std::collections::BTreeSet;

use super::*;
use crate::compiled::Compiler;
use crate::table::{Change, Group, Table, TargetKind, Version};
use crate::upstream::InFlight;

/// A compiler with its table, changed as the router changes them.
struct Bench {
    compiler: Compiler,
    table: Table,
}

impl Bench {
    fn new() -> Self {
        Self {
            compiler: Compiler::new(1, Arc::default(), Arc::default()),
            table: Table::default(),
        }
    }

    /// Applies changes; returns who is withdrawn by them and who is released.
    fn step(&mut self, changes: Vec<Change>) -> (Vec<String>, Vec<String>) {
        let delta = crate::table::Delta {
            epoch: self.table.epoch,
            boot_id: self.table.boot_id.clone(),
            generation: self.table.generation + 1,
            changes,
        };
        assert_eq!(self.table.apply(&delta), Ok(true));
        self.compiler.compile(&self.table, Some(&delta.changes));
        let marked = self.compiler.mark();
        self.check();
        let mut withdrawn: Vec<String> =
            marked.withdrawn.iter().map(|s| s.id.to_string()).collect();
        let mut released = marked.released;
        withdrawn.sort();
        released.sort();
        (withdrawn, released)
    }

    /// What is known of each upstream is what a look at the whole table says.
    fn check(&self) {
        let pickable = self.table.pickable_ids();
        let named: BTreeSet<&str> = self
            .table
            .groups
            .values()
            .flat_map(|group| &group.versions)
            .flat_map(Version::upstreams)
            .map(|upstream| upstream.id.as_str())
            .collect();
        let known = &self.compiler.upstreams().known;
        assert!(named.iter().all(|id| known.contains_key(*id)));
        for (id, known) in known {
            let id = id.as_str();
            assert_eq!(known.pickable > 0, pickable.contains(id), "{id}");
            assert_eq!(known.named > 0, named.contains(id), "{id}");
            assert_eq!(known.state.is_withdrawn(), !pickable.contains(id), "{id}");
        }
    }

    fn state(&self, id: &str) -> Arc<UpstreamState> {
        Arc::clone(self.compiler.upstreams().get(id).unwrap())
    }
}

fn upstream(id: &str, port: u16) -> Upstream {
    Upstream {
        id: id.to_owned(),
        address: ([127, 0, 0, 1], port).into(),
        index: 0,
        public_id: String::new(),
    }
}

fn put(name: &str, versions: &[(&[&str], u16)]) -> Change {
    let versions = versions
        .iter()
        .enumerate()
        .map(|(n, (upstreams, share))| Version {
            id: n.to_string(),
            share: *share,
            target: TargetKind::Instances {
                upstreams: upstreams.iter().map(|id| upstream(id, 1)).collect(),
            },
        })
        .collect();
    Change::PutGroup {
        group: name.to_owned(),
        value: Group {
            versions,
            ..Group::default()
        },
    }
}

fn remove(name: &str) -> Change {
    Change::RemoveGroup {
        group: name.to_owned(),
        plan_generation: 1,
    }
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn who_is_withdrawn_and_who_comes_back_follows_each_change() {
    let mut bench = Bench::new();
    let begun = bench.step(vec![
        put("a", &[(&["1", "2"], 10)]),
        put("b", &[(&["2"], 5)]),
    ]);
    assert_eq!(begun, (ids(&[]), ids(&["1", "2"])));
    // Another group still picks the second.
    let moved = bench.step(vec![put("a", &[(&["1", "2"], 0), (&["3"], 10)])]);
    assert_eq!(moved, (ids(&["1"]), ids(&["2", "3"])));
    // One group twice in one step: the last counts.
    let back = bench.step(vec![put("a", &[(&["3"], 10)]), put("a", &[(&["1"], 10)])]);
    assert_eq!(back, (ids(&["3"]), ids(&["1", "2"])));
    assert_eq!(
        bench.step(vec![remove("b")]),
        (ids(&["2"]), ids(&["3"])),
        "what was empty before is forgotten now"
    );
    let whole = Table {
        groups: [("c".to_owned(), Group::default())].into(),
        ..Table::default()
    };
    let whole = Change::Snapshot {
        table: Box::new(whole),
    };
    assert_eq!(bench.step(vec![whole]), (ids(&["1"]), ids(&["2"])));
    bench.step(vec![put("d", &[])]);
    assert!(bench.compiler.upstreams().known.is_empty());
}

#[test]
fn who_has_requests_is_not_forgotten() {
    let mut bench = Bench::new();
    bench.step(vec![put("a", &[(&["1"], 10)])]);
    let mut request = InFlight::begin(&bench.state("1"));
    bench.step(vec![remove("a")]);
    bench.step(vec![put("b", &[])]);
    assert!(bench.compiler.upstreams().get("1").is_some());
    request.upgrade();
    bench.step(vec![put("c", &[])]);
    assert!(bench.compiler.upstreams().get("1").is_some());
    drop(request);
    assert_eq!(bench.step(vec![put("d", &[])]), (ids(&[]), ids(&["1"])));
    assert!(bench.compiler.upstreams().get("1").is_none());
}

#[test]
fn who_is_named_without_a_share_is_kept() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.step(vec![put("a", &[(&["1"], 0)])]),
        (ids(&["1"]), ids(&[]))
    );
    let state = bench.state("1");
    bench.step(vec![put("b", &[])]);
    bench.step(vec![put("a", &[(&["1"], 10)])]);
    assert!(Arc::ptr_eq(&state, &bench.state("1")));
}

#[test]
fn an_instance_at_another_place_has_another_state() {
    let mut bench = Bench::new();
    bench.step(vec![put("a", &[(&["1"], 10)])]);
    let before = bench.state("1");
    let Change::PutGroup { group, mut value } = put("a", &[(&["1"], 10)]) else {
        unreachable!()
    };
    value.versions[0].target = TargetKind::Instances {
        upstreams: vec![upstream("1", 2)],
    };
    bench.step(vec![Change::PutGroup { group, value }]);
    assert!(!Arc::ptr_eq(&before, &bench.state("1")));
    assert!(bench.compiler.upstreams().is_pickable("1"));
}

#[test]
fn a_change_costs_what_it_touches() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..5_000).map(|n| n.to_string()).collect();
    let changes = names.iter().map(|n| put(n, &[(&[n.as_str()], 10)]));
    bench.step(changes.collect());
    let (withdrawn, released) = bench.step(vec![put("7", &[(&["new"], 10)])]);
    assert_eq!((withdrawn, released), (ids(&["7"]), ids(&["new"])));
    assert!(bench.compiler.upstreams().touched.is_empty());
    assert_eq!(bench.compiler.upstreams().leaving.len(), 1);
}
