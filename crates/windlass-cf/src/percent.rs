//! Percent-encoding as query strings and forms use it.

/// Decodes a form or query component: `+` is a space. `None` when it is not UTF-8.
pub fn decode_form(text: &str) -> Option<String> {
    String::from_utf8(decode_bytes(text, true)).ok()
}

/// Decodes percent escapes only; text that does not decode to UTF-8 stays as it is.
pub fn decode_lenient(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    String::from_utf8(decode_bytes(text, false)).unwrap_or_else(|_| text.to_owned())
}

/// Encodes a query component: letters, digits, `-`, `_`, `.`, `*` stay, a space becomes `+`,
/// everything else (also the comma) is escaped.
pub fn encode_query(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            other => {
                encoded.push('%');
                encoded.push(hex_digit(other >> 4));
                encoded.push(hex_digit(other & 15));
            }
        }
    }
    encoded
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16)
        .unwrap_or('0')
        .to_ascii_uppercase()
}

fn decode_bytes(text: &str, plus_is_space: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = escape {
            decoded.push(byte);
            at += 3;
            continue;
        }
        decoded.push(if bytes[at] == b'+' && plus_is_space {
            b' '
        } else {
            bytes[at]
        });
        at += 1;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_and_keeps_what_is_no_escape() {
        assert_eq!(decode_form("a%2Cb+c%"), Some("a,b c%".to_owned()));
        assert_eq!(decode_form("%zz%+1"), Some("%zz% 1".to_owned()));
        assert_eq!(decode_form("%ff"), None);
        assert_eq!(decode_lenient("a%2Cb+c"), "a,b+c");
        assert_eq!(decode_lenient("%ff"), "%ff");
    }

    #[test]
    fn encodes_commas_and_spaces_as_the_original() {
        assert_eq!(encode_query("a,b c-é"), "a%2Cb+c-%C3%A9");
    }
}
