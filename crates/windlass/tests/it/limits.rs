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
    // Both are in the audit trail, oldest first.
    let path = format!(
        "/v3/audit_events?types=audit.app.process.crash&target_guids={}&order_by=created_at",
        app.guid
    );
    let events = world.platform.api.get(&path).expect("events");
    let reasons: Vec<&str> = events["resources"]
        .as_array()
        .expect("list")
        .iter()
        .filter_map(|event| event["data"]["exit_description"].as_str())
        .collect();
    assert!(reasons[0].contains("out of memory"), "{events}");
    assert!(reasons[1].contains("Disk quota exceeded"), "{events}");
    world.end();
}

/// Tasks have the limits that they were given: 64 MiB of memory, 64 MiB of disk.
fn limits_of_tasks_hold(isolation: &[&str]) {
    let world = World::with(isolation);
    let platform = &world.platform;
    let app = world.push("hello", 1);
    let cases = [
        // A line without an end stays in memory as a whole.
        ("head -c 300000000 /dev/zero | tail", "out of memory"),
        (
            "head -c 200000000 /dev/zero > big; sleep 600",
            "Disk quota exceeded",
        ),
    ];
    for (command, expected) in cases {
        let task = platform.run_task(&app, command).expect("task");
        let ended = platform.wait_task(&task, "FAILED").expect("end");
        let reason = ended["result"]["failure_reason"].as_str();
        let reason = reason.unwrap_or_default();
        assert!(reason.contains(expected), "{command}: {ended}");
    }
    platform.wait_running(&app).expect("the app is untouched");
    world.end();
}

#[test]
fn limits_of_tasks_hold_with_every_means() {
    limits_of_tasks_hold(&[]);
}

#[test]
fn limits_of_tasks_hold_without_means() {
    limits_of_tasks_hold(&["--isolation", "bare"]);
}

#[test]
fn limits_hold_with_every_means() {
    limits_hold(&[]);
}

#[test]
fn limits_hold_without_means() {
    limits_hold(&["--isolation", "bare"]);
}
