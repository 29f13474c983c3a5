//! Texts with `$1` and `$name` in them.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Longest expanded text, in bytes.
const EXPANDED_BYTES: usize = 16 * 1024;
/// Parts of one template.
const PART_LIMIT: usize = 256;

/// What stays as it is when a value of the request becomes part of an address.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A text with places for what was matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number(usize),
    Name(String),
}

/// What a route has matched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Matched {
    /// Groups of the path, encoded as it is; 0 the whole.
    pub(crate) groups: Vec<String>,
    /// Named groups of the path, encoded as it is.
    pub(crate) path_names: BTreeMap<String, String>,
    /// What conditions captured, decoded.
    pub(crate) values: BTreeMap<String, String>,
}

/// Where a template is expanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a path or URL.
    Address,
    /// In the value of a header.
    Header,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            let behind = &from[1..];
            let first = behind.bytes().next();
            let length = match first {
                Some(b'0'..=b'9') => length_of(behind, |byte| byte.is_ascii_digit()),
                Some(b'a'..=b'z' | b'A'..=b'Z' | b'_') => {
                    length_of(behind, |byte| byte.is_ascii_alphanumeric() || byte == b'_')
                }
                _ => 0,
            };
            let (name, behind) = behind.split_at(length);
            rest = behind;
            if name.is_empty() || parts.len() >= PART_LIMIT {
                literal.push('$');
                literal.push_str(name);
                continue;
            }
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(if first.is_some_and(|byte| byte.is_ascii_digit()) {
                // A number beyond all groups stands for nothing.
                Part::Number(name.parse().unwrap_or(usize::MAX))
            } else {
                Part::Name(name.to_owned())
            });
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Self { parts }
    }

    /// The text for a match; a group that is missing is empty. `None` when it is
    /// too long.
    pub(crate) fn expand(&self, matched: &Matched, place: Place) -> Option<String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Number(number) => {
                    text.push_str(matched.groups.get(*number).map_or("", String::as_str));
                }
                Part::Name(name) => match (matched.values.get(name), place) {
                    (Some(value), Place::Address) => {
                        text.extend(utf8_percent_encode(value, IN_ADDRESS));
                    }
                    (Some(value), Place::Header) => text.push_str(value),
                    (None, _) => {
                        text.push_str(matched.path_names.get(name).map_or("", String::as_str));
                    }
                },
            }
            if text.len() > EXPANDED_BYTES {
                return None;
            }
        }
        Some(text)
    }

    /// The text as it was written up to the first place.
    pub(crate) fn beginning(&self) -> &str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            Some(Part::Number(_) | Part::Name(_)) | None => "",
        }
    }
}

fn length_of(text: &str, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().take_while(|byte| belongs(*byte)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_and_missing_ones_empty() {
        let matched = Matched {
            groups: vec!["/a/b".to_owned(), "a".to_owned(), "b".to_owned()],
            path_names: [("id".to_owned(), "7".to_owned())].into(),
            values: [("who".to_owned(), "a b&c/d".to_owned())].into(),
        };
        for (template, address, header) in [
            ("/x/$2/$1", "/x/b/a", "/x/b/a"),
            ("$0?i=$id", "/a/b?i=7", "/a/b?i=7"),
            ("$9|$nope|$", "||$", "||$"),
            ("$who", "a%20b%26c/d", "a b&c/d"),
            ("100$ $1", "100$ a", "100$ a"),
            ("$11", "", ""),
            ("$99999999999999999999999", "", ""),
            ("$$1", "$a", "$a"),
        ] {
            let template = Template::parse(template);
            assert_eq!(template.expand(&matched, Place::Address).unwrap(), address);
            assert_eq!(template.expand(&matched, Place::Header).unwrap(), header);
        }
    }

    #[test]
    fn an_expanded_text_is_bounded() {
        let matched = Matched {
            groups: vec!["x".repeat(4_096)],
            ..Matched::default()
        };
        assert_eq!(
            Template::parse(&"$0".repeat(5)).expand(&matched, Place::Address),
            None
        );
    }
}
