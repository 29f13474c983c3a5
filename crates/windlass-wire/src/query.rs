//! Query strings: pairs in order, names may repeat (`job_names=a&job_names=b`).

/// Most parameters of one request.
const MAX_PAIRS: usize = 200;

/// A query that can't be read: every dialect answers 400 with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadQuery {
    /// More parameters than are looked at.
    #[error("a request has at most {MAX_PAIRS} query parameters")]
    TooMany,
    /// Bytes that are no text.
    #[error("the query does not decode to UTF-8 text")]
    NotText,
}

/// The parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads a raw query.
    ///
    /// # Errors
    /// What does not decode to text, and too many.
    pub fn parse(raw: Option<&str>) -> Result<Self, BadQuery> {
        let mut pairs = Vec::new();
        for part in raw.unwrap_or("").split('&').filter(|part| !part.is_empty()) {
            if pairs.len() >= MAX_PAIRS {
                return Err(BadQuery::TooMany);
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// The first value of a name.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.all()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// All values of a name.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all()
            .filter(move |(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// All pairs.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decode(text: &str) -> Result<String, BadQuery> {
    let bad = || BadQuery::NotText;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = rest.next().and_then(hex).ok_or_else(bad)?;
                let low = rest.next().and_then(hex).ok_or_else(bad)?;
                high * 16 + low
            }
            other => other,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    if text.contains('\0') {
        return Err(bad());
    }
    Ok(text)
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// A value as it stands in a query.
pub fn encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text never fails.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_repeat() {
        let pairs = Pairs::parse(Some("job_names=a&job_names=b%2Cc+d&&empty")).unwrap();
        assert_eq!(
            pairs.values("job_names").collect::<Vec<_>>(),
            ["a", "b,c d"]
        );
        assert_eq!(pairs.first("empty"), Some(""));
        assert_eq!(pairs.first("missing"), None);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for bad in ["a=%zz", "a=%f", "a=%ff", "%00=1"] {
            assert!(Pairs::parse(Some(bad)).is_err(), "{bad}");
        }
        let many = "a=1&".repeat(MAX_PAIRS + 1);
        assert!(Pairs::parse(Some(&many)).is_err());
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        for text in ["a b&c=d", "é%", "plain-1.2_3~4"] {
            assert_eq!(decode(&encode(text)).unwrap(), text);
        }
    }
}
