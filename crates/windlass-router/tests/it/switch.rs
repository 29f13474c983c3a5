//! A change of shares under load, and what its acknowledgement means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use windlass_router::RouterEvent;

use crate::client::Client;
use crate::instance::Instance;
use crate::world::{HOST, World, put_group, until, version};

fn wall_us() -> u64 {
    u64::try_from(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_micros(),
    )
    .unwrap()
}

#[test]
fn after_the_acknowledgement_nothing_goes_to_the_withdrawn_version() {
    let (base, target) = (Instance::named("base"), Instance::named("target"));
    let mut world = World::with(3, |_| {});
    let shares = |base_share: u16| {
        vec![
            version("base", base_share, &[&base]),
            version("target", 10_000 - base_share, &[&target]),
        ]
    };
    world.route(shares(5_000));
    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..6)
        .map(|_| {
            let (address, stop, sent) = (world.http, Arc::clone(&stop), Arc::clone(&sent));
            thread::spawn(move || {
                let mut client = Client::connect(address);
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(client.get(HOST, "/").status, 200);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let wait_for_load = || {
        let seen = sent.load(Ordering::Relaxed);
        until(|| sent.load(Ordering::Relaxed) > seen + 100);
    };
    // (generation, wall clock of its acknowledgement), each withdrawing.
    let mut withdrawals = Vec::new();
    for round in 0..20_u64 {
        wait_for_load();
        let position = world.publish(vec![put_group(2 + round * 2, shares(10_000))]);
        withdrawals.push((position.generation, wall_us()));
        // What was picked before the acknowledgement may still be on its way.
        let upstream = "target".to_owned();
        assert_eq!(
            world.control().event(),
            RouterEvent::Empty {
                upstream,
                upgraded: 0
            }
        );
        let seen = target.requests.load(Ordering::SeqCst);
        wait_for_load();
        assert_eq!(
            target.requests.load(Ordering::SeqCst),
            seen,
            "a request after the answer"
        );
        world.publish(vec![put_group(3 + round * 2, shares(5_000))]);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let lines = world.log();
    assert_eq!(lines.len(), sent.load(Ordering::Relaxed));
    for (generation, acknowledged_us) in withdrawals {
        for line in &lines {
            let picked_by = line["generation"].as_u64().unwrap();
            let to_target = line["version"] == "target";
            assert!(
                !(picked_by == generation && to_target),
                "picked by {generation}: {line}"
            );
            let late = line["picked_at_us"].as_u64().unwrap() > acknowledged_us;
            assert!(
                !(picked_by < generation && late),
                "an old pick after {generation}: {line}"
            );
        }
    }
    assert!(lines.iter().any(|line| line["version"] == "target"));
}
