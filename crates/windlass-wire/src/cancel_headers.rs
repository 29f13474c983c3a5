//! Request headers of ours on a cancel: why, and how hard.

use axum::http::{HeaderMap, HeaderName};
use windlass_engine::limits::REASON_BYTES_MAX;
use windlass_engine::release::Urgency;

/// Why something is canceled: printable ASCII.
pub const REASON: HeaderName = HeaderName::from_static("x-windlass-reason");

/// How hard a cancel is: `now`, or `now, accept-outage`.
pub const CANCEL: HeaderName = HeaderName::from_static("x-windlass-cancel");

/// Answer header: milliseconds from a cancel to the first table that gave the new version nothing.
pub const TIME_TO_SAFE_MS: HeaderName = HeaderName::from_static("x-windlass-time-to-safe-ms");

/// A header of ours that can't be read: every dialect answers 400 with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// Too long, or with other than printable ASCII.
    #[error("Header X-Windlass-Reason must be printable ASCII of at most {REASON_BYTES_MAX} bytes")]
    Reason,
    /// Another word than those that are known.
    #[error("Header X-Windlass-Cancel must be \"now\" or \"now, accept-outage\"")]
    Urgency,
}

/// The reason, if one was given.
///
/// # Errors
/// When it is longer than 256 bytes or not printable ASCII.
pub fn reason(headers: &HeaderMap) -> Result<Option<String>, BadHeader> {
    let Some(value) = headers.get(REASON) else {
        return Ok(None);
    };
    // `to_str` takes visible ASCII and tabs only.
    let text = value
        .to_str()
        .ok()
        .filter(|text| text.len() <= REASON_BYTES_MAX);
    match text.map(str::trim) {
        Some("") => Ok(None),
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(BadHeader::Reason),
    }
}

/// How hard the cancel is; without the header it is capacity-safe.
///
/// # Errors
/// For any other word: a wish that can't be read is not taken for another one.
pub fn urgency(headers: &HeaderMap) -> Result<Urgency, BadHeader> {
    let mut words = Vec::new();
    for value in headers.get_all(CANCEL) {
        let text = value.to_str().map_err(|_| BadHeader::Urgency)?;
        words.extend(text.split(',').map(|word| word.trim().to_ascii_lowercase()));
    }
    words.retain(|word| !word.is_empty());
    words.sort();
    words.dedup();
    match words
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => Ok(Urgency::CapacitySafe),
        ["now"] => Ok(Urgency::Now),
        ["accept-outage", "now"] => Ok(Urgency::AcceptOutage),
        _ => Err(BadHeader::Urgency),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(name: HeaderName, value: &[u8]) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_bytes(value).unwrap())])
    }

    #[test]
    fn reasons_are_short_and_printable() {
        assert_eq!(reason(&HeaderMap::new()), Ok(None));
        assert_eq!(
            reason(&with(REASON, b" bad numbers ")),
            Ok(Some("bad numbers".to_owned()))
        );
        assert_eq!(reason(&with(REASON, b" ")), Ok(None));
        assert!(reason(&with(REASON, &[b'x'; 256])).is_ok());
        for bad in [&[b'x'; 257][..], "schön".as_bytes()] {
            assert_eq!(reason(&with(REASON, bad)), Err(BadHeader::Reason));
        }
    }

    #[test]
    fn urgency_words() {
        assert_eq!(urgency(&HeaderMap::new()), Ok(Urgency::CapacitySafe));
        assert_eq!(urgency(&with(CANCEL, b"now")), Ok(Urgency::Now));
        for both in [
            "now, accept-outage",
            "now,accept-outage",
            "Accept-Outage, NOW",
        ] {
            assert_eq!(
                urgency(&with(CANCEL, both.as_bytes())),
                Ok(Urgency::AcceptOutage)
            );
        }
        for bad in ["accept-outage", "later", "now, please", "now accept-outage"] {
            assert_eq!(
                urgency(&with(CANCEL, bad.as_bytes())),
                Err(BadHeader::Urgency),
                "{bad}"
            );
        }
    }
}
