//! YAML in and out. Inside, a manifest is JSON.

use std::fmt::Write;

use serde_json::Value;

use crate::error::ApiError;

/// Reads one document.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, ApiError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ApiError::parse_error())?;
    serde_saphyr::from_str(text).map_err(|_| ApiError::parse_error())
}

/// Writes a value in block style.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::from("---\n");
    match value {
        Value::Object(map) if !map.is_empty() => block(value, 0, false, &mut text),
        Value::Array(list) if !list.is_empty() => block(value, 0, false, &mut text),
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
    text
}

/// A map or list. `is_open`: the line of its first entry is begun already, after a dash.
fn block(value: &Value, indent: usize, mut is_open: bool, text: &mut String) {
    let mut begin = |text: &mut String| {
        if !std::mem::take(&mut is_open) {
            text.push_str(&" ".repeat(indent));
        }
    };
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                begin(text);
                text.push_str(&inline(&Value::from(key.as_str())));
                text.push(':');
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        text.push('\n');
                        block(value, indent + 2, false, text);
                    }
                    Value::Array(inner) if !inner.is_empty() => {
                        text.push('\n');
                        block(value, indent, false, text);
                    }
                    scalar => {
                        text.push(' ');
                        text.push_str(&inline(scalar));
                        text.push('\n');
                    }
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                begin(text);
                text.push_str("- ");
                let is_empty = match value {
                    Value::Object(inner) => inner.is_empty(),
                    Value::Array(inner) => inner.is_empty(),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
                };
                if is_empty {
                    text.push_str(&inline(value));
                    text.push('\n');
                } else {
                    block(value, indent + 2, true, text);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A scalar, or an empty map or list. Texts that could be taken for something else are quoted as
/// in JSON, which YAML reads too.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(_) => escaped(&value.to_string()),
        other => other.to_string(),
    }
}

/// A quoted text without what JSON may have in one and YAML may not, or takes for a line's end.
fn escaped(quoted: &str) -> String {
    let mut text = String::with_capacity(quoted.len());
    for char in quoted.chars() {
        if matches!(
            char,
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        ) {
            // Writing to a text never fails.
            let _ = write!(text, "\\u{:04x}", u32::from(char));
        } else {
            text.push(char);
        }
    }
    text
}

fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 10] = [
        "true", "false", "yes", "no", "on", "off", "y", "n", "null", "nan",
    ];
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let inner = |char: char| char.is_ascii_alphanumeric() || "-_./".contains(char);
    starts_well && text.chars().all(inner) && !WORDS.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_the_same() {
        let values = [
            json!({"applications": [{"name": "a", "env": {"A": "yes", "B": "1", "c d": "x: y"},
                "routes": [{"route": "a.b/c"}, {"route": "*"}], "empty": {}, "none": [],
                "nested": [[1, 2], [], ["x"]], "n": null, "f": -1.5, "t": true,
                "text": "line\nline \"q\" \u{0} é # : -",
                "odd": "\u{7f}\u{80}\u{85}\u{9f}\u{2028}\u{2029}\u{feff}\u{fffe}\u{ffff}\u{10ffff}",
                "\u{feff}key\u{85}": 1}]}),
            json!("null"),
            json!([]),
        ];
        for value in values {
            assert_eq!(
                read(write(&value).as_bytes()).unwrap(),
                value,
                "{}",
                write(&value)
            );
        }
    }

    #[test]
    fn what_is_no_yaml_is_refused() {
        for text in [&b"a: b: c"[..], b"\xff", b"- a\nb", b"{", b"a: *none"] {
            assert_eq!(read(text), Err(ApiError::parse_error()), "{text:?}");
        }
    }

    #[test]
    fn aliases_do_not_explode() {
        let mut lines = vec!["a0: &a0 [x, x, x, x, x, x, x, x, x]".to_owned()];
        for level in 1..12 {
            let before = format!("*a{}", level - 1);
            let line = vec![before; 9].join(", ");
            lines.push(format!("a{level}: &a{level} [{line}]"));
        }
        let bomb = lines.join("\n");
        assert_eq!(read(bomb.as_bytes()), Err(ApiError::parse_error()));
    }
}
