//! Which part of a file a client wants.

use http::HeaderValue;

/// The wanted part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it. Also the answer to several ranges and to other units: it is
    /// always allowed.
    Whole,
    Part {
        start: u64,
        length: u64,
    },
    /// It lies behind the end.
    Impossible,
}

/// Reads the header `Range` for a file of `length` bytes.
pub(super) fn wanted(range: &HeaderValue, length: u64) -> Wanted {
    let Some(range) = range
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("bytes="))
    else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Wanted::Whole;
    };
    let number = |text: &str| text.parse::<u64>().ok();
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(0) => Wanted::Impossible,
            Some(_) if length == 0 => Wanted::Impossible,
            Some(count) => Wanted::Part {
                start: length.saturating_sub(count),
                length: count.min(length),
            },
            None => Wanted::Whole,
        },
        (first, last) => {
            let end = if last.is_empty() {
                Some(u64::MAX)
            } else {
                number(last)
            };
            match (number(first), end) {
                (Some(first), Some(last)) if first > last => Wanted::Whole,
                (Some(first), Some(_)) if first >= length => Wanted::Impossible,
                (Some(start), Some(last)) => Wanted::Part {
                    start,
                    length: last.min(length - 1) - start + 1,
                },
                _ => Wanted::Whole,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part_and_everything_odd_the_whole() {
        let part = |start, length| Wanted::Part { start, length };
        for (range, wanted_part) in [
            ("bytes=0-4", part(0, 5)),
            ("bytes=5-", part(5, 5)),
            ("bytes=5-99", part(5, 5)),
            ("bytes=-3", part(7, 3)),
            ("bytes=-99", part(0, 10)),
            ("bytes=9-9", part(9, 1)),
            ("bytes=10-", Wanted::Impossible),
            ("bytes=-0", Wanted::Impossible),
            ("bytes=4-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes=0-99999999999999999999", Wanted::Whole),
        ] {
            assert_eq!(
                wanted(&HeaderValue::from_static(range), 10),
                wanted_part,
                "{range}"
            );
        }
        assert_eq!(
            wanted(&HeaderValue::from_static("bytes=0-"), 0),
            Wanted::Impossible
        );
        assert_eq!(
            wanted(&HeaderValue::from_static("bytes=-1"), 0),
            Wanted::Impossible
        );
    }
}
