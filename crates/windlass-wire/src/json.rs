//! JSON objects as bodies of requests.

use serde_json::{Map, Value};

/// Deepest nesting that is read: far beyond any document of ours, far below the stack.
const MAX_DEPTH: usize = 64;

/// A body that is no JSON object: every dialect answers 400 with this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadJson {
    /// Too many brackets in each other.
    #[error("the request body is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// JSON, but something else.
    #[error("the request body must be an object")]
    NotAnObject,
    /// No JSON.
    #[error("the request body is not valid JSON: line {line} column {column}")]
    Invalid {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
}

/// Reads a JSON object; nothing and `null` are an empty one.
///
/// # Errors
/// For what is none.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, BadJson> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    if depth(bytes) > MAX_DEPTH {
        return Err(BadJson::TooDeep);
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err(BadJson::NotAnObject),
        Err(error) => Err(BadJson::Invalid {
            line: error.line(),
            column: error.column(),
        }),
    }
}

/// How deep brackets are nested, without building anything.
fn depth(bytes: &[u8]) -> usize {
    let (mut now, mut deepest) = (0_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_texts() {
        assert_eq!(depth(br#"{"a":["[[[","\"[",{}]}"#), 3);
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let error = object(deep.as_bytes()).unwrap_err();
        assert_eq!(error, BadJson::TooDeep);
    }
}
