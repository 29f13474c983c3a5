//! Routers that die and come back, with and without control.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use windlass_router::Acknowledgement;

use crate::child::RouterProcess;
use crate::client::{Client, get};
use crate::instance::Instance;
use crate::world::{
    Control, GROUP, HOST, World, listener, put_group, put_host, rule, until, version,
};

#[test]
fn a_killed_router_serves_again_from_its_file_without_control() {
    let (one, two) = (Instance::named("one"), Instance::named("two"));
    let mut world = World::without_router();
    let http = listener();
    let address = http.local_addr().unwrap();
    let router = RouterProcess::start(world.folder.path(), &http);
    world.control().connected(1);
    world.publish(vec![
        put_group(1, vec![version("v", 10_000, &[&one])]),
        put_host(vec![rule("", GROUP)]),
    ]);
    assert_eq!(get(address, HOST, "/").text(), "one");
    world.publish(vec![put_group(2, vec![version("v", 10_000, &[&two])])]);
    world.control = None;
    assert_eq!(get(address, HOST, "/").text(), "two", "without control");
    router.kill();
    // The socket is open all the time: this connection waits, it is not refused.
    let mut waiting = Client::connect(address);
    waiting.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    let router = RouterProcess::start(world.folder.path(), &http);
    assert_eq!(waiting.answer().text(), "two");

    // Control comes back and goes on where it was.
    let (socket, table) = (
        world.folder.path().join("control"),
        world.folder.path().join("table"),
    );
    world.control = Some(Control::start(socket, table));
    world.control().connected(1);
    world.publish(vec![put_group(3, vec![version("v", 10_000, &[&one])])]);
    assert_eq!(get(address, HOST, "/").text(), "one");
    drop(router);
}

#[test]
fn a_router_without_a_connection_is_not_taken_for_dead() {
    let (one, two) = (Instance::named("one"), Instance::named("two"));
    let mut world = World::without_router();
    let http = listener();
    let address = http.local_addr().unwrap();
    let router = RouterProcess::start(world.folder.path(), &http);
    world.control().connected(1);
    world.publish(vec![
        put_group(1, vec![version("v", 10_000, &[&one])]),
        put_host(vec![rule("", GROUP)]),
    ]);
    world.control = None;
    // A control that the router cannot find: it serves by the old table.
    let (socket, table) = (
        world.folder.path().join("control"),
        world.folder.path().join("table"),
    );
    let elsewhere = world.folder.path().join("elsewhere");
    let control = Control::start(elsewhere, table.clone());
    let position = control
        .link
        .publish(vec![put_group(2, vec![version("v", 10_000, &[&two])])])
        .unwrap();
    let wait = control
        .link
        .wait_acknowledged(position, Duration::from_millis(30));
    let answer = control.runtime.block_on(wait);
    assert!(
        matches!(answer, Acknowledgement::NotYet { .. }),
        "{answer:?}"
    );
    assert_eq!(get(address, HOST, "/").text(), "one");
    drop(control);

    let control = Control::start(socket, table);
    control.acknowledged(position);
    assert_eq!(get(address, HOST, "/").text(), "two");
    drop(control);
    router.kill();
}

#[test]
fn no_connection_is_refused_while_routers_are_killed_under_load() {
    let instance = Instance::named("a");
    let mut world = World::without_router();
    let http = listener();
    let address = http.local_addr().unwrap();
    world.publish(vec![
        put_group(1, vec![version("v", 10_000, &[&instance])]),
        put_host(vec![rule("", GROUP)]),
    ]);
    let mut router = RouterProcess::start(world.folder.path(), &http);
    let stop = Arc::new(AtomicBool::new(false));
    let (served, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, served, cut) = (Arc::clone(&stop), Arc::clone(&served), Arc::clone(&cut));
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Panics when the connection is refused.
                    let mut client = Client::connect(address);
                    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
                    match client.try_answer() {
                        Some(answer) => {
                            assert_eq!(answer.text(), "a");
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        None => {
                            cut.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        let seen = served.load(Ordering::Relaxed);
        until(|| served.load(Ordering::Relaxed) > seen + 50);
        router.kill();
        router = RouterProcess::start(world.folder.path(), &http);
    }
    let seen = served.load(Ordering::Relaxed);
    until(|| served.load(Ordering::Relaxed) > seen + 50);
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    assert!(
        cut.load(Ordering::Relaxed) <= 3 * 4,
        "only what was in flight is cut"
    );
}
