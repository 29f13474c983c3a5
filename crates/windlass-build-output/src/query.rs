//! The query of a request as pairs, kept as the client wrote them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Pairs that are looked at; what follows is passed on untouched at the end.
const PAIR_LIMIT: usize = 500;

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

    /// As text, without `?`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.pairs {
            if !text.is_empty() {
                text.push('&');
            }
            text.push_str(key);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
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
}
