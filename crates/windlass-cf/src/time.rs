//! Times as the wire has them: RFC 3339, whole seconds, `Z`.

use jiff::tz::TimeZone;
use windlass_engine::time::Timestamp;

/// `2016-06-08T16:41:23Z`. Out of range times are shown as the nearest that can be.
pub fn rfc3339(time: Timestamp) -> String {
    let limited = time.0.clamp(-62_135_596_800_000, 253_402_214_400_000);
    jiff::Timestamp::from_millisecond(limited)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

/// Reads exactly `YYYY-MM-DDThh:mm:ssZ`; anything else, also an impossible day, is `None`.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:ddZ";
    let fits = text.len() == FORM.len()
        && text.bytes().zip(FORM).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    if !fits {
        return None;
    }
    let parsed: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(parsed.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_whole_seconds_in_utc() {
        assert_eq!(
            rfc3339(Timestamp(1_465_404_083_999)),
            "2016-06-08T16:41:23Z"
        );
        assert_eq!(rfc3339(Timestamp(0)), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(Timestamp(i64::MAX)).len(), 20);
        assert_eq!(rfc3339(Timestamp(i64::MIN)).len(), 20);
    }

    #[test]
    fn reads_only_the_one_form() {
        assert_eq!(
            parse_rfc3339("2016-06-08T16:41:23Z"),
            Some(Timestamp(1_465_404_083_000))
        );
        for bad in [
            "",
            "2016-06-08",
            "2016-06-08T16:41:23",
            "2016-06-08T16:41:23+00:00",
            "2016-06-08T16:41:23.5Z",
            "2016-13-08T16:41:23Z",
            "2016-06-08t16:41:23z",
            "２016-06-08T16:41:23Z",
        ] {
            assert_eq!(parse_rfc3339(bad), None, "{bad}");
        }
    }
}
