//! Programs of neighbouring versions: lines as version 1 says them, kept as they were, and what
//! both sides make of lines that hold more than they know.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::protocol::{FromShim, ToShim};
use crate::spec::{LaunchSpec, OLDEST_PROTOCOL, PROTOCOL, SpecError, is_understood};

/// Lines of a shim. They never change: a later version adds a file of its own.
const SHIM_1: &str = include_str!("recorded/shim_1.jsonl");
/// Lines of control. They never change either.
const CONTROL_1: &str = include_str!("recorded/control_1.jsonl");
/// A launch spec of control.
const SPEC_1: &str = include_str!("recorded/spec_1.jsonl");

/// The same with a field in every object that nobody knows. The environment has names for keys.
fn with_more(value: &Value, is_map: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let is_enum = fields.len() == 1
                && ["shell", "argv", "launch_failed"]
                    .iter()
                    .any(|variant| fields.contains_key(*variant));
            let mut fields: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), with_more(value, name == "env")))
                .collect();
            if !is_map && !is_enum {
                fields.insert("of_tomorrow".to_owned(), json!({ "a": [1] }));
            }
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(|item| with_more(item, false)).collect(),
        other => other.clone(),
    }
}

/// Whether everything in `recorded` is in `now`, with the same value.
fn holds(now: &Value, recorded: &Value) -> bool {
    match (now, recorded) {
        (Value::Object(now), Value::Object(recorded)) => recorded
            .iter()
            .all(|(name, value)| now.get(name).is_some_and(|now| holds(now, value))),
        (Value::Array(now), Value::Array(recorded)) => {
            now.len() == recorded.len()
                && now.iter().zip(recorded).all(|(now, then)| holds(now, then))
        }
        (now, recorded) => now == recorded,
    }
}

/// Each line is understood; so is the same line with more in it; and whoever said it understands
/// how this version says the same.
fn are_understood<M>(lines: &str) -> Vec<M>
where
    M: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let mut messages = Vec::new();
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        let message: M = serde_json::from_str(line).unwrap();
        let more: M = serde_json::from_value(with_more(&value, false)).unwrap();
        assert_eq!(more, message, "{line}");
        let now = serde_json::to_value(&message).unwrap();
        assert!(holds(&now, &value), "{now} lacks something of {line}");
        messages.push(message);
    }
    messages
}

#[test]
fn what_version_1_says_is_understood_in_both_directions() {
    let said = are_understood::<FromShim>(SHIM_1);
    assert!(!said.contains(&FromShim::Unknown));
    let said = are_understood::<ToShim>(CONTROL_1);
    assert!(!said.contains(&ToShim::Unknown));
}

#[test]
fn a_launch_spec_of_version_1_is_understood_in_both_directions() {
    let specs = are_understood::<LaunchSpec>(SPEC_1);
    assert_eq!(specs[0].validate(), Ok(()));
}

#[test]
fn only_neighbours_understand_each_other() {
    for (protocol, understood) in [
        (PROTOCOL, true),
        (PROTOCOL + 1, true),
        (OLDEST_PROTOCOL, true),
        (PROTOCOL + 2, false),
        (OLDEST_PROTOCOL - 1, false),
        (0, false),
    ] {
        assert_eq!(is_understood(protocol), understood, "{protocol}");
        let mut spec: LaunchSpec = serde_json::from_str(SPEC_1).unwrap();
        spec.protocol = protocol;
        let refused = Err(SpecError::Protocol(protocol));
        assert_eq!(spec.validate(), if understood { Ok(()) } else { refused });
    }
    let text = SpecError::Protocol(9).to_string();
    assert!(
        text.contains("protocol 9") && text.contains("reload"),
        "{text}"
    );
}
