//! Why a spec is refused.

use std::fmt;

use super::path::Path;

/// Most bytes of a submitted value that a message repeats.
const QUOTED_BYTES_MAX: usize = 64;

/// The first thing in a spec that is wrong, or that can't be run. Answered with 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SpecError {
    /// The field without list positions, such as `services.health_check.port`; empty = the whole.
    pub field: String,
    /// The field with list positions.
    pub position: String,
    /// What is wrong and what to do.
    pub why: String,
}

impl SpecError {
    pub(crate) fn new(path: &Path<'_>, why: impl Into<String>) -> Self {
        Self {
            field: path.field(),
            position: path.position(),
            why: why.into(),
        }
    }

    /// A spec that can't be read at all.
    pub(crate) fn unreadable(why: impl Into<String>) -> Self {
        Self::new(&Path::ROOT, why)
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() {
            return write!(f, "error validating app spec: {}", self.why);
        }
        write!(
            f,
            "error validating app spec field \"{}\": {}",
            self.field, self.why
        )?;
        if self.position == self.field {
            return Ok(());
        }
        write!(f, " (at {})", self.position)
    }
}

/// A submitted text as a message repeats it, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", shown(text))
}

/// A submitted text as a message repeats it: without control characters, shortened.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .map(|char| if char.is_control() { '?' } else { char })
        .collect();
    if shown.len() > QUOTED_BYTES_MAX {
        let end = (0..=QUOTED_BYTES_MAX)
            .rev()
            .find(|end| shown.is_char_boundary(*end))
            .unwrap_or_default();
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_the_form_of_the_platform() {
        let root = Path::ROOT;
        let services = root.member("services");
        let service = services.index(2);
        let check = service.member("health_check");
        let error = SpecError::new(&check.member("port"), "not found");
        assert_eq!(
            error.to_string(),
            "error validating app spec field \"services.health_check.port\": not found \
             (at services[2].health_check.port)"
        );
        let error = SpecError::new(&root.member("name"), "is required");
        assert_eq!(
            error.to_string(),
            "error validating app spec field \"name\": is required"
        );
        assert_eq!(
            SpecError::unreadable("no object").to_string(),
            "error validating app spec: no object"
        );
    }

    #[test]
    fn what_is_repeated_is_short_and_plain() {
        assert_eq!(quoted("a\nb"), "\"a?b\"");
        let long = quoted(&"é".repeat(100));
        assert_eq!(long, format!("\"{}…\"", "é".repeat(32)));
    }
}
