//! What is refused before it reaches an instance.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::{Client, get};
use crate::instance::Instance;
use crate::world::{HOST, World, version};

#[test]
fn ambiguous_requests_never_reach_an_instance() {
    let instance = Instance::named("a");
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n";
    let cases = [
        (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "ambiguous_framing",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "ambiguous_framing",
        ),
        (
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "ambiguous_framing",
        ),
        (
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "ambiguous_framing",
        ),
        ("Transfer-Encoding: gzip, chunked\r\n", "ambiguous_framing"),
        ("Transfer-Encoding: identity\r\n", "ambiguous_framing"),
        ("Transfer-Encoding : chunked\r\n", "malformed_header"),
        (
            "X: a\r\n Transfer-Encoding: chunked\r\n",
            "malformed_header",
        ),
        ("X: a\nTransfer-Encoding: chunked\r\n", "line_ending"),
        ("X: a\rTransfer-Encoding: chunked\r\n", "line_ending"),
        ("Host: other.test\r\n", "bad_host"),
        ("Expect: something\r\n", "expectation"),
    ];
    for (headers, error) in cases {
        let mut client = Client::connect(world.http);
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: app.test\r\n{headers}\r\n0\r\n\r\n{smuggled}"
        ));
        let answer = client.try_answer().expect(headers);
        assert_eq!(answer.error(), error, "{headers:?}");
        assert!((400..=417).contains(&answer.status));
        assert!(client.is_closed(), "{headers:?}");
    }
    let whole = [
        (
            "GET http://other.test/ HTTP/1.1\r\nHost: app.test\r\n\r\n",
            "bad_host",
        ),
        ("GET / HTTP/1.1\r\n\r\n", "bad_host"),
        (
            "POST / HTTP/1.0\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n",
            "ambiguous_framing",
        ),
        ("GET / HTTP/1.1\nHost: app.test\n\n", "line_ending"),
        ("GET / HTTP/3.0\r\nHost: app.test\r\n\r\n", "http_version"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http_version"),
        ("nonsense\r\n\r\n", "malformed_request_line"),
        (
            "CONNECT app.test:80 HTTP/1.1\r\nHost: app.test:80\r\n\r\n",
            "method_not_allowed",
        ),
        (
            "TRACE / HTTP/1.1\r\nHost: app.test\r\n\r\n",
            "method_not_allowed",
        ),
    ];
    for (request, error) in whole {
        let mut client = Client::connect(world.http);
        client.send(request);
        assert_eq!(
            client.try_answer().expect(request).error(),
            error,
            "{request:?}"
        );
    }
    assert_eq!(instance.requests.load(Ordering::SeqCst), 0);
    assert_eq!(get(world.http, HOST, "/").text(), "a");
}

#[test]
fn ambiguous_chunks_end_the_request_without_a_second_one() {
    let instance = Instance::start("a", |asked| {
        // Reads until the router gives up.
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut asked.stream, &mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains("smuggled"));
        false
    });
    let mut world = World::start();
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5;a\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.test\r\n\r\n");
    if let Some(answer) = client.try_answer() {
        assert_eq!(answer.error(), "body_incomplete");
    }
    assert!(client.try_answer().is_none());
    assert!(instance.requests.load(Ordering::SeqCst) <= 1);
}

#[test]
fn large_heads_are_refused() {
    let instance = Instance::named("a");
    let mut world = World::with(1, |config| {
        config.limits.header_bytes = 4_000;
        config.limits.uri_bytes = 1_000;
        config.limits.header_count = 20;
    });
    world.route(vec![version("v", 10_000, &[&instance])]);
    let send = |request: String| {
        let mut client = Client::connect(world.http);
        client.send(request);
        client.answer()
    };
    let head = |rest: &str| format!("GET / HTTP/1.1\r\nHost: app.test\r\n{rest}");
    let large = send(head(&format!("X: {}\r\n\r\n", "a".repeat(4_000))));
    assert_eq!((large.status, large.error()), (431, "headers_too_large"));
    let endless = send(head(&format!("X: {}", "a".repeat(100_000))));
    assert_eq!(endless.status, 431);
    let many = send(head(&format!("{}\r\n", "X: a\r\n".repeat(20))));
    assert_eq!(many.status, 431);
    let uri = send(format!(
        "GET /{} HTTP/1.1\r\nHost: app.test\r\n\r\n",
        "a".repeat(1_000)
    ));
    assert_eq!((uri.status, uri.error()), (414, "uri_too_long"));
    assert_eq!(get(world.http, HOST, "/").text(), "a");
}

#[test]
fn a_slow_head_is_refused() {
    let world = World::with(1, |config| {
        config.limits.header_time = Duration::from_millis(20);
    });
    let mut client = Client::connect(world.http);
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\nX: never en");
    let slow = client.answer();
    assert_eq!((slow.status, slow.error()), (408, "header_timeout"));
}

#[test]
fn a_body_that_stops_is_ended() {
    let instance = Instance::start("a", |asked| {
        let mut rest = Vec::new();
        let _ = std::io::Read::read_to_end(&mut asked.stream, &mut rest);
        false
    });
    let mut world = World::with(1, |config| {
        config.limits.stall_time = Duration::from_millis(20);
    });
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut client = Client::connect(world.http);
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\nhalf");
    assert_eq!(client.answer().error(), "body_incomplete");
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let world = World::with(1, |config| {
        config.limits.idle_time = Duration::from_millis(20);
    });
    assert!(Client::connect(world.http).is_closed());
}

#[test]
fn connections_over_the_limit_wait_and_are_served_later() {
    let instance = Instance::named("a");
    let mut world = World::with(1, |config| config.limits.connections = 1);
    world.route(vec![version("v", 10_000, &[&instance])]);
    let mut first = Client::connect(world.http);
    assert_eq!(first.get(HOST, "/").text(), "a");
    let mut second = Client::connect(world.http);
    second.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(first.get(HOST, "/").text(), "a");
    drop(first);
    assert_eq!(second.answer().text(), "a");
}
