//! What a site and its visitors say to each other beside its own words.

use windlass_router::{AnswerHeader, AnswerKind, Change, Group, Pins, RouteRule};

use crate::client::{Client, get};
use crate::instance::Instance;
use crate::site::{artifact, site};
use crate::world::{GROUP, HOST, World, group, put_host, rule, version};

#[test]
fn a_function_sees_the_headers_of_the_router_and_not_those_of_a_client() {
    let instance = Instance::start("f", |asked| {
        let said = |name| asked.header(name).unwrap_or("none").to_owned();
        let text = ["x-client", "x-forwarded-for", "x-id"].map(said).join(" ");
        asked.answer(&text);
        true
    });
    let mut world = World::start();
    let root = artifact(&world, "v1");
    world.route(vec![site("v1", 10_000, &root, &[&instance])]);
    let mut client = Client::connect(world.http);
    let forged = "X-Client: me\r\nX-Forwarded-For: 192.0.2.1\r\nX-Id: mine\r\n\
                  X-Request-Id: r1\r\n";
    let answer = client.get_with(HOST, "/users/1", forged);
    assert_eq!(answer.text(), "127.0.0.1 127.0.0.1 here::r1");
}

#[test]
fn the_page_of_a_site_takes_the_place_of_a_failed_function() {
    let instance = Instance::start("f", |asked| {
        let failed = if asked.path().starts_with("/users/3") {
            "" // A function that answers 500 itself.
        } else {
            "x-windlass-function-failed: 1\r\n"
        };
        let head = format!(
            "HTTP/1.1 500 Oh\r\n{failed}x-code: BROKEN\r\ncontent-type: text/odd\r\n\
             content-length: 5\r\n\r\nbroke"
        );
        asked.write(head.as_bytes());
        true
    });
    let mut world = World::start();
    let root = artifact(&world, "v1");
    world.route(vec![site("v1", 10_000, &root, &[&instance])]);
    let mut client = Client::connect(world.http);
    for (path, body, kind) in [
        ("/users/1", "broke", "text/odd"),
        ("/users/2", "sorry", "text/html; charset=utf-8"),
        ("/users/3", "broke", "text/odd"),
    ] {
        let answer = client.get(HOST, path);
        assert_eq!((answer.status, answer.text()), (500, body), "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.header("x-code"), Some("BROKEN"), "{path}");
        assert_eq!(answer.header("x-windlass-function-failed"), None, "{path}");
    }
}

/// The app runs `old` and `new` by halves; `old`, `new` and `other` are published.
fn pinned() -> World {
    let names = ["old", "new", "other"];
    let instances = names.map(Instance::named);
    let mut world = World::start();
    let app = Group {
        pins: Some(Box::new(Pins {
            parameter: "v".to_owned(),
            header: "x-version".to_owned(),
            cookie: "__v".to_owned(),
        })),
        ..group(
            1,
            vec![
                version("old", 5_000, &[&instances[0]]),
                version("new", 5_000, &[&instances[1]]),
            ],
        )
    };
    let put = |group: String, value| Change::PutGroup { group, value };
    let mut changes = vec![put(GROUP.to_owned(), app), put_host(vec![rule("", GROUP)])];
    for (name, instance) in names.iter().zip(&instances) {
        let only = version(name, 10_000, &[instance]);
        changes.push(put(format!("{GROUP}@{name}"), group(1, vec![only])));
    }
    world.publish(changes);
    world
}

#[test]
fn a_request_that_names_a_published_version_gets_it() {
    let world = pinned();
    let mut client = Client::connect(world.http);
    for (path, headers, name) in [
        ("/?v=other", "", "other"),
        ("/?a=1&v=old&b", "", "old"),
        ("/", "X-Version: new\r\n", "new"),
        ("/", "Cookie: a=b; __v=other\r\n", "other"),
        ("/?v=old", "X-Version: new\r\nCookie: __v=other\r\n", "old"),
        ("/", "X-Version: new\r\nCookie: __v=other\r\n", "new"),
    ] {
        for _ in 0..4 {
            let answer = client.get_with(HOST, path, headers);
            assert_eq!(answer.text(), name, "{path} {headers}");
        }
    }
}

#[test]
fn a_pin_that_names_nothing_is_as_none() {
    let world = pinned();
    let mut client = Client::connect(world.http);
    for path in [
        "/",
        "/?v=",
        "/?v=gone",
        "/?v=%00",
        "/?v=old%2F..",
        "/?V=other",
    ] {
        let mut answers: Vec<String> = (0..8)
            .map(|_| client.get(HOST, path).text().to_owned())
            .collect();
        answers.sort();
        answers.dedup();
        assert_eq!(answers, ["new", "old"], "{path}");
    }
}

#[test]
fn a_host_whose_version_is_not_there_says_so() {
    let mut world = World::start();
    let absent = vec![AnswerHeader {
        name: "x-error".to_owned(),
        value: "GONE {request_id}".to_owned(),
        on: AnswerKind::NotFound,
    }];
    let rule = RouteRule {
        absent,
        ..rule("", GROUP)
    };
    world.publish(vec![put_host(vec![rule])]);
    let mut client = Client::connect(world.http);
    let lost = client.get_with(HOST, "/", "X-Request-Id: r1\r\n");
    assert_eq!(
        (lost.status, lost.header("x-error")),
        (404, Some("GONE r1"))
    );
    let there = Instance::named("there");
    world.publish(vec![crate::world::put_group(
        1,
        vec![version("there", 10_000, &[&there])],
    )]);
    assert_eq!(get(world.http, HOST, "/").text(), "there");
}
