//! Pinning to instances and asking for one.

use windlass_router::Change;

use crate::client::Client;
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, group, put_group, put_host, rule, version};

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

/// Two apps on one host: each session has its pin below the path of its route.
#[test]
fn apps_that_share_a_host_do_not_share_pins() {
    let (shop, other) = (session("shop"), session("other"));
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&shop])]);
    world.publish(vec![
        Change::PutGroup {
            group: "other/web".to_owned(),
            value: group(1, vec![version("w", 10_000, &[&other])]),
        },
        put_host(vec![rule("/other", "other/web"), rule("/", GROUP)]),
    ]);
    let mut client = Client::connect(world.http);
    let pin = client.get_with(HOST, "/other", "Cookie: JSESSIONID=s; __VCAP_ID__=gone\r\n");
    assert_eq!(pin.text(), "other");
    assert_eq!(
        pin.headers("set-cookie"),
        ["__VCAP_ID__=public-other; Path=/other; HttpOnly"]
    );
    // The cookie of the longer path comes first.
    let both = "Cookie: JSESSIONID=s; __VCAP_ID__=public-other; __VCAP_ID__=public-shop\r\n";
    let stays = client.get_with(HOST, "/other/x", both);
    assert_eq!((stays.text(), stays.header("set-cookie")), ("other", None));
    let lines = world.log();
    assert_eq!(
        lines.iter().filter(|line| line["pinned"] == true).count(),
        1
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
