//! Form bodies and Basic headers of the token endpoint.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::UaaError;
use crate::percent::decode_form;

/// Reads `a=b&c=d`. A repeated parameter is refused, as RFC 6749 asks.
pub(super) fn parse(bytes: &Bytes) -> Result<BTreeMap<String, String>, UaaError> {
    let broken = || UaaError::invalid_request("The form can't be read");
    let text = std::str::from_utf8(bytes).map_err(|_| broken())?;
    let mut fields = BTreeMap::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = decode_form(name).ok_or_else(broken)?;
        let value = decode_form(value).ok_or_else(broken)?;
        if fields.insert(name, value).is_some() {
            return Err(UaaError::invalid_request("A parameter is repeated"));
        }
    }
    Ok(fields)
}

/// Client id and secret of a Basic header; `None` without one.
pub(super) fn basic(headers: &HeaderMap) -> Result<Option<(String, String)>, UaaError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .map_err(|_| UaaError::invalid_client())?
        .trim();
    if text.is_empty() {
        return Ok(None);
    }
    let encoded = match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("basic") => rest.trim(),
        _ => return Err(UaaError::invalid_client()),
    };
    let decoded = STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or_else(UaaError::invalid_client)?;
    let (id, secret) = decoded
        .split_once(':')
        .ok_or_else(UaaError::invalid_client)?;
    Ok(Some((id.to_owned(), secret.to_owned())))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn forms_are_decoded_and_strict() {
        let fields = parse(&Bytes::from_static(b"a=b+c&d=%26")).unwrap();
        assert_eq!((fields["a"].as_str(), fields["d"].as_str()), ("b c", "&"));
        assert!(parse(&Bytes::from_static(b"a=1&a=2")).is_err());
        assert!(parse(&Bytes::from_static(b"a=%ff")).is_err());
        assert!(parse(&Bytes::from_static(b"\xff")).is_err());
    }

    #[test]
    fn the_client_comes_from_the_basic_header() {
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            basic(&headers)
        };
        assert_eq!(
            read("Basic Y2Y6").unwrap(),
            Some(("cf".to_owned(), String::new()))
        );
        assert_eq!(read("").unwrap(), None);
        assert_eq!(basic(&HeaderMap::new()).unwrap(), None);
        for bad in ["Basic !!", "Basic Y2Y=", "bearer x"] {
            assert_eq!(read(bad), Err(UaaError::invalid_client()), "{bad}");
        }
    }
}
