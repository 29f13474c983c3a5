//! Shares, as clients see them.

use std::collections::BTreeMap;

use windlass_router::{Change, Destination};

use crate::client::Client;
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, group, put_group, put_host, rule, version};

fn count(world: &World, requests: usize) -> BTreeMap<String, usize> {
    let mut client = Client::connect(world.http);
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts
            .entry(client.get(HOST, "/").text().to_owned())
            .or_default() += 1;
    }
    counts
}

#[test]
fn any_100_requests_hold_exactly_the_percents() {
    let (base, target) = (Instance::named("base"), Instance::named("target"));
    let mut world = World::start();
    for (generation, percent) in [(1, 7), (2, 25), (3, 50), (4, 99)] {
        let versions = vec![
            version("base", 10_000 - percent * 100, &[&base]),
            version("target", percent * 100, &[&target]),
        ];
        world.route(vec![]);
        world.publish(vec![put_group(generation + 1, versions)]);
        // Not from the start of the sequence.
        count(&world, 13);
        for _ in 0..2 {
            assert_eq!(count(&world, 100)["target"], usize::from(percent));
        }
    }
}

#[test]
fn destination_weights_multiply_shares() {
    let (a, b, c) = (
        Instance::named("a"),
        Instance::named("b"),
        Instance::named("c"),
    );
    let mut world = World::start();
    world.route(vec![version("a", 5_000, &[&a]), version("b", 5_000, &[&b])]);
    let other = Change::PutGroup {
        group: "other".to_owned(),
        value: group(1, vec![version("c", 10_000, &[&c])]),
    };
    let mut both = rule("", GROUP);
    both.destinations[0].weight = 20;
    both.destinations.push(Destination {
        group: "other".to_owned(),
        weight: 80,
    });
    let mut host = put_host(vec![both]);
    if let Change::PutHost { value, .. } = &mut host {
        value.commit = 2;
    }
    world.publish(vec![other, host]);
    let counts = count(&world, 100);
    assert_eq!((counts["a"], counts["b"], counts["c"]), (10, 10, 80));
}

#[test]
fn several_workers_keep_the_shares_together() {
    let (base, target) = (Instance::named("base"), Instance::named("target"));
    let mut world = World::with(4, |_| {});
    world.route(vec![
        version("base", 7_500, &[&base]),
        version("target", 2_500, &[&target]),
    ]);
    // One connection to each worker, because they are dealt out in turn.
    let sum: usize = (0..4).map(|_| count(&world, 100)["target"]).sum();
    assert_eq!(sum, 100);
}
