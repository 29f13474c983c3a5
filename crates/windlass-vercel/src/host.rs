//! Host labels: parts joined, within what DNS allows.

use sha2::{Digest, Sha256};

/// Longest label, bytes.
const MAX_LABEL: usize = 63;
/// Hex digits that stand for what was cut off.
const CUT_DIGITS: usize = 8;

/// Small letters, digits and single hyphens of a text; never empty.
pub(crate) fn part(text: &str) -> String {
    let mut label = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() {
            label.push(letter.to_ascii_lowercase());
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    while label.ends_with('-') {
        label.pop();
    }
    if label.is_empty() {
        label.push('x');
    }
    label
}

/// Parts joined by hyphens. What is too long loses its end to a digest of the whole.
pub(crate) fn label(parts: &[&str]) -> String {
    let whole = parts.join("-");
    if whole.len() <= MAX_LABEL {
        return whole;
    }
    let digest = hex::encode(Sha256::digest(&whole));
    let kept = MAX_LABEL - CUT_DIGITS - 1;
    // Parts are ASCII.
    let head = whole.get(..kept).unwrap_or("x").trim_end_matches('-');
    format!("{head}-{}", &digest[..CUT_DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_what_dns_takes() {
        for (text, expected) in [
            ("Team Anna", "team-anna"),
            ("my_app.v2", "my-app-v2"),
            ("--a--", "a"),
            ("日本", "x"),
            ("", "x"),
            ("feature/Login#2", "feature-login-2"),
        ] {
            assert_eq!(part(text), expected, "{text}");
        }
    }

    #[test]
    fn long_labels_are_cut_and_stay_apart() {
        let long = "a".repeat(60);
        let one = label(&[&long, "abc", "team"]);
        let other = label(&[&long, "abd", "team"]);
        assert_eq!(one.len(), 63);
        assert_ne!(one, other);
        assert_eq!(label(&["shop", "abc", "team"]), "shop-abc-team");
    }
}
