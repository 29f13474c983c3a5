//! Withdrawn instances: requests finish, then control is told.

use std::sync::{Mutex, mpsc};

use windlass_router::{Change, RouterEvent};

use crate::client::{Client, GENEROUS, get};
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, put_group, version};

/// An instance that answers `/slow` when it is told to.
fn gated() -> (Instance, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (open, gate) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    let gate = Mutex::new(gate);
    let instance = Instance::start("old", move |asked| {
        if asked.path() == "/slow" {
            asked.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
            began.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            asked.write(b"4\r\ndone\r\n0\r\n\r\n");
        } else {
            asked.answer("old");
        }
        true
    });
    (instance, open, has_begun)
}

fn empty(upstream: &str) -> RouterEvent {
    RouterEvent::Empty {
        upstream: upstream.to_owned(),
        upgraded: 0,
    }
}

#[test]
fn a_request_in_flight_finishes_after_the_withdrawal_and_then_it_is_empty() {
    let (old, open, has_begun) = gated();
    let new = Instance::named("new");
    for share_stays in [true, false] {
        let mut world = World::with(2, |_| {});
        world.route(vec![version("old", 10_000, &[&old])]);
        let mut client = Client::connect(world.http);
        client.send("GET /slow HTTP/1.1\r\nHost: app.test\r\n\r\n");
        has_begun.recv_timeout(GENEROUS).unwrap();
        let mut versions = vec![version("new", 10_000, &[&new])];
        if share_stays {
            versions.push(version("old", 0, &[&old]));
        }
        world.publish(vec![put_group(2, versions)]);
        assert_eq!(get(world.http, HOST, "/").text(), "new");
        assert_eq!(
            world.control().try_event(),
            None,
            "a request is still in flight"
        );
        open.send(()).unwrap();
        assert_eq!(client.answer().text(), "done");
        assert_eq!(world.control().event(), empty("old"));
    }
}

#[test]
fn an_idle_instance_is_empty_at_once_and_may_be_asked_for_again() {
    let old = Instance::named("old");
    let mut world = World::start();
    world.route(vec![version("old", 10_000, &[&old])]);
    assert_eq!(get(world.http, HOST, "/").text(), "old");
    let remove = Change::RemoveGroup {
        group: GROUP.to_owned(),
        plan_generation: 2,
    };
    world.publish(vec![remove]);
    assert_eq!(world.control().event(), empty("old"));
    world.control().link.ask_empty("old");
    assert_eq!(world.control().event(), empty("old"));
    assert_eq!(get(world.http, HOST, "/").error(), "no_endpoints");
}

#[test]
fn an_instance_that_comes_back_is_not_reported() {
    let (old, open, has_begun) = gated();
    let new = Instance::named("new");
    let mut world = World::start();
    world.route(vec![version("old", 10_000, &[&old])]);
    let mut client = Client::connect(world.http);
    client.send("GET /slow HTTP/1.1\r\nHost: app.test\r\n\r\n");
    has_begun.recv_timeout(GENEROUS).unwrap();
    world.publish(vec![put_group(2, vec![version("new", 10_000, &[&new])])]);
    world.publish(vec![put_group(3, vec![version("old", 10_000, &[&old])])]);
    open.send(()).unwrap();
    assert_eq!(client.answer().text(), "done");
    // The new one is withdrawn and idle: its event is the only one.
    assert_eq!(world.control().event(), empty("new"));
    assert_eq!(get(world.http, HOST, "/").text(), "old");
    assert_eq!(world.control().try_event(), None);
}

#[test]
fn an_instance_that_ends_while_it_drains_is_no_failure() {
    let (cut, gate) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    let gate = Mutex::new(gate);
    let old = Instance::start("old", move |asked| {
        asked.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        began.send(()).unwrap();
        let _ = gate.lock().unwrap().recv();
        false
    });
    let mut world = World::start();
    world.route(vec![version("old", 10_000, &[&old])]);
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    has_begun.recv_timeout(GENEROUS).unwrap();
    world.publish(vec![put_group(2, vec![version("old", 0, &[&old])])]);
    drop(cut);
    assert_eq!(client.try_answer(), None);
    assert_eq!(world.control().event(), empty("old"));
    assert_eq!(world.log()[0]["end"], "cut_by_drain");
}

#[test]
fn a_router_that_ends_lets_requests_finish_and_still_acknowledges() {
    let (old, open, has_begun) = gated();
    let mut world = World::start();
    world.route(vec![version("old", 10_000, &[&old])]);
    let mut client = Client::connect(world.http);
    client.send("GET /slow HTTP/1.1\r\nHost: app.test\r\n\r\n");
    has_begun.recv_timeout(GENEROUS).unwrap();
    let ended = world.stop_router();
    world.publish(vec![put_group(2, vec![version("old", 0, &[&old])])]);
    assert_eq!(world.control().link.routers().len(), 1, "it still is there");
    assert_eq!(world.control().try_event(), None);
    open.send(()).unwrap();
    assert_eq!(client.answer().text(), "done");
    assert!(client.is_closed());
    ended.join().unwrap().unwrap();
    assert_eq!(world.control().event(), empty("old"));
    assert!(world.control().link.routers().is_empty());
}
