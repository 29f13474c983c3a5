//! Pinning of clients to instances, as Cloud Foundry does it: a response that
//! sets a session cookie also gets a cookie that names its instance.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

/// The cookie that names the instance.
pub(crate) const PIN_COOKIE: &str = "__VCAP_ID__";
/// The header that asks for one instance: `app:index`.
pub(crate) const INSTANCE_HEADER: &str = "x-cf-app-instance";

/// Attributes of the session cookie that the pin shares, lower case.
const SHARED_ATTRIBUTES: [&str; 5] = ["max-age", "expires", "secure", "samesite", "partitioned"];

/// Whether the request carries a pin at all.
pub(crate) fn has_pin(headers: &HeaderMap) -> bool {
    cookies(headers).any(|(name, _)| name == PIN_COOKIE)
}

/// The instance that the request is pinned to: it must carry the pin and a
/// session cookie. Of several pins the first one counts: clients begin with the
/// cookie of the longest path.
pub(crate) fn pinned_instance(headers: &HeaderMap, session_cookies: &[String]) -> Option<String> {
    let mut pin = None;
    let mut has_session = false;
    for (name, value) in cookies(headers) {
        if name == PIN_COOKIE {
            pin = pin.or(Some(value));
        }
        has_session |= session_cookies.iter().any(|session| session == name);
    }
    pin.filter(|_| has_session).map(str::to_owned)
}

/// Pins the client to the instance when the response begins a session, or when
/// (`is_moved`) the client's pin led nowhere. `path` is that of the route: apps
/// that share a host have pins of their own.
pub(crate) fn pin_response(
    headers: &mut HeaderMap,
    session_cookies: &[String],
    instance: &str,
    is_moved: bool,
    path: impl FnOnce() -> String,
) {
    let mut attributes = None;
    for cookie in headers.get_all(SET_COOKIE) {
        let Ok(cookie) = cookie.to_str() else {
            continue;
        };
        let name = cookie.split('=').next().unwrap_or_default().trim();
        if name == PIN_COOKIE {
            // The app speaks for itself.
            return;
        }
        if session_cookies.iter().any(|session| session == name) {
            attributes = attributes.or_else(|| Some(shared_attributes(cookie)));
        }
    }
    let Some(attributes) = attributes.or_else(|| is_moved.then(String::new)) else {
        return;
    };
    let path = path();
    let path = if path.is_empty() || path.contains(';') {
        "/"
    } else {
        path.as_str()
    };
    let cookie = format!("{PIN_COOKIE}={instance}; Path={path}; HttpOnly{attributes}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        headers.append(SET_COOKIE, cookie);
    }
}

fn shared_attributes(cookie: &str) -> String {
    let mut shared = String::new();
    for attribute in cookie.split(';').skip(1).map(str::trim) {
        let name = attribute
            .split('=')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if SHARED_ATTRIBUTES.contains(&name.as_str()) {
            shared.push_str("; ");
            shared.push_str(attribute);
        }
    }
    shared
}

/// `app:index` of the header that names an instance. `Err` when it is
/// malformed.
pub(crate) fn named_instance(headers: &HeaderMap) -> Result<Option<(&str, u32)>, ()> {
    let Some(value) = headers.get(INSTANCE_HEADER) else {
        return Ok(None);
    };
    let (app, index) = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(':'))
        .ok_or(())?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    match (app.is_empty(), index.parse()) {
        (false, Ok(index)) if digits => Ok(Some((app, index))),
        _ => Err(()),
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Vec<String> {
        vec!["JSESSIONID".to_owned()]
    }

    fn request(cookie: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(cookie))])
    }

    #[test]
    fn a_pin_counts_only_together_with_a_session() {
        let pinned = |cookie| pinned_instance(&request(cookie), &sessions());
        assert_eq!(
            pinned("__VCAP_ID__=i1; JSESSIONID=x").as_deref(),
            Some("i1")
        );
        assert_eq!(
            pinned("a=b; JSESSIONID=x;__VCAP_ID__=i1").as_deref(),
            Some("i1")
        );
        assert_eq!(
            pinned("__VCAP_ID__=i1; JSESSIONID=x; __VCAP_ID__=i2").as_deref(),
            Some("i1")
        );
        assert_eq!(pinned("__VCAP_ID__=i1"), None);
        assert_eq!(pinned("JSESSIONID=x"), None);
        assert_eq!(
            pinned_instance(&request("__VCAP_ID__=i1; JSESSIONID=x"), &[]),
            None
        );
    }

    #[test]
    fn a_response_with_a_session_is_pinned_with_its_lifetime() {
        let pin_at = |path: &'static str, cookie: &'static str, is_moved| {
            let mut headers = HeaderMap::new();
            if !cookie.is_empty() {
                headers.append(SET_COOKIE, HeaderValue::from_static(cookie));
            }
            let path = || path.to_owned();
            pin_response(&mut headers, &sessions(), "i1", is_moved, path);
            headers
                .get_all(SET_COOKIE)
                .iter()
                .nth(usize::from(!cookie.is_empty()))
                .cloned()
        };
        let pin = |cookie, is_moved| pin_at("", cookie, is_moved);
        assert_eq!(
            pin(
                "JSESSIONID=x; Path=/app; Secure; Max-Age=9; SameSite=None",
                false
            )
            .unwrap(),
            "__VCAP_ID__=i1; Path=/; HttpOnly; Secure; Max-Age=9; SameSite=None"
        );
        assert_eq!(pin("other=x", false), None);
        assert_eq!(pin("", false), None);
        assert_eq!(pin("", true).unwrap(), "__VCAP_ID__=i1; Path=/; HttpOnly");
        assert_eq!(pin("__VCAP_ID__=mine", true), None);
        for (path, shown) in [("/app", "/app"), ("/a;b", "/")] {
            assert_eq!(
                pin_at(path, "JSESSIONID=x", false).unwrap(),
                format!("__VCAP_ID__=i1; Path={shown}; HttpOnly")
            );
        }
    }

    #[test]
    fn the_instance_header_is_an_app_and_an_index() {
        let named = |value: &'static str| {
            let headers = HeaderMap::from_iter([(
                INSTANCE_HEADER.parse().unwrap(),
                HeaderValue::from_static(value),
            )]);
            named_instance(&headers).map(|named| named.map(|(app, index)| (app.to_owned(), index)))
        };
        assert_eq!(named("app:3"), Ok(Some(("app".to_owned(), 3))));
        for bad in [
            "app", "app:", ":3", "app:x", "app:-1", "app:+1", "app:3:4", "",
        ] {
            assert_eq!(named(bad), Err(()), "{bad}");
        }
        assert_eq!(named_instance(&HeaderMap::new()), Ok(None));
    }
}
