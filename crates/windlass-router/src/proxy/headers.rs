//! Headers that a proxy removes, adds and rewrites.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::framing::has_token;
use crate::table::RequestHeader;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const VCAP_REQUEST_ID: HeaderName = HeaderName::from_static("x-vcap-request-id");
/// Names the function of a site that a request is for. Only the router says it.
pub(crate) const FUNCTION: HeaderName = HeaderName::from_static("x-windlass-function");
/// Says that an answer is not a function's own: it has failed.
const FUNCTION_FAILED: HeaderName = HeaderName::from_static("x-windlass-function-failed");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// A client's request id is kept up to this length, in bytes.
const REQUEST_ID_LIMIT_BYTES: usize = 128;

/// Headers that belong to one connection, whether `Connection` names them or
/// not.
pub(super) const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    HTTP2_SETTINGS,
];

/// What the router knows about the client's side of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientSide<'a> {
    pub(crate) address: IpAddr,
    pub(crate) is_tls: bool,
    pub(crate) host: &'a HeaderValue,
    pub(crate) request_id: &'a str,
    /// The client's own word on scheme and host is believed.
    pub(crate) is_trusted: bool,
}

/// Sets headers that a function sees, in place of the client's own.
pub(crate) fn set_own(
    headers: &mut HeaderMap,
    own: &[RequestHeader],
    request_id: &str,
    client: IpAddr,
) {
    for RequestHeader { name, value } in own {
        let value = value
            .replace("{request_id}", request_id)
            .replace("{client}", &client.to_canonical().to_string());
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
}

/// Whether the answer says that its function has failed. Clients don't see that.
pub(crate) fn take_failure(headers: &mut HeaderMap) -> bool {
    headers.remove(FUNCTION_FAILED).is_some()
}

/// The protocol that the client wants to change to.
pub(crate) fn upgrade_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = headers
        .get_all(CONNECTION)
        .iter()
        .any(|value| has_token(value.as_bytes(), b"upgrade"));
    headers.get(UPGRADE).filter(|_| asks).cloned()
}

/// Turns a client's headers into those for an instance.
pub(crate) fn rewrite_request(
    headers: &mut HeaderMap,
    client: ClientSide<'_>,
    upgrade: Option<HeaderValue>,
) {
    remove_hop_by_hop(headers);
    // The router itself answers it when the body is first asked for.
    headers.remove(EXPECT);
    headers.remove(FUNCTION);
    join_cookies(headers);
    headers.insert(HOST, client.host.clone());
    append_forwarded_for(headers, client.address);
    let proto = HeaderValue::from_static(if client.is_tls { "https" } else { "http" });
    set_forwarded(headers, FORWARDED_PROTO, proto, client.is_trusted);
    set_forwarded(
        headers,
        FORWARDED_HOST,
        client.host.clone(),
        client.is_trusted,
    );
    if let Ok(id) = HeaderValue::from_str(client.request_id) {
        headers.insert(REQUEST_ID, id.clone());
        headers.insert(VCAP_REQUEST_ID, id);
    }
    set_upgrade(headers, upgrade);
}

/// Turns an instance's headers into those for a client.
pub(crate) fn rewrite_response(
    headers: &mut HeaderMap,
    request_id: &str,
    upgrade: Option<HeaderValue>,
) {
    if headers.contains_key(TRANSFER_ENCODING) {
        // The coding decides; a length beside it is a lie.
        headers.remove(CONTENT_LENGTH);
    }
    remove_hop_by_hop(headers);
    add_request_id(headers, request_id);
    set_upgrade(headers, upgrade);
}

/// Where a request comes from: what the client says, where it is believed.
pub(crate) fn client_address(headers: &HeaderMap, peer: IpAddr, is_trusted: bool) -> IpAddr {
    let said = || {
        let list = headers.get(FORWARDED_FOR)?.to_str().ok()?;
        list.split(',').next()?.trim().parse().ok()
    };
    is_trusted.then(said).flatten().unwrap_or(peer)
}

/// Tells the client the request's id.
pub(crate) fn add_request_id(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.entry(REQUEST_ID).or_insert_with(|| id.clone());
        headers.insert(VCAP_REQUEST_ID, id);
    }
}

/// The client's own request id, when it is a plain one.
pub(crate) fn request_id_of(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = !id.is_empty()
        && id.len() <= REQUEST_ID_LIMIT_BYTES
        && id.bytes().all(|byte| byte.is_ascii_graphic());
    plain.then(|| id.to_owned())
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // A client must not strip what frames or routes the message.
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// HTTP/2 clients may send cookies apart; HTTP/1 knows one line only.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if cookies.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

fn append_forwarded_for(headers: &mut HeaderMap, address: IpAddr) {
    let mut list: Vec<u8> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect::<Vec<_>>()
        .join(&b", "[..]);
    if !list.is_empty() {
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(address.to_canonical().to_string().as_bytes());
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(FORWARDED_FOR, list);
    }
}

fn set_forwarded(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue, keep: bool) {
    if !keep || !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}

fn set_upgrade(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    if let Some(protocol) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, protocol);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn rewritten(mut headers: HeaderMap, is_trusted: bool) -> HeaderMap {
        let host = HeaderValue::from_static("h:80");
        let client = ClientSide {
            address: "192.0.2.7".parse().unwrap(),
            is_tls: true,
            host: &host,
            request_id: "id",
            is_trusted,
        };
        rewrite_request(&mut headers, client, None);
        headers
    }

    #[test]
    fn headers_of_the_connection_end_here() {
        let headers = rewritten(
            map(&[
                (
                    "connection",
                    "keep-alive, X-Mine , host, content-length, te",
                ),
                ("connection", "close"),
                ("keep-alive", "timeout=5"),
                ("proxy-authorization", "secret"),
                ("proxy-connection", "keep-alive"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("http2-settings", "x"),
                ("expect", "100-continue"),
                ("x-mine", "1"),
                ("content-length", "3"),
                ("x-kept", "1"),
            ]),
            false,
        );
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = [
            "content-length",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
            "x-kept",
            "x-request-id",
            "x-vcap-request-id",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn the_client_is_named_and_a_chain_is_kept() {
        let sent = [
            ("x-forwarded-for", "203.0.113.1"),
            ("x-forwarded-for", "203.0.113.2"),
            ("x-forwarded-proto", "gopher"),
            ("x-forwarded-host", "elsewhere"),
        ];
        let headers = rewritten(map(&sent), false);
        assert_eq!(
            headers["x-forwarded-for"],
            "203.0.113.1, 203.0.113.2, 192.0.2.7"
        );
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["x-forwarded-host"], "h:80");
        let headers = rewritten(map(&sent), true);
        assert_eq!(headers["x-forwarded-proto"], "gopher");
        assert_eq!(headers["x-forwarded-host"], "elsewhere");
    }

    #[test]
    fn cookies_sent_apart_become_one_line() {
        let headers = rewritten(map(&[("cookie", "a=1"), ("cookie", "b=2")]), false);
        assert_eq!(
            headers.get_all("cookie").iter().collect::<Vec<_>>(),
            ["a=1; b=2"]
        );
    }

    #[test]
    fn a_length_beside_a_coding_is_dropped_from_responses() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        rewrite_response(&mut headers, "id", None);
        assert!(!headers.contains_key("content-length"));
        assert!(!headers.contains_key("transfer-encoding"));
        assert_eq!(headers["x-vcap-request-id"], "id");
    }

    #[test]
    fn only_plain_request_ids_are_kept() {
        assert_eq!(
            request_id_of(&map(&[("x-request-id", "abc-1")])).as_deref(),
            Some("abc-1")
        );
        assert_eq!(request_id_of(&map(&[("x-request-id", "a b")])), None);
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "a".repeat(129).parse().unwrap());
        assert_eq!(request_id_of(&headers), None);
    }
}
