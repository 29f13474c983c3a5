//! The host that an app gets of its own: its name, and a few letters that make it one of a kind.

use uuid::Uuid;

/// Letters after the name.
const LETTERS: usize = 5;
/// Longest label of a host name, bytes.
const MAX_LABEL_BYTES: usize = 63;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// `sample-golang-x7k2q`.
pub(super) fn label(name: &str) -> String {
    let random = Uuid::new_v4();
    let letters: String = random
        .as_bytes()
        .iter()
        .take(LETTERS)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    let kept: String = name.chars().take(MAX_LABEL_BYTES - LETTERS - 1).collect();
    format!("{kept}-{letters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_begin_with_the_name_and_differ() {
        let (one, two) = (label("sample"), label("sample"));
        assert!(one.starts_with("sample-"), "{one}");
        assert_eq!(one.len(), "sample-".len() + LETTERS);
        assert_ne!(one, two);
        assert_eq!(label(&"a".repeat(100)).len(), MAX_LABEL_BYTES);
    }
}
