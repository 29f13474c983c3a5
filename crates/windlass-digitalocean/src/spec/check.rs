//! The walk over a submitted spec along the schema's tables.

use serde_json::{Map, Value};

use super::error::{SpecError, quoted, shown};
use super::path::Path;
use super::schema::{Field, Kind, Support};

/// Checks an object: unknown members, required ones, each value.
pub(super) fn object(
    value: &Value,
    groups: &'static [&'static [Field]],
    path: &Path<'_>,
) -> Result<(), SpecError> {
    let Value::Object(members) = value else {
        return Err(wrong_type(value, "an object", path));
    };
    for name in members.keys() {
        if !fields(groups).any(|field| field.name == name) {
            let why = "unknown field: remove it or correct its name";
            return Err(SpecError::new(&path.member(&shown(name)), why));
        }
    }
    for field in fields(groups) {
        member(members, field, path)?;
    }
    Ok(())
}

fn fields(groups: &'static [&'static [Field]]) -> impl Iterator<Item = &'static Field> {
    groups.iter().copied().flatten()
}

fn member(
    members: &Map<String, Value>,
    field: &'static Field,
    path: &Path<'_>,
) -> Result<(), SpecError> {
    let path = path.member(field.name);
    let value = members.get(field.name).filter(|value| !says_nothing(value));
    match (value, field.support) {
        (Some(_), Support::Refused(why)) => Err(SpecError::new(&path, why)),
        (Some(value), Support::Works | Support::Differs | Support::Hint) => {
            check(value, &field.kind, &path)
        }
        (None, _) if field.required => Err(SpecError::new(&path, "is required")),
        (None, _) => members
            .get(field.name)
            .map_or(Ok(()), |value| check(value, &field.kind, &path)),
    }
}

/// Whether a value is what the Go client leaves out: zero, empty, or only such values inside.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.values().all(says_nothing),
    }
}

fn check(value: &Value, kind: &'static Kind, path: &Path<'_>) -> Result<(), SpecError> {
    match kind {
        Kind::Text(form, bytes_max) => {
            let text = text(value, path)?;
            if text.len() > *bytes_max {
                let why = format!("{} is longer than {bytes_max} bytes", quoted(text));
                return Err(SpecError::new(path, why));
            }
            if text.is_empty() {
                return Ok(());
            }
            form.check(text).map_err(|why| SpecError::new(path, why))
        }
        Kind::Word(words) => {
            let text = text(value, path)?;
            if text.is_empty() || words.contains(&text) {
                return Ok(());
            }
            let why = format!("{} must be one of {}", quoted(text), words.join(", "));
            Err(SpecError::new(path, why))
        }
        Kind::Flag => match value {
            Value::Bool(_) => Ok(()),
            Value::Null
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => Err(wrong_type(value, "true or false", path)),
        },
        Kind::Whole(least, most) => {
            let number = value
                .as_i64()
                .ok_or_else(|| wrong_type(value, "a whole number", path))?;
            if number == 0 || (*least..=*most).contains(&number) {
                return Ok(());
            }
            let why = if *most == i64::MAX {
                format!("{number} must be at least {least}")
            } else {
                format!("{number} must be between {least} and {most}")
            };
            Err(SpecError::new(path, why))
        }
        Kind::Number => match value {
            Value::Number(_) => Ok(()),
            Value::Null
            | Value::Bool(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => Err(wrong_type(value, "a number", path)),
        },
        Kind::List(entry, entries_max) => list(value, entry, *entries_max, path),
        Kind::Object(groups) => object(value, groups, path),
    }
}

fn list(
    value: &Value,
    entry: &'static Kind,
    entries_max: usize,
    path: &Path<'_>,
) -> Result<(), SpecError> {
    let Value::Array(entries) = value else {
        return Err(wrong_type(value, "a list", path));
    };
    if entries.len() > entries_max {
        let why = format!(
            "{} entries, at most {entries_max} are possible",
            entries.len()
        );
        return Err(SpecError::new(path, why));
    }
    for (index, value) in entries.iter().enumerate() {
        check(value, entry, &path.index(index))?;
    }
    Ok(())
}

fn text<'a>(value: &'a Value, path: &Path<'_>) -> Result<&'a str, SpecError> {
    value
        .as_str()
        .ok_or_else(|| wrong_type(value, "a text (numbers and true/false need quotes)", path))
}

fn wrong_type(value: &Value, want: &str, path: &Path<'_>) -> SpecError {
    let got = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    SpecError::new(path, format!("must be {want}, not {got}"))
}
