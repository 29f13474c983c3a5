//! Times as texts. Nearly all times of this API are milliseconds since 1970; those of aliases are
//! not.

use jiff::tz::TimeZone;
use windlass_engine::time::Timestamp;

/// `2020-11-19T20:27:18.123Z`. Out of range times are shown as the nearest that can be.
pub(crate) fn iso(time: Timestamp) -> String {
    let limited = time.0.clamp(-62_135_596_800_000, 253_402_214_400_000);
    jiff::Timestamp::from_millisecond(limited)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%3fZ")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_shown() {
        assert_eq!(
            iso(Timestamp(1_605_817_638_123)),
            "2020-11-19T20:27:18.123Z"
        );
        assert_eq!(iso(Timestamp(i64::MAX)).len(), 24);
    }
}
