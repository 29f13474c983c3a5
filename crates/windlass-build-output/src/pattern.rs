//! Regular expressions of routes, with bounded size and work.
//!
//! Real sites look ahead (`^(?!/api).*$`), so a backtracking matcher is needed;
//! patterns without such parts run in linear time.

use fancy_regex::{Regex, RegexBuilder};

use crate::error::RouteProblem;

/// Longest pattern, in bytes.
const PATTERN_BYTES: usize = 4_096;
/// Largest compiled form of one pattern, in bytes and in instructions.
const COMPILED_BYTES: usize = 256 * 1024;
const COMPILED_INSTRUCTIONS: usize = 16 * 1024;
/// Steps back in one match.
const BACKTRACK_LIMIT: usize = 5_000;

/// A compiled pattern that must match a whole text.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    names: Vec<Option<String>>,
}

/// A match: the groups by number, 0 the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Groups<'t> {
    pub(crate) by_number: Vec<Option<&'t str>>,
}

/// A match took more than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMuchWork;

impl Pattern {
    /// Compiles a pattern; `^` and `$` are added where they are missing.
    pub(crate) fn whole(pattern: &str, is_case_sensitive: bool) -> Result<Self, RouteProblem> {
        if pattern.len() > PATTERN_BYTES {
            return Err(RouteProblem::invalid(format!(
                "a pattern has {} bytes, more than {PATTERN_BYTES}",
                pattern.len()
            )));
        }
        let begin = if pattern.starts_with('^') { "" } else { "^" };
        let end = if pattern.ends_with('$') { "" } else { "$" };
        let regex = RegexBuilder::new(&format!("{begin}{pattern}{end}"))
            .case_insensitive(!is_case_sensitive)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(COMPILED_BYTES)
            .delegate_dfa_size_limit(COMPILED_BYTES)
            .max_prog_size(COMPILED_INSTRUCTIONS)
            .build()
            .map_err(|error| {
                RouteProblem::invalid(format!("the pattern `{pattern}` is not usable: {error}"))
            })?;
        let names = regex
            .capture_names()
            .map(|name| name.map(str::to_owned))
            .collect();
        Ok(Self { regex, names })
    }

    /// The groups of a match.
    pub(crate) fn groups<'t>(&self, text: &'t str) -> Result<Option<Groups<'t>>, TooMuchWork> {
        let captures = self.regex.captures(text).map_err(|_| TooMuchWork)?;
        Ok(captures.map(|captures| Groups {
            by_number: (0..captures.len())
                .map(|number| captures.get(number).map(|group| group.as_str()))
                .collect(),
        }))
    }

    /// Names of the groups, by number.
    pub(crate) fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.names
            .iter()
            .enumerate()
            .filter_map(|(number, name)| Some((number, name.as_deref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_texts() {
        let pattern = Pattern::whole("/a/(.*)", false).unwrap();
        assert_eq!(
            pattern.groups("/A/b").unwrap().unwrap().by_number,
            [Some("/A/b"), Some("b")]
        );
        assert_eq!(pattern.groups("/x/a/b").unwrap(), None);
        let pattern = Pattern::whole("^(?!/api).*$", true).unwrap();
        assert!(pattern.groups("/about").unwrap().is_some());
        assert!(pattern.groups("/api/x").unwrap().is_none());
    }

    #[test]
    fn hostile_patterns_are_refused_or_stopped() {
        assert!(Pattern::whole("(a{1000}){1000}", true).is_err());
        assert!(Pattern::whole(&"(".repeat(4_000), true).is_err());
        assert!(Pattern::whole(&"a".repeat(PATTERN_BYTES + 1), true).is_err());
        let slow = Pattern::whole("((?=a)a*)*\\1b", true).unwrap();
        assert_eq!(slow.groups(&"a".repeat(4_000)), Err(TooMuchWork));
    }
}
