//! Pinning to instances and asking for one.

use crate::client::Client;
use crate::instance::Instance;
use crate::world::{HOST, World, put_group, version};

fn session(id: &'static str) -> Instance {
    Instance::start(id, move |asked| {
        if asked.path() == "/login" {
            asked.answer_with("Set-Cookie: JSESSIONID=s; Path=/; Secure\r\n", id);
        } else {
            asked.answer(id);
        }
        true
    })
}

#[test]
fn a_session_stays_at_its_instance_until_that_is_withdrawn() {
    let (one, two, target) = (session("one"), session("two"), session("target"));
    let mut world = World::start();
    let shares = |target_share: u16| {
        vec![
            version("base", 10_000 - target_share, &[&one, &two]),
            version("target", target_share, &[&target]),
        ]
    };
    world.route(shares(0));
    world.publish(vec![put_group(
        2,
        vec![version("target", 10_000, &[&target])],
    )]);
    let mut client = Client::connect(world.http);
    let login = client.get(HOST, "/login");
    assert_eq!(login.text(), "target");
    let pin = "__VCAP_ID__=public-target; Path=/; HttpOnly; Secure";
    assert_eq!(
        login.headers("set-cookie"),
        ["JSESSIONID=s; Path=/; Secure", pin]
    );

    world.publish(vec![put_group(3, shares(100))]);
    let cookies = "Cookie: JSESSIONID=s; __VCAP_ID__=public-target\r\n";
    for _ in 0..30 {
        let answer = client.get_with(HOST, "/", cookies);
        assert_eq!(answer.text(), "target");
        assert_eq!(answer.header("set-cookie"), None);
    }
    world.publish(vec![put_group(4, shares(0))]);
    let moved = client.get_with(HOST, "/", cookies);
    let pin = format!("__VCAP_ID__=public-{}; Path=/; HttpOnly", moved.text());
    assert_ne!(moved.text(), "target");
    assert_eq!(moved.headers("set-cookie"), [pin]);
    let lines = world.log();
    assert_eq!(
        lines.iter().filter(|line| line["pinned"] == true).count(),
        30
    );
}

#[test]
fn an_instance_may_be_asked_for_by_its_index() {
    let (one, two) = (Instance::named("one"), Instance::named("two"));
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&one, &two])]);
    let mut client = Client::connect(world.http);
    let mut ask = |value| client.get_with(HOST, "/", &format!("X-Cf-App-Instance: {value}\r\n"));
    for _ in 0..3 {
        assert_eq!(ask("app:0").text(), "one");
        assert_eq!(ask("app:1").text(), "two");
    }
    let missing = ask("app:2");
    assert_eq!((missing.status, missing.error()), (404, "unknown_instance"));
    let malformed = ask("app");
    assert_eq!(
        (malformed.status, malformed.error()),
        (400, "invalid_instance_header")
    );
}
