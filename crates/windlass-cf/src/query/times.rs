//! `created_ats` and `updated_ats`: a list of equal times, or one bound per operator.

use std::collections::BTreeMap;

use windlass_engine::time::Timestamp;

use super::{seconds, split_list};
use crate::time::parse_rfc3339;

/// How a time is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A checked time filter. All times are compared by whole seconds, as the wire shows them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeFilter {
    equal: Option<Vec<i64>>,
    bounds: Vec<(Comparison, i64)>,
}

impl TimeFilter {
    /// Whether a time passes.
    pub fn accepts(&self, time: Timestamp) -> bool {
        let second = seconds(time);
        self.equal
            .as_ref()
            .is_none_or(|wanted| wanted.contains(&second))
            && self
                .bounds
                .iter()
                .all(|(comparison, bound)| match comparison {
                    Comparison::Less => second < *bound,
                    Comparison::LessOrEqual => second <= *bound,
                    Comparison::Greater => second > *bound,
                    Comparison::GreaterOrEqual => second >= *bound,
                })
    }

    /// Seconds that a time must be one of.
    pub(super) fn equal(&self) -> Option<&[i64]> {
        self.equal.as_deref()
    }

    /// Bounds that a time must keep, in seconds.
    pub(super) fn bounds(&self) -> &[(Comparison, i64)] {
        &self.bounds
    }

    pub(super) fn parse(
        pairs: &BTreeMap<String, String>,
        name: &str,
        label: &str,
        problems: &mut Vec<String>,
    ) -> Option<Self> {
        let mut filter = Self::default();
        let mut found = false;
        for (key, value) in pairs {
            let Some(rest) = key.strip_prefix(name) else {
                continue;
            };
            if rest.is_empty() {
                found = true;
                let mut wanted = Vec::new();
                for text in split_list(value) {
                    wanted.extend(one_time(&text, label, problems));
                }
                filter.equal = Some(wanted);
                continue;
            }
            let Some(operator) = rest
                .strip_prefix('[')
                .and_then(|rest| rest.strip_suffix(']'))
            else {
                continue;
            };
            found = true;
            let comparison = match operator {
                "lt" => Comparison::Less,
                "lte" => Comparison::LessOrEqual,
                "gt" => Comparison::Greater,
                "gte" => Comparison::GreaterOrEqual,
                other => {
                    problems.push(format!("{label} Invalid relational operator: '{other}'"));
                    continue;
                }
            };
            if value.contains(',') {
                problems.push(format!(
                    "{label} only accepts one value when using an inequality filter"
                ));
                continue;
            }
            if let Some(bound) = one_time(value, label, problems) {
                filter.bounds.push((comparison, bound));
            }
        }
        found.then_some(filter)
    }
}

fn one_time(text: &str, label: &str, problems: &mut Vec<String>) -> Option<i64> {
    let parsed = parse_rfc3339(text).map(seconds);
    if parsed.is_none() {
        problems.push(format!(
            "{label} has an invalid timestamp format. Timestamps should be formatted as \
             'YYYY-MM-DDThh:mm:ssZ'"
        ));
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(key: &str, value: &str) -> Result<TimeFilter, String> {
        let pairs = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let mut problems = Vec::new();
        let filter = TimeFilter::parse(&pairs, "created_ats", "Created ats", &mut problems);
        if problems.is_empty() {
            Ok(filter.unwrap())
        } else {
            Err(problems.join(", "))
        }
    }

    #[test]
    fn compares_whole_seconds() {
        let at = "1970-01-01T00:00:05Z";
        for (key, passes) in [
            ("created_ats", [false, true, false]),
            ("created_ats[lt]", [true, false, false]),
            ("created_ats[lte]", [true, true, false]),
            ("created_ats[gt]", [false, false, true]),
            ("created_ats[gte]", [false, true, true]),
        ] {
            let filter = parse(key, at).unwrap();
            let seen = [4_999, 5_999, 6_000].map(|time| filter.accepts(Timestamp(time)));
            assert_eq!(seen, passes, "{key}");
        }
        let list = parse("created_ats", "1970-01-01T00:00:05Z,1970-01-01T00:00:07Z").unwrap();
        assert!(list.accepts(Timestamp(7_100)) && !list.accepts(Timestamp(6_000)));
    }

    #[test]
    fn says_what_is_wrong() {
        assert!(parse("created_ats", "yesterday").unwrap_err().starts_with(
            "Created ats has an invalid timestamp format. Timestamps should be formatted as"
        ));
        assert_eq!(
            parse("created_ats[ne]", "1970-01-01T00:00:05Z").unwrap_err(),
            "Created ats Invalid relational operator: 'ne'"
        );
        assert_eq!(
            parse(
                "created_ats[lt]",
                "1970-01-01T00:00:05Z,1970-01-01T00:00:06Z"
            )
            .unwrap_err(),
            "Created ats only accepts one value when using an inequality filter"
        );
    }
}
