//! WebSockets and other upgrades.

use std::io::{Read, Write};

use windlass_router::RouterEvent;

use crate::client::Client;
use crate::instance::Instance;
use crate::world::{HOST, World, put_group, until, version};

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: keep-alive, Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";

/// Switches protocols on `/ws` and then sends every byte back, in capitals.
fn echo() -> Instance {
    Instance::start("ws", |asked| {
        if asked.path() != "/ws" || asked.header("upgrade").is_none() {
            asked.answer("plain");
            return true;
        }
        // The first bytes of the new protocol come with the answer.
        asked.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi",
        );
        let mut bytes = [0; 1024];
        loop {
            match asked.stream.read(&mut bytes) {
                Ok(0) | Err(_) => return false,
                Ok(count) => {
                    let upper = bytes[..count].to_ascii_uppercase();
                    asked.write(&upper);
                }
            }
        }
    })
}

fn read(client: &mut Client, count: usize) -> String {
    let mut bytes = vec![0; count];
    client.stream.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn upgraded(world: &World) -> Client {
    let mut client = Client::connect(world.http);
    client.send(UPGRADE);
    let (status, head) = client.try_head().unwrap();
    assert_eq!(status, 101);
    let head = head.to_ascii_lowercase();
    assert!(
        head.contains("connection: upgrade") && head.contains("upgrade: websocket"),
        "{head}"
    );
    assert_eq!(read(&mut client, 2), "hi");
    client
}

#[test]
fn bytes_flow_both_ways_after_the_switch() {
    let instance = echo();
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = upgraded(&world);
    for word in ["one", "GET / HTTP/1.1\r\n\r\n", "\n\n"] {
        client.send(word);
        assert_eq!(read(&mut client, word.len()), word.to_ascii_uppercase());
    }
    let head = instance
        .heads
        .lock()
        .unwrap()
        .pop()
        .unwrap()
        .to_ascii_lowercase();
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    drop(client);
    until(|| {
        world
            .metrics()
            .contains("upgraded_connections{group=\"group\",version=\"v\"} 0")
    });
    let lines = world.log();
    assert_eq!(
        (&lines[0]["status"], &lines[0]["end"]),
        (&101.into(), &"closed".into())
    );
}

#[test]
fn bytes_sent_before_the_answer_are_not_lost() {
    let instance = echo();
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send(format!("{UPGRADE}early"));
    assert_eq!(client.try_head().unwrap().0, 101);
    assert_eq!(read(&mut client, 7), "hiEARLY");
}

#[test]
fn a_refused_upgrade_leaves_the_connection_as_it_was() {
    let instance = Instance::named("a");
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send(format!("{UPGRADE}{UPGRADE}"));
    assert_eq!(client.answer().text(), "a");
    assert_eq!(client.answer().text(), "a");
    let unknown = UPGRADE.replace("app.test", "other.test");
    client.send(unknown);
    assert_eq!(client.answer().status, 404);
    assert_eq!(client.get(HOST, "/").text(), "a");
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_a_failure() {
    let instance = Instance::start("a", |asked| {
        asked.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        );
        false
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    assert_eq!(
        Client::connect(world.http).get(HOST, "/").error(),
        "endpoint_failure"
    );
}

#[test]
fn upgraded_connections_are_counted_apart_and_live_on_while_draining() {
    let instance = echo();
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = upgraded(&world);
    world.publish(vec![put_group(2, vec![version("v", 0, &[&instance])])]);
    let event = |upgraded| RouterEvent::Empty {
        upstream: "ws".to_owned(),
        upgraded,
    };
    assert_eq!(world.control().event(), event(1));
    client.send("still");
    assert_eq!(read(&mut client, 5), "STILL");
    client.stream.get_mut().flush().unwrap();
    drop(client);
    assert_eq!(world.control().event(), event(0));
    assert_eq!(world.log()[0]["end"], "cut_by_drain");
}
