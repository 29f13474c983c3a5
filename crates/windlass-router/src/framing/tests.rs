use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits {
    bytes: 2_000,
    headers: 10,
    uri_bytes: 200,
};

fn check(head: &str) -> Result<Head, Refusal> {
    check_head(head.as_bytes(), LIMITS)
}

fn with_headers(headers: &str) -> Result<Head, Refusal> {
    check(&format!("POST /x HTTP/1.1\r\nHost: h\r\n{headers}\r\n"))
}

#[test]
fn sound_requests_pass() {
    let none = Head {
        framing: Framing::Length(0),
        wants_upgrade: false,
    };
    assert_eq!(with_headers(""), Ok(none));
    assert_eq!(
        check("GET / HTTP/1.0\r\n\r\n"),
        Ok(none),
        "HTTP/1.0 needs no host"
    );
    let head = with_headers("Content-Length: 12\r\n").unwrap();
    assert_eq!(head.framing, Framing::Length(12));
    let head = with_headers("transfer-encoding:  Chunked \r\n").unwrap();
    assert_eq!(head.framing, Framing::Chunked);
    let head = with_headers("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n").unwrap();
    assert!(head.wants_upgrade);
    assert_eq!(
        with_headers("X-Any: caf\u{e9}\tb\r\nExpect: 100-continue\r\n"),
        Ok(none)
    );
}

#[test]
fn ambiguous_framing_is_refused() {
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length:\r\n",
        "Content-Length:\t5\r\n",
        "Transfer-Encoding:\tchunked\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        assert_eq!(with_headers(headers), Err(Refusal::Framing), "{headers:?}");
    }
    let old = "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(check(old), Err(Refusal::Framing));
}

#[test]
fn malformed_lines_are_refused() {
    for headers in [
        "Content-Length : 5\r\n",
        "Transfer-Encoding\u{b}: chunked\r\n",
        "X: a\r\n b\r\n",
        "X: a\r\n\tTransfer-Encoding: chunked\r\n",
        " X: a\r\n",
        "X\r\n",
        ": a\r\n",
        "X: a\u{1}b\r\n",
        "X: \u{c}a\r\n",
        "Transfer-Encoding: \u{c}chunked\r\n",
        "Content-Length: 5\u{c}\r\n",
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
        "Authorization: a\r\nX: b\r\nauthorization: c\r\n",
        "If-Range: a\r\nIf-Range: a\r\n",
    ] {
        assert_eq!(
            with_headers(headers),
            Err(Refusal::HeaderLine),
            "{headers:?}"
        );
    }
    for headers in ["X: a\rb: c\r\n", "X: a\0b\r\n", "X: a\r\r\n"] {
        assert_eq!(
            with_headers(headers),
            Err(Refusal::LineEnding),
            "{headers:?}"
        );
    }
    for headers in ["Host: h\r\n", "Host: other\r\n"] {
        assert_eq!(with_headers(headers), Err(Refusal::Host), "{headers:?}");
    }
    assert_eq!(check("GET / HTTP/1.1\r\n\r\n"), Err(Refusal::Host));
    assert_eq!(
        check("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        Err(Refusal::Host)
    );
    for host in ["a@b", "\ta", ".", "..", "a..b", ":80", ".:80", "a/b"] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(check(&head), Err(Refusal::Host), "{host}");
    }
    for host in ["a", "a.", ".a", "a:80", "[::1]:80", "a_b"] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert!(check(&head).is_ok(), "{host}");
    }
    assert_eq!(
        with_headers("Expect: 200-ok\r\n"),
        Err(Refusal::Expectation)
    );
}

#[test]
fn malformed_request_lines_are_refused() {
    for line in [
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET /",
        "GET\t/ HTTP/1.1",
        "G(T / HTTP/1.1",
        "get / HTTP/1.1",
        "CONNECT yy\u{e9}y:80 HTTP/1.1",
        "CONNECT  HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /%zz HTTP/1.1",
        "GET /../x HTTP/1.1",
    ] {
        let head = format!("{line}\r\nHost: h\r\n\r\n");
        assert_eq!(check(&head), Err(Refusal::RequestLine), "{line:?}");
    }
    for line in [
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "PRI * HTTP/2.0",
        "GET / HTTP/1.01",
    ] {
        let head = format!("{line}\r\nHost: h\r\n\r\n");
        assert_eq!(check(&head), Err(Refusal::HttpVersion), "{line:?}");
    }
}

#[test]
fn limits_hold() {
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(200));
    assert_eq!(check(&long), Err(Refusal::UriTooLong));
    assert_eq!(with_headers(&"X: a\r\n".repeat(9)).map(|_| ()), Ok(()));
    assert_eq!(
        with_headers(&"X: a\r\n".repeat(10)),
        Err(Refusal::HeadersTooLarge)
    );
    assert_eq!(
        with_headers(&format!("X: {}\r\n", "a".repeat(2_000))),
        Err(Refusal::HeadersTooLarge)
    );
}

#[test]
fn the_end_of_a_head_is_found_and_bare_line_feeds_are_refused_at_once() {
    assert_eq!(
        head_end(b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest", 0),
        Ok(Some(24))
    );
    assert_eq!(head_end(b"GET / HTTP/1.1\r\nA: b\r\n", 0), Ok(None));
    assert_eq!(head_end(b"GET / HTTP/1.1\n", 0), Err(Refusal::LineEnding));
    assert_eq!(
        head_end(b"GET / HTTP/1.1\r\nA: b\n\r\n", 0),
        Err(Refusal::LineEnding)
    );
    assert_eq!(head_end(b"\n", 0), Err(Refusal::LineEnding));
}

#[test]
fn an_upgrade_needs_both_headers_and_no_body() {
    for headers in [
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n",
        "Connection: upgrade\r\nUpgrade: h2c\r\n",
        "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n",
    ] {
        assert!(!with_headers(headers).unwrap().wants_upgrade, "{headers:?}");
    }
}

fn follow(body: &[u8]) -> Result<(usize, bool), Refusal> {
    let mut follower = BodyFollower::new(Framing::Chunked);
    let taken = follower.follow(body)?;
    Ok((taken, follower.is_at_end()))
}

#[test]
fn chunks_end_where_they_say() {
    let body = b"5\r\nhello\r\n00A;name=\"x\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
    let mut with_next = body.to_vec();
    with_next.extend_from_slice(b"GET / HTTP/1.1\r\n");
    assert_eq!(follow(&with_next), Ok((body.len(), true)));
}

#[test]
fn ambiguous_chunks_are_refused() {
    for body in [
        &b"5\nhello\r\n"[..],
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n0\r\n",
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"0x5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5;a\nhello\r\n",
        b"1000000000000000\r\n",
        b"800000000000000\r\n",
        b"0\r\nX: a\n\r\n",
        b"0\r\n\n",
    ] {
        assert_eq!(
            follow(body),
            Err(Refusal::Framing),
            "{:?}",
            String::from_utf8_lossy(body)
        );
    }
    let mut endless = b"5;".to_vec();
    endless.resize(CHUNK_LINE_LIMIT_BYTES + 10, b'a');
    assert_eq!(follow(&endless), Err(Refusal::Framing));
    let mut endless = b"0\r\n".to_vec();
    endless.resize(TRAILER_LIMIT_BYTES + 10, b'a');
    assert_eq!(follow(&endless), Err(Refusal::Framing));
}

proptest! {
    #[test]
    fn chunks_are_followed_in_whatever_pieces_they_arrive(
        sizes in prop::collection::vec(1_usize..300, 0..6), piece in 1_usize..50,
    ) {
        let mut body = Vec::new();
        for size in sizes {
            body.extend(format!("{size:x}\r\n").bytes());
            // The data itself looks like an end.
            body.extend(b"0\r\n\r\n".iter().copied().cycle().take(size));
            body.extend(b"\r\n");
        }
        body.extend(b"0\r\n\r\n");
        let length = body.len();
        body.extend(b"next");
        let mut follower = BodyFollower::new(Framing::Chunked);
        let mut taken = 0;
        for part in body.chunks(piece) {
            let now = follower.follow(part).unwrap();
            taken += now;
            if now < part.len() {
                break;
            }
        }
        prop_assert!(follower.is_at_end());
        prop_assert_eq!(taken, length);
    }

    #[test]
    fn no_head_makes_the_check_panic(head in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check_head(&head, LIMITS);
        let _ = head_end(&head, 0);
        let _ = follow(&head);
    }
}
