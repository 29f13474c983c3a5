//! Requests made of parts of which most are right: what mutations of bytes seldom reach.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const METHODS: [&str; 12] = [
    "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "M-SEARCH", "get",
    "P0ST", "G T",
];
const TARGETS: [&str; 34] = [
    "/",
    "/a",
    "/a/b?c=d",
    "/a/../b",
    "/../a",
    "/%2e%2e/a",
    "/a%2f..%2f..",
    "/%00",
    "/100%",
    "/%zz",
    "/?a=%zz",
    "*",
    "a",
    "?a",
    "//a",
    "/a//../..",
    "/./..",
    "/.../..",
    "/a#b",
    "/#%zz",
    "/a\\b",
    "/..%00",
    "/%c3%a9",
    "/..;x/..",
    "http://app.test/",
    "http://app.test",
    "http://app.test:80/../",
    "http://app.test?x",
    "http://user@app.test/",
    "http:///",
    "https://app.test/a",
    "h2://app.test/",
    "/%25%32%65",
    "/a/%2E%2E/%2E%2E/b",
];
const VERSIONS: [&str; 6] = [
    "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "http/1.1",
];
const HOSTS: [&str; 16] = [
    "Host: app.test\r\n",
    "Host: app.test\r\n",
    "Host: app.test\r\n",
    "host:app.test\r\n",
    "Host: app.test:80\r\n",
    "Host: app..test\r\n",
    "Host: [::1]\r\n",
    "Host: .\r\n",
    "Host: \r\n",
    "",
    "Host: app.test\r\nHost: app.test\r\n",
    "Host: app.test.\r\n",
    "Host: a_b\r\n",
    "Host: [\r\n",
    "Host: app.test:\r\n",
    "Host:\tapp.test\r\n",
];
const HEADERS: [&str; 50] = [
    "Accept: */*\r\n",
    "X-Any: a\tb\r\n",
    "X: \r\n",
    "X:\r\n",
    "X : a\r\n",
    "X\r\n",
    ": a\r\n",
    "X: a\r\n b\r\n",
    "X: \u{c}a\r\n",
    "X: a\u{b}\r\n",
    "X: a\0b\r\n",
    "X: a\rb\r\n",
    "X: a\nY: b\r\n",
    "X_Y: a\r\n",
    "X.Y: a\r\n",
    "X\u{e9}: a\r\n",
    "X: \u{e9}\r\n",
    "X: a\u{7f}\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: Upgrade\r\n",
    "Connection: content-length\r\n",
    "Connection: transfer-encoding, host\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "Expect: x\r\n",
    "TE: trailers\r\n",
    "Trailer: X\r\n",
    "Content-Encoding: gzip\r\n",
    "Keep-Alive: timeout=5\r\n",
    "Proxy-Connection: close\r\n",
    "Content_Length: 5\r\n",
    "Content-Length : 5\r\n",
    "X-Content-Length: 5\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Cookie: a=b; c=\"d\"\r\n",
    "Range: bytes=0-1\r\n",
    "If-Modified-Since: x\r\n",
    "Authorization: Basic eDp5\r\n",
    "HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "Date: x\r\n",
    "If-Match: a\r\nIf-Match: a\r\n",
    "Referer: a\r\nReferer: b\r\n",
    "Range: a\r\nRange: b\r\n",
    "User-Agent: a\r\nUser-Agent: b\r\n",
    "Content-Type: a\r\nContent-Type: b\r\n",
    "Upgrade: a\r\nUpgrade: b\r\n",
    "Via: 1.1 x\r\n",
    "X-Forwarded-For: 1\r\n",
];
/// Headers about the length with bodies that go with them, or don't.
const BODIES: [(&str, &str); 40] = [
    ("", ""),
    ("", ""),
    ("", ""),
    ("Content-Length: 0\r\n", ""),
    ("Content-Length: 5\r\n", "hello"),
    ("content-length:5\r\n", "hello"),
    ("Content-Length:  005  \r\n", "hello"),
    ("Content-Length:\t5\r\n", "hello"),
    ("Content-Length: +5\r\n", "hello"),
    ("Content-Length: 5,5\r\n", "hello"),
    ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    ("Content-Length: 0x5\r\n", "hello"),
    ("Content-Length: 5\u{c}\r\n", "hello"),
    ("Content-Length: 4\r\n", "hello"),
    ("Content-Length: 6\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    (
        "Transfer-Encoding: chunked\r\n",
        "5;a=b\r\nhello\r\n0;c\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\n",
        "5 ;a\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\n",
        "5\r\nhello\r\n0\r\nX: y\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\n",
        "5\r\nhello\r\n0\r\nX\u{1}y\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\n",
        "5\r\nhello\r\n0\r\n: y\r\n \t\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\n",
        "A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n",
    ),
    ("Transfer-Encoding: chunked\r\n", "5\nhello\n0\n\n"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\n"),
    (
        "Transfer-Encoding: chunked\r\n",
        "5;\u{1}\r\nhello\r\n0\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\n",
        "5;\"\\\"\"\r\nhello\r\n0\r\n\r\n",
    ),
    ("Transfer-Encoding: chunked\r\n", "-5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding:\tchunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    (
        "Transfer-Encoding: \u{c}chunked\r\n",
        "5\r\nhello\r\n0\r\n\r\n",
    ),
    ("Transfer-Encoding: chunked \r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: Chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: identity\r\n", ""),
    (
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "0\r\n\r\n",
    ),
    (
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    (
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
    ),
    ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
];

/// The bytes of a connection with a few requests.
pub fn connections() -> impl Strategy<Value = Vec<u8>> {
    vec(request(), 1..4).prop_map(|requests| requests.concat())
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    // Most parts are the first of their kind, so that what is wrong stands alone.
    let line = (
        often(METHODS.as_slice()),
        often(TARGETS.as_slice()),
        often(VERSIONS.as_slice()),
    );
    let headers = vec(select(HEADERS.as_slice()), 0..3);
    let parts = (
        line,
        often(HOSTS.as_slice()),
        headers,
        select(BODIES.as_slice()),
    );
    parts.prop_map(
        |((method, target, version), host, headers, (length, body))| {
            let headers = headers.concat();
            let text = format!("{method} {target} {version}\r\n{host}{length}{headers}\r\n{body}");
            // A letter of Latin-1 is one byte.
            let bytes = text
                .chars()
                .map(|char| u8::try_from(u32::from(char)).unwrap_or(b'?'));
            bytes.collect()
        },
    )
}

fn often(all: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop_oneof![2 => Just(all[0]), 1 => select(all)]
}
