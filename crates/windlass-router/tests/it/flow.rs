//! Requests and responses on their way through.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::mpsc;

use windlass_router::{Change, TargetKind, Version};

use crate::client::{Client, get};
use crate::instance::Instance;
use crate::world::{GROUP, HOST, World, group, put_host, rule, until, version};

#[test]
fn connections_are_kept_on_both_sides() {
    let instance = Instance::named("a");
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    for _ in 0..20 {
        assert_eq!(client.get(HOST, "/").text(), "a");
    }
    let mut other = Client::connect(world.http);
    assert_eq!(other.get(HOST, "/").text(), "a");
    assert_eq!(instance.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn the_instance_sees_who_asks_and_the_client_learns_the_id() {
    let instance = Instance::named("a");
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let headers =
        "X-Request-Id: mine\r\nConnection: x-secret\r\nX-Secret: 1\r\nExpect: 100-continue\r\n";
    let answer = Client::connect(world.http).get_with("APP.test:8080", "/a%20b?q=1", headers);
    assert_eq!(answer.header("x-vcap-request-id"), Some("mine"));
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    let head = instance
        .heads
        .lock()
        .unwrap()
        .pop()
        .unwrap()
        .to_ascii_lowercase();
    assert!(head.starts_with("get /a%20b?q=1 http/1.1\r\n"), "{head}");
    for line in [
        "host: app.test:8080",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: app.test:8080",
        "x-request-id: mine",
        "x-vcap-request-id: mine",
    ] {
        assert!(
            head.lines().any(|found| found == line),
            "{line} is not in {head}"
        );
    }
    assert!(
        !head.contains("x-secret") && !head.contains("expect"),
        "{head}"
    );
}

#[test]
fn bodies_stream_both_ways_at_once() {
    let instance = Instance::start("echo", |asked| {
        asked.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        while let Some(chunk) = asked.chunk() {
            asked.write(format!("{:x}\r\n", chunk.len()).as_bytes());
            asked.write(&chunk);
            asked.write(b"\r\n");
        }
        asked.write(b"0\r\n\r\n");
        true
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut head = None;
    for word in ["one", "two", "three"] {
        client.send(format!("{:x}\r\n{word}\r\n", word.len()));
        if head.is_none() {
            head = client.try_head();
            assert_eq!(head.as_ref().unwrap().0, 200);
        }
        // Each piece comes back before the next one is sent.
        assert_eq!(client.try_chunk().unwrap(), word.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.try_chunk(), Some(vec![]));
    // The connection goes on.
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

#[test]
fn large_bodies_arrive_whole() {
    let instance = Instance::start("echo", |asked| {
        let body = asked.body();
        asked
            .write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes());
        asked.write(&body);
        true
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let body: Vec<u8> = (0..3_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    let mut client = Client::connect(world.http);
    let mut writer = client.stream.get_ref().try_clone().unwrap();
    let sent = body.clone();
    let sending = std::thread::spawn(move || {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: {}\r\n\r\n",
            sent.len()
        );
        writer.write_all(head.as_bytes()).unwrap();
        writer.write_all(&sent).unwrap();
    });
    let answer = client.answer();
    sending.join().unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body == body, "the body changed on its way");
}

#[test]
fn expect_100_continue_is_answered_when_the_body_is_wanted() {
    let instance = Instance::start("a", |asked| {
        let body = asked.body();
        asked.answer(std::str::from_utf8(&body).unwrap());
        true
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    let expect = "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    client.send(format!("POST / HTTP/1.1\r\nHost: app.test\r\n{expect}"));
    assert_eq!(client.try_head().unwrap().0, 100);
    client.send("body");
    assert_eq!(client.answer().text(), "body");
    client.send(format!("POST / HTTP/1.1\r\nHost: unknown.test\r\n{expect}"));
    assert_eq!(client.try_head().unwrap().0, 404, "nobody wants that body");
}

#[test]
fn head_responses_and_empty_statuses_keep_the_connection() {
    let instance = Instance::start("a", |asked| {
        match asked.path() {
            "/204" => asked.write(b"HTTP/1.1 204 No Content\r\n\r\n"),
            "/304" => asked.write(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n"),
            _ => asked.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"),
        }
        true
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("HEAD /head HTTP/1.1\r\nHost: app.test\r\n\r\n");
    let (status, head) = client.try_head().unwrap();
    assert_eq!(status, 200);
    assert!(head.contains("content-length: 9"), "{head}");
    for status in [204, 304, 204] {
        client.send(format!("GET /{status} HTTP/1.1\r\nHost: app.test\r\n\r\n"));
        assert_eq!(client.try_head().unwrap().0, status);
    }
    assert_eq!(instance.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn an_old_client_gets_a_response_that_ends_with_the_connection() {
    let instance = Instance::start("a", |asked| {
        asked.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        true
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    assert!(
        !answer
            .head
            .to_ascii_lowercase()
            .contains("transfer-encoding"),
        "{}",
        answer.head
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let instance = Instance::start("a", |asked| {
        let path = asked.path().to_owned();
        asked.body();
        asked.answer(&path);
        true
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    let post = "POST /2 HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nGET ";
    client.send(format!(
        "GET /1 HTTP/1.1\r\nHost: app.test\r\n\r\n{post}\r\nGET /3 HTTP/1.1\r\nHost: app.test\r\n\r\n"
    ));
    for path in ["/1", "/2", "/3"] {
        assert_eq!(client.answer().text(), path);
    }
}

#[test]
fn paths_hosts_and_other_targets_are_routed() {
    let (web, api) = (Instance::named("web"), Instance::named("api"));
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&web])]);
    let other = |target| {
        vec![Version {
            id: "o".to_owned(),
            share: 10_000,
            target,
        }]
    };
    let put = |id: &str, versions| Change::PutGroup {
        group: id.to_owned(),
        value: group(1, versions),
    };
    let redirect = TargetKind::Redirect {
        location: "https://new.test/".to_owned(),
        status: 308,
        keep_path: true,
    };
    let files = TargetKind::Static {
        root: "/nowhere".into(),
        index: "index.html".to_owned(),
        fallback: None,
        not_found: None,
    };
    let mut rules = put_host(vec![
        rule("", GROUP),
        rule("/api", "api"),
        rule("/old", "redirect"),
        rule("/files", "files"),
        rule("/none", "missing"),
    ]);
    if let Change::PutHost { value, .. } = &mut rules {
        value.commit = 2;
    }
    world.publish(vec![
        put("api", vec![version("v", 10_000, &[&api])]),
        put("redirect", other(redirect)),
        put("files", other(files)),
        rules,
    ]);
    let mut client = Client::connect(world.http);
    assert_eq!(client.get(HOST, "/").text(), "web");
    assert_eq!(client.get(HOST, "/api/x").text(), "api");
    assert_eq!(client.get(HOST, "/apix").text(), "web");
    let moved = client.get(HOST, "/old/x?y=1");
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, Some("https://new.test/old/x?y=1"))
    );
    let missing = client.get(HOST, "/files/x");
    assert_eq!((missing.status, missing.error()), (404, "no_such_file"));
    let none = client.get(HOST, "/none");
    assert_eq!((none.status, none.error()), (503, "no_endpoints"));
    let unknown = client.get("other.test", "/");
    assert_eq!((unknown.status, unknown.error()), (404, "unknown_route"));
    assert!(unknown.header("x-vcap-request-id").is_some());
}

#[test]
fn a_dead_instance_is_passed_over_and_reported() {
    let (dead, good) = (Instance::dead("dead"), Instance::named("good"));
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&dead, &good])]);
    let mut client = Client::connect(world.http);
    for _ in 0..10 {
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(
            client.answer().text(),
            "good",
            "what was not sent may be sent elsewhere"
        );
    }
    let event = world.control().event();
    let upstream = "dead".to_owned();
    assert_eq!(
        event,
        windlass_router::RouterEvent::Unreachable { upstream }
    );
}

#[test]
fn without_any_living_instance_the_answer_is_502_and_never_hangs() {
    let dead = Instance::dead("dead");
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&dead])]);
    for _ in 0..3 {
        let answer = get(world.http, HOST, "/");
        assert_eq!((answer.status, answer.error()), (502, "endpoint_failure"));
    }
}

#[test]
fn a_request_lost_on_a_kept_connection_is_repeated_once_if_it_may_be() {
    // Each connection serves one request and drops the second one unread.
    let instance = Instance::start("a", |asked| {
        if asked.number > 0 {
            return false;
        }
        asked.body();
        asked.answer("ok");
        true
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    for _ in 0..5 {
        assert_eq!(client.get(HOST, "/").text(), "ok");
    }
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(
        client.answer().error(),
        "endpoint_failure",
        "a body was sent: not twice"
    );
}

#[test]
fn nothing_is_repeated_once_a_response_has_begun() {
    let instance = Instance::start("a", |asked| {
        asked.write(b"HTTP/1.1 20");
        false
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let answer = get(world.http, HOST, "/");
    assert_eq!((answer.status, answer.error()), (502, "endpoint_failure"));
    assert_eq!(instance.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn an_instance_that_dies_in_the_middle_cuts_its_response() {
    let instance = Instance::start("a", |asked| {
        asked.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        false
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(client.try_answer(), None, "never a whole response");
    let lines = world.log();
    assert_eq!(lines.len(), 1);
    assert_eq!(
        (&lines[0]["end"], &lines[0]["status"]),
        (&"endpoint_failed".into(), &200.into())
    );
}

#[test]
fn a_client_that_leaves_ends_the_request_at_the_instance() {
    let (gone, is_gone) = mpsc::channel();
    let (began, has_begun) = mpsc::channel();
    let instance = Instance::start("a", move |asked| {
        began.send(()).unwrap();
        // Ends when the router hangs up.
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut asked.stream, &mut rest);
        gone.send(()).unwrap();
        false
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    has_begun.recv_timeout(crate::client::GENEROUS).unwrap();
    drop(client);
    is_gone.recv_timeout(crate::client::GENEROUS).unwrap();
    let lines = world.log();
    assert_eq!(lines[0]["end"], "client_gone");
}

#[test]
fn a_slow_instance_is_answered_for() {
    let (finish, finished) = mpsc::channel::<()>();
    let finished = std::sync::Mutex::new(finished);
    let instance = Instance::start("a", move |_| {
        let _ = finished.lock().unwrap().recv();
        false
    });
    let mut world = World::with(1, |config| {
        config.limits.response_time = std::time::Duration::from_millis(50);
    });
    world.route(vec![version("v", 10_000, &[&instance])]);
    let answer = get(world.http, HOST, "/");
    assert_eq!((answer.status, answer.error()), (504, "endpoint_timeout"));
    drop(finish);
}

#[test]
fn bodies_over_the_limit_are_refused() {
    let instance = Instance::named("a");
    let mut world = World::with(1, |config| config.limits.body_bytes = Some(10));
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 11\r\n\r\n12345678901");
    assert_eq!(client.answer().error(), "body_too_large");
    let mut client = Client::connect(world.http);
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("6\r\n123456\r\n5\r\n12345\r\n0\r\n\r\n");
    assert_eq!(client.answer().error(), "body_too_large");
    let mut client = Client::connect(world.http);
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\n1234567890");
    assert_eq!(client.answer().text(), "a");
}

#[test]
fn metrics_count_by_version() {
    let instance = Instance::named("a");
    let mut world = World::with(2, |_| {});
    world.route(vec![version("v", 10_000, &[&instance])]);
    for _ in 0..7 {
        get(world.http, HOST, "/");
    }
    get(world.http, "unknown.test", "/");
    let labels = format!("group=\"{GROUP}\",version=\"v\"");
    let wanted = [
        format!("windlass_router_requests_total{{{labels},class=\"2xx\"}} 7"),
        format!("windlass_router_request_duration_seconds_count{{{labels}}} 7"),
        format!("windlass_router_requests_in_flight{{{labels}}} 0"),
        "windlass_router_answers_total{code=\"unknown_route\"} 1".to_owned(),
    ];
    // A response reaches its client a moment before it is counted.
    until(|| {
        let text = world.metrics();
        wanted
            .iter()
            .all(|line| text.lines().any(|found| found == line))
    });
    assert_eq!(get(world.metrics, "x", "/health").text(), "ok\n");
}
