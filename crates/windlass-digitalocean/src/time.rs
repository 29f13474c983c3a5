//! Times as the wire has them: RFC 3339 in UTC. Objects have whole seconds, steps of the progress
//! tree have nanoseconds. A time is never an empty text: Go clients do not read it.

use jiff::tz::TimeZone;
use windlass_engine::time::Timestamp;

/// What stands where there was no such moment.
pub(crate) const ZERO: &str = "0001-01-01T00:00:00Z";

/// `2020-11-19T20:27:18Z`. Out of range times are shown as the nearest that can be.
pub(crate) fn seconds(time: Timestamp) -> String {
    format(time, "%Y-%m-%dT%H:%M:%SZ")
}

/// `2020-11-19T20:27:18.123000000Z`.
pub(crate) fn fine(time: Timestamp) -> String {
    format(time, "%Y-%m-%dT%H:%M:%S.%9fZ")
}

/// The same from nanoseconds since 1970: lines of logs.
pub(crate) fn of_line(stamp_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(stamp_ns))
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%9fZ")
        .to_string()
}

fn format(time: Timestamp, form: &str) -> String {
    let limited = time.0.clamp(-62_135_596_800_000, 253_402_214_400_000);
    jiff::Timestamp::from_millisecond(limited)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .strftime(form)
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_seconds_and_steps_have_nanoseconds() {
        assert_eq!(
            seconds(Timestamp(1_605_817_638_123)),
            "2020-11-19T20:27:18Z"
        );
        assert_eq!(
            fine(Timestamp(1_605_817_638_123)),
            "2020-11-19T20:27:18.123000000Z"
        );
        assert_eq!(
            of_line(1_605_817_638_123_456_789),
            "2020-11-19T20:27:18.123456789Z"
        );
        assert_eq!(seconds(Timestamp(i64::MAX)).len(), ZERO.len());
        assert_eq!(seconds(Timestamp(i64::MIN)), ZERO);
    }
}
