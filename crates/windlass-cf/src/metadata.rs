//! Labels and annotations: syntax, limits, and the merge in which `null` deletes.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use windlass_engine::records::Metadata;

use crate::error::ApiError;

/// Most labels of a resource.
pub const MAX_LABELS: usize = 50;
/// Most annotations of a resource.
pub const MAX_ANNOTATIONS: usize = 200;
/// Longest name part of a key and longest label value, characters.
const MAX_NAME_CHARS: usize = 63;
/// Longest prefix of a key, characters.
const MAX_PREFIX_CHARS: usize = 253;
/// Longest annotation value, characters.
const MAX_ANNOTATION_CHARS: usize = 5000;
/// Prefix that only the platform may use.
const RESERVED_PREFIX: &str = "cloudfoundry.org";

/// Changes of labels and annotations; `None` deletes a key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetadataPatch {
    /// Changes of labels.
    pub labels: BTreeMap<String, Option<String>>,
    /// Changes of annotations.
    pub annotations: BTreeMap<String, Option<String>>,
}

impl MetadataPatch {
    /// Reads and checks the `metadata` of a body; every problem is appended to `problems`.
    /// A missing or null `metadata` is an empty patch.
    pub fn parse(body: &Map<String, Value>, problems: &mut Vec<String>) -> Self {
        match body.get("metadata") {
            None | Some(Value::Null) => Self::default(),
            Some(Value::Object(metadata)) => Self::parse_object(metadata, problems),
            Some(_) => {
                problems.push("Metadata must be an object".to_owned());
                Self::default()
            }
        }
    }

    fn parse_object(metadata: &Map<String, Value>, problems: &mut Vec<String>) -> Self {
        let unexpected: Vec<String> = metadata
            .keys()
            .filter(|key| !matches!(key.as_str(), "labels" | "annotations"))
            .map(|key| format!("'{key}'"))
            .collect();
        if !unexpected.is_empty() {
            problems.push(format!(
                "Metadata has unexpected field(s): {}",
                unexpected.join(" ")
            ));
        }
        Self {
            labels: pairs(metadata, "labels", "label", label_value_problem, problems),
            annotations: pairs(
                metadata,
                "annotations",
                "annotation",
                annotation_value_problem,
                problems,
            ),
        }
    }

    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }

    /// What the metadata become.
    ///
    /// # Errors
    /// 422 390020 or 390023 when there would be too many.
    pub fn apply(&self, old: &Metadata) -> Result<Metadata, ApiError> {
        let mut new = old.clone();
        merge(&mut new.labels, &self.labels);
        merge(&mut new.annotations, &self.annotations);
        if new.labels.len() > MAX_LABELS && new.labels.len() > old.labels.len() {
            return Err(exceeded(
                390_020,
                "LabelLimitExceeded",
                "labels",
                &self.labels,
                MAX_LABELS,
            ));
        }
        if new.annotations.len() > MAX_ANNOTATIONS && new.annotations.len() > old.annotations.len()
        {
            return Err(exceeded(
                390_023,
                "AnnotationLimitExceeded",
                "annotations",
                &self.annotations,
                MAX_ANNOTATIONS,
            ));
        }
        Ok(new)
    }
}

/// Metadata as the wire has them.
pub fn to_wire(metadata: &Metadata) -> Value {
    json!({ "labels": metadata.labels, "annotations": metadata.annotations })
}

fn exceeded(
    code: u32,
    title: &str,
    what: &str,
    changes: &BTreeMap<String, Option<String>>,
    max: usize,
) -> ApiError {
    let added = changes.values().filter(|value| value.is_some()).count();
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        code,
        title,
        format!("Failed to add {added} {what} because it would exceed maximum of {max}"),
    )
}

fn merge(map: &mut BTreeMap<String, String>, changes: &BTreeMap<String, Option<String>>) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

fn pairs(
    metadata: &Map<String, Value>,
    field: &str,
    word: &str,
    value_problem: fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    let object = match metadata.get(field) {
        None | Some(Value::Null) => return found,
        Some(Value::Object(object)) => object,
        Some(_) => {
            problems.push(format!("Metadata '{field}' is not an object"));
            return found;
        }
    };
    for (key, value) in object {
        if let Some(problem) = label_key_problem(key, true) {
            problems.push(format!("Metadata {word} key error: {problem}"));
        }
        match value {
            Value::Null => {
                found.insert(key.clone(), None);
            }
            Value::String(text) => {
                if let Some(problem) = value_problem(text) {
                    problems.push(format!("Metadata {word} value error: {problem}"));
                }
                found.insert(key.clone(), Some(text.clone()));
            }
            _ => problems.push(format!(
                "Metadata {word} value error: '{key}' must be a string"
            )),
        }
    }
    found
}

/// What is wrong with a key (`prefix/name`), if anything. The reserved prefix is refused only
/// where keys are written, not where they are selected by.
pub(crate) fn label_key_problem(key: &str, writing: bool) -> Option<String> {
    if key.trim().is_empty() {
        return Some("key cannot be empty string".to_owned());
    }
    let (prefix, name) = match key.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            return Some("key has more than one '/'".to_owned());
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if let Some(prefix) = prefix {
        if !is_dns_name(prefix) {
            return Some(format!("prefix '{prefix}' must be in valid dns format"));
        }
        if prefix.chars().count() > MAX_PREFIX_CHARS {
            return Some(format!(
                "prefix '{}...' is greater than {MAX_PREFIX_CHARS} characters",
                first_eight(prefix)
            ));
        }
        if writing && prefix.eq_ignore_ascii_case(RESERVED_PREFIX) {
            return Some(format!("prefix '{RESERVED_PREFIX}' is reserved"));
        }
        if name.trim().is_empty() {
            return Some("key cannot be empty string".to_owned());
        }
    }
    syntax_problem(name)
}

/// What is wrong with a label value, if anything; the empty value is fine.
pub(crate) fn label_value_problem(value: &str) -> Option<String> {
    if value.is_empty() {
        None
    } else {
        syntax_problem(value)
    }
}

fn annotation_value_problem(value: &str) -> Option<String> {
    (value.chars().count() > MAX_ANNOTATION_CHARS).then(|| {
        format!(
            "'{}...' is greater than {MAX_ANNOTATION_CHARS} characters",
            first_eight(value)
        )
    })
}

fn syntax_problem(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !text.bytes().all(allowed) {
        return Some(format!("'{text}' contains invalid characters"));
    }
    if !edge(text.bytes().next()) || !edge(text.bytes().last()) {
        return Some(format!("'{text}' starts or ends with invalid characters"));
    }
    (text.len() > MAX_NAME_CHARS).then(|| {
        format!(
            "'{}...' is greater than {MAX_NAME_CHARS} characters",
            first_eight(text)
        )
    })
}

fn first_eight(text: &str) -> String {
    text.chars().take(8).collect()
}

/// Labels of letters, digits and inner hyphens, at least two of them.
fn is_dns_name(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= MAX_NAME_CHARS
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.contains('.') && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(metadata: Value) -> Result<MetadataPatch, String> {
        let mut body = Map::new();
        body.insert("metadata".to_owned(), metadata);
        let mut problems = Vec::new();
        let patch = MetadataPatch::parse(&body, &mut problems);
        if problems.is_empty() {
            Ok(patch)
        } else {
            Err(problems.join(", "))
        }
    }

    #[test]
    fn every_wrong_key_and_value_has_its_text() {
        let long = "x".repeat(64);
        let table = [
            (json!(5), "Metadata must be an object".to_owned()),
            (
                json!({"a": 1, "b": 2}),
                "Metadata has unexpected field(s): 'a' 'b'".to_owned(),
            ),
            (
                json!({"labels": []}),
                "Metadata 'labels' is not an object".to_owned(),
            ),
            (
                json!({"labels": {"": "x"}}),
                "Metadata label key error: key cannot be empty string".to_owned(),
            ),
            (
                json!({"labels": {"a.b/c/d": "x"}}),
                "Metadata label key error: key has more than one '/'".to_owned(),
            ),
            (
                json!({"labels": {"nodots/c": "x"}}),
                "Metadata label key error: prefix 'nodots' must be in valid dns format".to_owned(),
            ),
            (
                json!({"labels": {"CloudFoundry.org/c": "x"}}),
                "Metadata label key error: prefix 'cloudfoundry.org' is reserved".to_owned(),
            ),
            (
                json!({"labels": {"a.b/": "x"}}),
                "Metadata label key error: key cannot be empty string".to_owned(),
            ),
            (
                json!({"labels": {"a b": "x"}}),
                "Metadata label key error: 'a b' contains invalid characters".to_owned(),
            ),
            (
                json!({"labels": {"-a": "x"}}),
                "Metadata label key error: '-a' starts or ends with invalid characters".to_owned(),
            ),
            (
                json!({"labels": {long.clone(): "x"}}),
                "Metadata label key error: 'xxxxxxxx...' is greater than 63 characters".to_owned(),
            ),
            (
                json!({"labels": {"a": "é"}}),
                "Metadata label value error: 'é' contains invalid characters".to_owned(),
            ),
            (
                json!({"labels": {"a": 7}}),
                "Metadata label value error: 'a' must be a string".to_owned(),
            ),
            (
                json!({"annotations": {"a": "y".repeat(5001)}}),
                "Metadata annotation value error: 'yyyyyyyy...' is greater than 5000 characters"
                    .to_owned(),
            ),
        ];
        for (metadata, text) in table {
            assert_eq!(parse(metadata).unwrap_err(), text);
        }
    }

    #[test]
    fn null_deletes_and_absence_keeps() {
        let old = Metadata {
            labels: BTreeMap::from([("a".into(), "1".into()), ("b".into(), "2".into())]),
            annotations: BTreeMap::new(),
        };
        let patch = parse(json!({
            "labels": {"a": null, "c": ""},
            "annotations": {"x.io/note": "any text, at all"},
        }))
        .unwrap();
        let new = patch.apply(&old).unwrap();
        assert_eq!(
            to_wire(&new),
            json!({
                "labels": {"b": "2", "c": ""},
                "annotations": {"x.io/note": "any text, at all"},
            })
        );
    }

    #[test]
    fn too_many_are_refused_with_their_own_codes() {
        let labels: Map<String, Value> = (0..51).map(|n| (format!("k{n}"), json!("v"))).collect();
        let error = parse(json!({"labels": labels}))
            .unwrap()
            .apply(&Metadata::default());
        let error = error.unwrap_err();
        assert_eq!(error.entries[0].code, 390_020);
        assert_eq!(
            error.detail(),
            "Failed to add 51 labels because it would exceed maximum of 50"
        );
    }
}
