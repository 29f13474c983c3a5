//! The query of a request as pairs, kept as the client wrote them.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Pairs that are looked at; what follows is passed on untouched at the end.
const PAIR_LIMIT: usize = 500;

/// What no query of an address has as it is, beside what is no ASCII. A percent sign is none of it:
/// pairs are encoded already.
const NOT_IN_QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');

/// A query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// Key and value, still encoded; `None` = no `=`.
    pairs: Vec<(String, Option<String>)>,
}

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text
            .splitn(PAIR_LIMIT, '&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (pair.to_owned(), None),
            })
            .collect();
        Self { pairs }
    }

    /// Values of a key, decoded.
    pub(crate) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = String> + 'a {
        self.pairs
            .iter()
            .filter(move |(found, _)| decoded(found) == key)
            .map(|(_, value)| decoded(value.as_deref().unwrap_or_default()).into_owned())
    }

    /// Takes in the pairs of keys that are not here yet.
    pub(crate) fn add_missing(&mut self, other: &Self) {
        let known: Vec<String> = self
            .pairs
            .iter()
            .map(|(key, _)| decoded(key).into_owned())
            .collect();
        for (key, value) in &other.pairs {
            if self.pairs.len() >= PAIR_LIMIT {
                return;
            }
            if !known.iter().any(|known| *known == decoded(key)) {
                self.pairs.push((key.clone(), value.clone()));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// As text that may stand in an address, without `?`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.pairs {
            if !text.is_empty() {
                text.push('&');
            }
            text.extend(utf8_percent_encode(key, NOT_IN_QUERY));
            if let Some(value) = value {
                text.push('=');
                text.extend(utf8_percent_encode(value, NOT_IN_QUERY));
            }
        }
        text
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    let spaced = if text.contains('+') {
        Cow::Owned(text.replace('+', " "))
    } else {
        Cow::Borrowed(text)
    };
    match spaced {
        Cow::Borrowed(text) => percent_decode_str(text).decode_utf8_lossy(),
        Cow::Owned(text) => Cow::Owned(percent_decode_str(&text).decode_utf8_lossy().into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_kept_as_written_and_compared_decoded() {
        let mut query = Query::parse("a=1&b&c%20d=x%2Fy&a=2&&e=f+g");
        assert_eq!(query.text(), "a=1&b&c%20d=x%2Fy&a=2&e=f+g");
        assert_eq!(query.values("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(query.values("c d").collect::<Vec<_>>(), ["x/y"]);
        assert_eq!(query.values("e").collect::<Vec<_>>(), ["f g"]);
        query.add_missing(&Query::parse("a=9&new=1&c+d=9"));
        assert_eq!(query.text(), "a=1&b&c%20d=x%2Fy&a=2&e=f+g&new=1");
    }

    #[test]
    fn what_no_address_has_is_encoded() {
        let query = Query::parse("a\r\n=\u{1}\0&b%0d=%zz {x}|[1]'&<\u{fc}>=\"#");
        let text = "a%0D%0A=%01%00&b%0d=%zz%20{x}|[1]'&%3C%C3%BC%3E=%22%23";
        assert_eq!(query.text(), text);
        assert_eq!(Query::parse(text).text(), text);
    }
}
