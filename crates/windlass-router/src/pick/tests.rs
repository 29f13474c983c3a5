use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::compiled::compile_for_test;
use crate::table::{Destination, Group, HostRoutes, RouteRule, TargetKind, Upstream, Version};

fn version(id: &str, share: u16, instances: u32) -> Version {
    let upstreams = (0..instances)
        .map(|index| Upstream {
            id: format!("{id}-{index}"),
            address: "127.0.0.1:9".parse().unwrap(),
            index,
            public_id: format!("public-{id}-{index}"),
        })
        .collect();
    Version {
        id: id.to_owned(),
        share,
        target: TargetKind::Instances { upstreams },
    }
}

fn group(versions: Vec<Version>) -> Group {
    Group {
        app_id: "app".to_owned(),
        versions,
        ..Group::default()
    }
}

fn routed(groups: Vec<(&str, u32, Group)>) -> Arc<Compiled> {
    let destinations = groups
        .iter()
        .map(|(id, weight, _)| Destination {
            group: (*id).to_owned(),
            weight: *weight,
        })
        .collect();
    let rule = RouteRule {
        route_id: "r".to_owned(),
        path_prefix: String::new(),
        method: None,
        headers: vec![],
        destinations,
        absent: Vec::new(),
    };
    compile_for_test(
        groups
            .into_iter()
            .map(|(id, _, group)| (id, group))
            .collect(),
        vec![(
            "h",
            HostRoutes {
                commit: 1,
                rules: vec![rule],
            },
        )],
    )
}

/// Picks and returns the name of the instance.
fn pick(picker: &mut Picker, table: &Compiled, wish: Wish<'_>) -> String {
    let rule = &table.hosts.get("h").unwrap().rules[0];
    match picker.pick(table, rule, wish, 0) {
        Choice::Instance(pick) => pick.upstream().id.to_string(),
        other => format!("{other:?}")
            .split([' ', '{'])
            .next()
            .unwrap()
            .to_owned(),
    }
}

fn count(picker: &mut Picker, table: &Compiled, picks: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..picks {
        *counts
            .entry(pick(picker, table, Wish::default()))
            .or_default() += 1;
    }
    counts
}

fn by_version(counts: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    let mut sums = BTreeMap::new();
    for (name, count) in counts {
        *sums
            .entry(name.split('-').next().unwrap().to_owned())
            .or_default() += count;
    }
    sums
}

proptest! {
    #[test]
    fn any_100_requests_of_a_worker_hold_exactly_the_percents(
        percent in 0_u16..=100, skipped in 0_usize..250, instances in 1_u32..5,
    ) {
        let base = version("base", 10_000 - percent * 100, instances);
        let target = version("target", percent * 100, 2);
        let table = routed(vec![("g", 1, group(vec![base, target]))]);
        let mut picker = Picker::new(0);
        count(&mut picker, &table, skipped);
        let sums = by_version(&count(&mut picker, &table, 100));
        prop_assert_eq!(sums.get("target").copied().unwrap_or(0), usize::from(percent));
    }
}

#[test]
fn instances_of_a_version_take_turns() {
    let table = routed(vec![("g", 1, group(vec![version("v", 10_000, 3)]))]);
    let counts = count(&mut Picker::new(0), &table, 99);
    assert_eq!(counts.values().copied().collect::<Vec<_>>(), [33, 33, 33]);
}

#[test]
fn a_destination_weight_multiplies_the_share() {
    let first = group(vec![version("a", 5_000, 1), version("b", 5_000, 1)]);
    let second = group(vec![version("c", 10_000, 1)]);
    let table = routed(vec![("g", 20, first), ("h", 80, second)]);
    let sums = by_version(&count(&mut Picker::new(0), &table, 100));
    let wanted = [("a", 10), ("b", 10), ("c", 80)].map(|(id, n)| (id.to_owned(), n));
    assert_eq!(sums, BTreeMap::from(wanted));
}

#[test]
fn a_destination_that_cannot_answer_leaves_its_part_to_the_others() {
    let empty = group(vec![version("a", 10_000, 0)]);
    let table = routed(vec![
        ("g", 50, empty),
        ("h", 50, group(vec![version("c", 10_000, 1)])),
    ]);
    assert_eq!(count(&mut Picker::new(0), &table, 10)["c-0"], 10);
}

#[test]
fn a_version_without_instances_or_share_gets_nothing() {
    let versions = vec![
        version("a", 5_000, 0),
        version("b", 5_000, 1),
        version("c", 0, 1),
    ];
    let table = routed(vec![("g", 1, group(versions))]);
    assert_eq!(count(&mut Picker::new(0), &table, 10)["b-0"], 10);
}

#[test]
fn a_pin_overrides_the_shares_but_not_a_withdrawal() {
    let versions = vec![
        version("a", 9_900, 1),
        version("b", 100, 2),
        version("c", 0, 1),
    ];
    let table = routed(vec![("g", 1, group(versions))]);
    let mut picker = Picker::new(0);
    let pinned = |id| Wish {
        pinned: Some(id),
        ..Wish::default()
    };
    for _ in 0..50 {
        assert_eq!(pick(&mut picker, &table, pinned("public-b-1")), "b-1");
    }
    assert_ne!(pick(&mut picker, &table, pinned("public-c-0")), "c-0");
    // The pinned ones took no slots: the next 99 still are exact.
    assert_eq!(
        by_version(&count(&mut picker, &table, 99))
            .values()
            .sum::<usize>(),
        99
    );
}

#[test]
fn a_named_instance_is_picked_or_missing() {
    let versions = vec![
        version("a", 9_000, 1),
        version("b", 1_000, 2),
        version("c", 0, 5),
    ];
    let table = routed(vec![("g", 1, group(versions))]);
    let mut picker = Picker::new(0);
    let named = |app, index| Wish {
        named: Some((app, index)),
        ..Wish::default()
    };
    assert_eq!(
        pick(&mut picker, &table, named("app", 0)),
        "a-0",
        "the larger share first"
    );
    assert_eq!(pick(&mut picker, &table, named("app", 1)), "b-1");
    assert_eq!(pick(&mut picker, &table, named("app", 4)), "NoSuchInstance");
    assert_eq!(
        pick(&mut picker, &table, named("other", 0)),
        "NoSuchInstance"
    );
}

#[test]
fn unreachable_instances_are_left_out_while_another_is_reachable() {
    let table = routed(vec![(
        "g",
        1,
        group(vec![version("a", 5_000, 2), version("b", 5_000, 1)]),
    )]);
    let versions = &table.groups.get("g").unwrap().versions;
    versions[0].pickable()[0].rest(0);
    let mut picker = Picker::new(0);
    let counts = count(&mut picker, &table, 100);
    assert_eq!(counts.get("a-0"), None);
    assert_eq!(counts["a-1"], 50);
    versions[0].pickable()[1].rest(0);
    assert_eq!(
        count(&mut picker, &table, 100)["b-0"],
        100,
        "a crashed version gets nothing"
    );
    versions[1].pickable()[0].rest(0);
    let counts = count(&mut picker, &table, 100);
    assert_eq!(
        counts.values().sum::<usize>(),
        100,
        "better try than refuse"
    );
}

#[test]
fn a_failed_instance_is_not_picked_again_for_the_same_request() {
    let table = routed(vec![("g", 1, group(vec![version("a", 10_000, 2)]))]);
    let mut picker = Picker::new(0);
    let failed = ["a-0".into()];
    let wish = Wish {
        failed: &failed,
        ..Wish::default()
    };
    assert_eq!(pick(&mut picker, &table, wish), "a-1");
    assert_eq!(pick(&mut picker, &table, wish), "a-1");
    let failed = ["a-0".into(), "a-1".into()];
    let wish = Wish {
        failed: &failed,
        ..Wish::default()
    };
    assert_eq!(pick(&mut picker, &table, wish), "Nothing");
}

#[test]
fn a_picked_request_is_in_flight_at_once_and_names_its_generation() {
    let table = routed(vec![("g", 1, group(vec![version("a", 10_000, 1)]))]);
    let mut picker = Picker::new(0);
    let rule = &table.hosts.get("h").unwrap().rules[0];
    let Choice::Instance(pick) = picker.pick(&table, rule, Wish::default(), 0) else {
        panic!("nothing picked")
    };
    assert_eq!(pick.upstream().in_flight(), 1);
    assert_eq!(pick.position, table.position);
    let upstream = Arc::clone(pick.upstream());
    drop(pick);
    assert_eq!(upstream.in_flight(), 0);
}
