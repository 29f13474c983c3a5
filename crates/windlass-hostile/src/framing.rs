//! HTTP/1 framing: where a request ends.
//!
//! What is let through is the same in whatever pieces it arrives; a second reader, which knows
//! nothing of ours, finds the same heads and the same bodies in it; nothing of what follows a
//! refusal gets through.

use std::collections::BTreeMap;

use windlass_router::hostile::{End, Passed, REFUSALS, REFUSED, guarded, requests};

pub mod grammar;
pub mod message;
pub mod nginx;
pub mod router;
pub mod verdict;

use message::{Message, read_message};

/// Sizes of the pieces in which bytes arrive, in bytes.
const PIECES: [usize; 4] = [1, 3, 64, 1 << 20];

/// Feeds the bytes of one connection.
pub fn check(input: &[u8]) {
    let (passed, end) = requests(input);
    for request in &passed {
        is_read_the_same(input, request, end, passed.last() == Some(request));
    }
    let mut sound = Vec::new();
    for request in &passed {
        sound.extend_from_slice(&input[request.head.start..request.body.end]);
    }
    for piece_bytes in PIECES {
        let (delivered, is_open) = guarded(input, piece_bytes);
        let Some(rest) = delivered.strip_prefix(sound.as_slice()) else {
            panic!("pieces of {piece_bytes}: {}", shown(&delivered));
        };
        match end {
            End::Whole | End::InHead | End::InBody => {
                assert!(rest.is_empty() && is_open, "{}", shown(rest));
            }
            // The head of a refused body has been let through, and the whole chunks of it.
            End::Refused if !is_open => {
                let start = passed.last().map_or(0, |request| request.body.start);
                assert!(input[start..].starts_with(rest), "{}", shown(rest));
                let chunked = passed.last().is_some_and(|request| request.is_chunked);
                assert!(chunked, "only a body ends a connection");
            }
            End::Refused => assert!(is_refusal(rest), "{}", shown(rest)),
        }
    }
}

/// Whether these bytes are the guard's own request for a refused one.
fn is_refusal(bytes: &[u8]) -> bool {
    (0..REFUSALS).any(|number| {
        let request =
            format!("GET {REFUSED}{number} HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n");
        bytes == request.as_bytes()
    })
}

/// A second reader finds the same.
fn is_read_the_same(input: &[u8], request: &Passed, end: End, is_last: bool) {
    let head = &input[request.head.clone()];
    let rest = &input[request.head.start..];
    let text = shown(head);
    let message = match read_message(rest) {
        Ok(Some(message)) => message,
        // Only the last body may be unfinished. One of too large chunks is refused before its end.
        Ok(None) => {
            let is_refused = end == End::Refused && request.is_chunked;
            assert!(is_last && (end == End::InBody || is_refused), "{text}");
            return;
        }
        Err(problem) => {
            assert!(is_last && end == End::Refused, "{problem}: {text}");
            assert!(request.is_chunked, "{problem}: {text}");
            return;
        }
    };
    assert!(!(is_last && end == End::InBody), "{text}");
    assert_eq!(message.head_bytes, head.len(), "{text}");
    let passed = head.len() + request.body.len();
    if is_last && end == End::Refused && request.is_chunked {
        // Trailers that are too long are refused, although they have an end.
        assert!(message.bytes >= passed, "{text}");
    } else {
        assert_eq!(message.bytes, passed, "{text}");
    }
    assert_eq!(message.is_chunked, request.is_chunked, "{text}");
    is_unambiguous(&message, &text);
}

fn is_unambiguous(message: &Message, text: &str) {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, value) in &message.headers {
        *names.entry(name.as_str()).or_default() += 1;
        assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)), "{text}");
    }
    let count = |name: &str| names.get(name).copied().unwrap_or(0);
    assert!(count("content-length") <= 1, "{text}");
    assert!(count("transfer-encoding") <= 1, "{text}");
    assert!(
        count("content-length") + count("transfer-encoding") <= 1,
        "{text}"
    );
    assert!(
        count("host") == 1 || (count("host") == 0 && message.minor == 0),
        "{text}"
    );
    assert!(message.minor == 1 || !message.is_chunked, "{text}");
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
