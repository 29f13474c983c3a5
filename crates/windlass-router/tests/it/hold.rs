//! Requests that wait: after a reboot, for an instance on demand, for a first
//! table.

use std::time::Duration;

use windlass_router::{RouterEvent, TargetKind, Version};

use crate::client::{Client, get};
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, put_group, put_host, rule, until, version};

fn held(world: &World) -> usize {
    let text = world.metrics();
    let line = text
        .lines()
        .find(|line| line.starts_with("windlass_router_held_requests "))
        .unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn after_a_reboot_requests_wait_until_control_has_confirmed_instances() {
    let (old, new) = (Instance::named("old"), Instance::named("new"));
    let mut world = World::without_router();
    let changes = vec![
        put_group(1, vec![version("v", 10_000, &[&old])]),
        put_host(vec![rule("", GROUP)]),
    ];
    world.control().link.publish(changes).unwrap();
    // The router finds itself in another boot than the file.
    world.control = None;
    world.start_router(1, |config| config.boot_id = "next boot".to_owned());
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    until(|| held(&world) == 1);
    let socket = world.folder.path().join("control");
    let _ = std::fs::remove_file(&socket);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let entered = runtime.enter();
    let table = world.folder.path().join("table");
    let (link, _events) =
        windlass_router::RouterLink::open(listener, &table, "next boot", 0).unwrap();
    drop(entered);
    // Wanted, but nothing runs yet: it goes on waiting.
    link.publish(vec![put_group(2, vec![version("v", 10_000, &[])])])
        .unwrap();
    until(|| {
        link.routers()
            .iter()
            .any(|router| router.position == Some(link.position()))
    });
    assert_eq!(held(&world), 1);
    link.publish(vec![put_group(3, vec![version("v", 10_000, &[&new])])])
        .unwrap();
    assert_eq!(client.answer().text(), "new");
    assert_eq!(old.requests.load(std::sync::atomic::Ordering::SeqCst), 0);
    until(|| held(&world) == 0);
}

/// A router that waits for control, because its boot is another.
fn rebooted(change: impl FnOnce(&mut windlass_router::Limits)) -> World {
    let old = Instance::named("old");
    let mut world = World::without_router();
    let changes = vec![
        put_group(1, vec![version("v", 10_000, &[&old])]),
        put_host(vec![rule("", GROUP)]),
    ];
    world.control().link.publish(changes).unwrap();
    world.control = None;
    world.start_router(1, |config| {
        config.boot_id.replace_range(.., "next boot");
        config.limits.drain_time = Duration::ZERO;
        change(&mut config.limits);
    });
    world
}

#[test]
fn the_wait_ends_in_time() {
    let world = rebooted(|limits| limits.hold_time = Duration::from_millis(20));
    let answer = get(world.http, HOST, "/");
    assert_eq!((answer.status, answer.error()), (503, "no_endpoints"));
}

#[test]
fn the_number_of_waiting_requests_is_bounded() {
    let world = rebooted(|limits| {
        limits.hold_count = 1;
        limits.hold_time = Duration::from_hours(1);
    });
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    until(|| held(&world) == 1);
    let answer = get(world.http, HOST, "/");
    assert_eq!((answer.status, answer.error()), (503, "no_endpoints"));
    drop(client);
    until(|| held(&world) == 0);
}

#[test]
fn a_version_on_demand_is_asked_for_and_its_requests_wait() {
    let instance = Instance::named("a");
    let mut world = World::start();
    let on_demand = |instances: &[&Instance]| {
        let upstreams = instances
            .iter()
            .map(|instance| instance.upstream(0))
            .collect();
        let target = TargetKind::OnDemand {
            upstreams,
            hold_ms: 30_000,
            hold_limit: 2,
        };
        vec![Version {
            id: "lazy".to_owned(),
            share: 10_000,
            target,
        }]
    };
    world.route(on_demand(&[]));
    let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(world.http)).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    }
    assert_eq!(
        world.control().event(),
        RouterEvent::Wanted {
            group: GROUP.to_owned(),
            version: "lazy".to_owned()
        }
    );
    until(|| held(&world) == 2);
    assert_eq!(
        get(world.http, HOST, "/").error(),
        "no_endpoints",
        "over its limit"
    );
    world.publish(vec![put_group(2, on_demand(&[&instance]))]);
    for client in &mut clients {
        assert_eq!(client.answer().text(), "a");
    }
}

#[test]
fn before_the_first_table_requests_wait_for_it() {
    let instance = Instance::named("a");
    let mut world = World::without_router();
    // No file and no control yet.
    world.control = None;
    std::fs::remove_file(world.folder.path().join("table")).unwrap();
    world.start_router(1, |_| {});
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    until(|| held(&world) == 1);
    let (socket, table) = (
        world.folder.path().join("control"),
        world.folder.path().join("table"),
    );
    world.control = Some(crate::world::Control::start(socket, table));
    let changes = vec![
        put_group(1, vec![version("v", 10_000, &[&instance])]),
        put_host(vec![rule("", GROUP)]),
    ];
    world.control().link.publish(changes).unwrap();
    // The table that control begins with has no routes: an honest 404 may win.
    let answer = client.answer();
    assert!(
        answer.text() == "a" || answer.error() == "unknown_route",
        "{answer:?}"
    );
    until(|| get(world.http, HOST, "/").text() == "a");
}
