//! Bodies of `/v3/sidecars`, checked.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::body::{IntegerRange, Validator};
use crate::checks::{Patch, given};
use crate::error::ApiError;

/// Most process types that one sidecar runs beside.
const MAX_PROCESS_TYPES: usize = 100;

/// A checked body. When a sidecar is made, name, command and process types are there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SidecarFields {
    /// Name, unique in the app.
    pub(crate) name: Option<String>,
    /// Command.
    pub(crate) command: Option<String>,
    /// Process types that it runs beside.
    pub(crate) process_types: Option<BTreeSet<String>>,
    /// Memory out of the process's, MiB.
    pub(crate) memory_in_mb: Patch<i64>,
}

/// Checks `POST /v3/apps/{guid}/sidecars`.
pub(crate) fn create(body: &Map<String, Value>) -> Result<SidecarFields, ApiError> {
    check(body, true)
}

/// Checks `PATCH /v3/sidecars/{guid}`.
pub(crate) fn update(body: &Map<String, Value>) -> Result<SidecarFields, ApiError> {
    check(body, false)
}

fn check(body: &Map<String, Value>, is_new: bool) -> Result<SidecarFields, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(
        body,
        "",
        &["name", "command", "process_types", "memory_in_mb"],
    );
    let mut text = |key: &str, label: &str, max| match body.get(key) {
        None if !is_new => None,
        None | Some(Value::Null) => {
            checks.add(format!("{label} can't be blank"));
            checks.add(format!("{label} must be a string"));
            None
        }
        Some(value) => {
            let text = checks.string_value(value, label, 0, max)?;
            if text.trim().is_empty() {
                checks.add(format!("{label} can't be blank"));
                return None;
            }
            Some(text.to_owned())
        }
    };
    let name = text("name", "Name", 255);
    let command = text("command", "Command", 4_096);
    let process_types = if is_new || body.contains_key("process_types") {
        process_types(&mut checks, body)
    } else {
        None
    };
    let memory_in_mb = if body.contains_key("memory_in_mb") {
        Patch::to(checks.optional_integer(body, "memory_in_mb", IntegerRange::POSITIVE))
    } else {
        Patch::Keep
    };
    checks.finish()?;
    Ok(SidecarFields {
        name,
        command,
        process_types,
        memory_in_mb,
    })
}

fn process_types(checks: &mut Validator, body: &Map<String, Value>) -> Option<BTreeSet<String>> {
    let Some(Value::Array(entries)) = given(body, "process_types") else {
        checks.add("Process types must be an array");
        checks.add("Process types must have at least 1 process_type");
        return None;
    };
    if entries.is_empty() {
        checks.add("Process types must have at least 1 process_type");
        return None;
    }
    if entries.len() > MAX_PROCESS_TYPES {
        checks.add(format!(
            "Process types must not have more than {MAX_PROCESS_TYPES} entries"
        ));
        return None;
    }
    let mut types = BTreeSet::new();
    for entry in entries {
        let text = checks.string_value(entry, "Process types entries", 1, 255)?;
        types.insert(text.to_owned());
    }
    Some(types)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            _ => panic!("a body is an object"),
        }
    }

    #[test]
    fn a_whole_sidecar_and_a_part_of_one() {
        let body = object(json!({
            "name": "proxy", "command": "./proxy", "process_types": ["web", "web", "worker"],
            "memory_in_mb": 16
        }));
        let sidecar = create(&body).unwrap();
        assert_eq!(sidecar.process_types.map(|types| types.len()), Some(2));
        assert_eq!(sidecar.memory_in_mb, Patch::Set(16));
        let part = update(&object(json!({"memory_in_mb": null}))).unwrap();
        assert_eq!(
            part,
            SidecarFields {
                memory_in_mb: Patch::Reset,
                ..SidecarFields::default()
            }
        );
    }

    #[test]
    fn what_is_refused_and_how() {
        const NOT_LISTED: &str =
            "Process types must be an array, Process types must have at least 1 process_type";
        let with = |key: &str, value: Value| {
            let mut body = object(json!({"name": "p", "command": "c", "process_types": ["web"]}));
            body.insert(key.to_owned(), value);
            create(&body).unwrap_err().detail().to_owned()
        };
        assert_eq!(with("x", json!(1)), "Unknown field(s): 'x'");
        assert_eq!(with("name", json!("")), "Name can't be blank");
        assert_eq!(
            with("name", json!(null)),
            "Name can't be blank, Name must be a string"
        );
        assert_eq!(with("command", json!(1)), "Command must be a string");
        assert_eq!(
            with("command", json!("x".repeat(4_097))),
            "Command is too long (maximum is 4096 characters)"
        );
        assert_eq!(with("process_types", json!("web")), NOT_LISTED);
        assert_eq!(with("process_types", json!(null)), NOT_LISTED);
        assert_eq!(
            with("process_types", json!([])),
            "Process types must have at least 1 process_type"
        );
        assert_eq!(
            with("process_types", json!([1])),
            "Process types entries must be a string"
        );
        assert_eq!(
            with("memory_in_mb", json!(0)),
            "Memory in mb must be greater than 0"
        );
    }
}
