//! Checks of single values that the texts of apps, deployments and tasks need.

use serde_json::{Map, Value};

use crate::body::Validator;

/// Longest piece of a client's own text that an error repeats, characters.
const MAX_ECHO_CHARS: usize = 200;

/// Longest guid, characters.
pub(crate) const MAX_GUID_CHARS: usize = 200;

/// Change of a value that has a default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Patch<T> {
    /// It stays.
    #[default]
    Keep,
    /// It becomes the default.
    Reset,
    /// It becomes this.
    Set(T),
}

impl<T: Clone> Patch<T> {
    /// What a field of a body says; `None` inside = null.
    pub(crate) fn to(value: Option<T>) -> Self {
        value.map_or(Self::Reset, Self::Set)
    }

    /// What a value becomes.
    pub(crate) fn apply(&self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Reset => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// A field that is there and not null.
pub(crate) fn given<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    body.get(key).filter(|value| !value.is_null())
}

/// Refuses keys that are not in `allowed`: `<label> has unsupported key(s): a, b`.
pub(crate) fn supported_keys(
    checks: &mut Validator,
    object: &Map<String, Value>,
    label: &str,
    allowed: &[&str],
) {
    let unknown: Vec<String> = object
        .keys()
        .filter(|key| !allowed.contains(&key.as_str()))
        .map(|key| echo(key))
        .collect();
    if !unknown.is_empty() {
        checks.add(format!(
            "{label} has unsupported key(s): {}",
            unknown.join(", ")
        ));
    }
}

/// A client's own text, short enough to repeat.
pub(crate) fn echo(text: &str) -> String {
    match text.char_indices().nth(MAX_ECHO_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// An object or null.
pub(crate) fn object<'a>(
    checks: &mut Validator,
    value: Option<&'a Value>,
    label: &str,
) -> Option<&'a Map<String, Value>> {
    match value? {
        Value::Null => None,
        Value::Object(object) => Some(object),
        _ => {
            checks.add(format!("{label} must be an object"));
            None
        }
    }
}

/// A text or null of `min..=max` characters, with the border text of process fields.
pub(crate) fn text_between(
    checks: &mut Validator,
    value: Option<&Value>,
    label: &str,
    min: usize,
    max: usize,
) -> Option<String> {
    let value = value.filter(|value| !value.is_null())?;
    let Value::String(text) = value else {
        checks.add(format!("{label} must be a string"));
        return None;
    };
    if !(min..=max).contains(&text.chars().count()) {
        checks.add(format!(
            "{label} must be between {min} and {max} characters"
        ));
        return None;
    }
    if text.contains('\0') {
        checks.add(format!("{label} must not contain null bytes"));
        return None;
    }
    Some(text.clone())
}

/// A guid that must be there.
pub(crate) fn guid(checks: &mut Validator, value: Option<&Value>, label: &str) -> Option<String> {
    match value {
        Some(Value::String(guid)) if (1..=MAX_GUID_CHARS).contains(&guid.chars().count()) => {
            Some(guid.clone())
        }
        Some(Value::String(_)) => {
            checks.add(format!("{label} must be between 1 and 200 characters"));
            None
        }
        _ => {
            checks.add(format!("{label} must be a string"));
            checks.add(format!("{label} must be between 1 and 200 characters"));
            None
        }
    }
}
