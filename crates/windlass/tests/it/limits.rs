//! Memory and disk limits: who takes more is ended, and the API says why.

use crate::world::{World, until_some};

/// Slow to come up again, so that the API has something to say while it does.
const SLOW: &[(&str, &str)] = &[("hello.conf", "VERSION=1\nHEALTH=deaf_1500\n")];

/// Takes something until the instance ends; the reason that the API gives.
fn reason_after(world: &World, app: &windlass::demo::platform::App, take: &[&str]) -> String {
    for path in take {
        // The answer may be cut: the instance may end in it.
        let visit = world.visit(app, path);
        let _ = std::panic::catch_unwind(|| crate::world::ask(visit.router, &visit.host, path));
    }
    until_some("the reason of the crash", || {
        let stats = world.platform.stats(app).expect("stats");
        stats[0]["details"].as_str().map(str::to_owned)
    })
}

fn limits_hold(isolation: &[&str]) {
    let world = World::with(isolation);
    // 64 MiB of memory, 128 MiB of disk.
    let app = world.push_with("hello", 1, SLOW);
    let reason = reason_after(&world, &app, &["/memory?mb=200"]);
    assert!(reason.contains("out of memory"), "{reason}");
    world.platform.wait_running(&app).expect("back");
    let files = ["/disk?mb=70", "/disk?mb=71", "/disk?mb=72"];
    let reason = reason_after(&world, &app, &files);
    assert!(reason.contains("Disk quota exceeded"), "{reason}");
    world.platform.wait_running(&app).expect("back");
    world.end();
}

#[test]
fn limits_hold_with_every_means() {
    limits_hold(&[]);
}

#[test]
fn limits_hold_without_means() {
    limits_hold(&["--isolation", "bare"]);
}
