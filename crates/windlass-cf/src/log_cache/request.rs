//! The query of `GET /api/v1/read/{source_id}`, checked.

/// Envelopes of one answer when the client does not say (the log cache's own default).
const DEFAULT_LIMIT: usize = 100;

/// Most envelopes of one answer.
pub(crate) const MAX_LIMIT: usize = 1_000;

/// Longest name filter, characters: it selects metrics, of which there are none.
const MAX_NAME_FILTER_CHARS: usize = 256;

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Read {
    /// First stamp, nanoseconds since 1970, included. May be negative: "from the beginning".
    pub(crate) start_ns: i64,
    /// Stamp that ends the range, nanoseconds since 1970, not included. `None` = now.
    pub(crate) end_ns: Option<i64>,
    /// Most envelopes.
    pub(crate) limit: usize,
    /// Newest first.
    pub(crate) descending: bool,
    /// Whether log lines are asked for (the only kind of envelope that exists).
    pub(crate) wants_logs: bool,
}

/// Checks the parameters of a read. The error is a text for people.
pub(crate) fn read(query: &[(String, String)]) -> Result<Read, String> {
    let mut read = Read {
        start_ns: 0,
        end_ns: None,
        limit: DEFAULT_LIMIT,
        descending: false,
        wants_logs: true,
    };
    let mut kinds: Vec<bool> = Vec::new();
    for (name, value) in query {
        match name.as_str() {
            "start_time" => read.start_ns = number(name, value)?,
            "end_time" => read.end_ns = Some(number(name, value)?),
            "limit" => read.limit = limit(value)?,
            "descending" => read.descending = switch(name, value)?,
            "envelope_types" => kinds.push(is_log_kind(value)?),
            "name_filter" if value.chars().count() > MAX_NAME_FILTER_CHARS => {
                return Err(format!(
                    "name_filter must not be longer than {MAX_NAME_FILTER_CHARS} characters"
                ));
            }
            // A name filter selects metrics. Other parameters are ignored, as the log cache does.
            _ => {}
        }
    }
    read.wants_logs = kinds.is_empty() || kinds.contains(&true);
    match read.end_ns {
        Some(end_ns) if read.start_ns > end_ns => Err(format!(
            "StartTime ({}) must be before EndTime ({end_ns})",
            read.start_ns
        )),
        _ => Ok(read),
    }
}

fn number(name: &str, value: &str) -> Result<i64, String> {
    value
        .parse()
        .map_err(|_| format!("type mismatch, parameter: {name}, must be a 64-bit integer"))
}

fn limit(value: &str) -> Result<usize, String> {
    let asked = number("limit", value)?;
    match usize::try_from(asked) {
        Ok(0) => Ok(DEFAULT_LIMIT),
        Ok(limit) if limit <= MAX_LIMIT => Ok(limit),
        Ok(limit) => Err(format!("Limit ({limit}) must be {MAX_LIMIT} or less")),
        Err(_) => Err(format!("Limit ({asked}) must be greater than zero")),
    }
}

fn switch(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(true),
        "false" | "0" | "f" | "F" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "type mismatch, parameter: {name}, must be true or false"
        )),
    }
}

fn is_log_kind(value: &str) -> Result<bool, String> {
    match value {
        "ANY" | "LOG" | "0" | "1" => Ok(true),
        "COUNTER" | "GAUGE" | "TIMER" | "EVENT" | "2" | "3" | "4" | "5" => Ok(false),
        _ => Err(format!(
            "envelope_types: unknown type '{}'",
            shortened(value)
        )),
    }
}

/// First characters of a client's value: errors are not a way to make large answers.
fn shortened(value: &str) -> String {
    value.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn queries_of_the_cf_client() {
        let recent = read(&pairs(&[
            ("descending", "true"),
            ("envelope_types", "LOG"),
            ("limit", "1000"),
            ("start_time", "-6795364578871345152"),
        ]));
        assert_eq!(
            recent,
            Ok(Read {
                start_ns: -6_795_364_578_871_345_152,
                end_ns: None,
                limit: 1_000,
                descending: true,
                wants_logs: true,
            })
        );
        let first = read(&pairs(&[
            ("descending", "true"),
            ("limit", "1"),
            ("start_time", "0"),
        ]));
        assert!(first.is_ok_and(|read| read.limit == 1 && read.descending && read.wants_logs));
        let plain = read(&[]);
        assert!(plain.is_ok_and(|read| read.limit == DEFAULT_LIMIT && !read.descending));
    }

    #[test]
    fn other_kinds_alone_find_nothing() {
        let gauges = read(&pairs(&[
            ("envelope_types", "GAUGE"),
            ("envelope_types", "TIMER"),
        ]));
        assert!(gauges.is_ok_and(|read| !read.wants_logs));
        let both = read(&pairs(&[
            ("envelope_types", "GAUGE"),
            ("envelope_types", "LOG"),
        ]));
        assert!(both.is_ok_and(|read| read.wants_logs));
    }

    #[test]
    fn wrong_values_are_refused() {
        for (name, value) in [
            ("start_time", "soon"),
            ("start_time", "1.5"),
            ("start_time", "99999999999999999999"),
            ("end_time", ""),
            ("limit", "1001"),
            ("limit", "-1"),
            ("limit", "many"),
            ("descending", "yes"),
            ("envelope_types", "PICTURE"),
        ] {
            assert!(read(&pairs(&[(name, value)])).is_err(), "{name}={value}");
        }
        assert_eq!(
            read(&pairs(&[("start_time", "2"), ("end_time", "1")])),
            Err("StartTime (2) must be before EndTime (1)".to_owned())
        );
    }
}
