//! Programs of neighbouring versions: lines as version 1 says them, kept as they were, and what
//! both sides make of lines that hold more than they know.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::table::{Change, Table};

/// Lines of control. They never change: a later version adds a file of its own.
const CONTROL_1: &str = include_str!("recorded/control_1.jsonl");
/// Lines of a router. They never change either.
const ROUTER_1: &str = include_str!("recorded/router_1.jsonl");
/// Records of the table file, without their lengths and checksums.
const TABLE_1: &str = include_str!("recorded/table_1.jsonl");
/// Objects whose keys are names, not fields.
const MAPS: [&str; 2] = ["groups", "hosts"];

/// The same with a field in every object that nobody knows.
fn with_more(value: &Value, is_map: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, value)| {
                    let is_map = MAPS.contains(&name.as_str());
                    (name.clone(), with_more(value, is_map))
                })
                .collect();
            if !is_map {
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
fn are_understood<M>(lines: &str, unknown: Option<&M>) -> Vec<M>
where
    M: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let mut messages = Vec::new();
    for line in lines.lines() {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let message: M = serde_json::from_str(line).expect(line);
        assert_ne!(Some(&message), unknown, "{line}");
        let more: M = serde_json::from_value(with_more(&value, false)).expect(line);
        assert_eq!(more, message, "{line}");
        let now = serde_json::to_value(&message).expect("JSON");
        assert!(holds(&now, &value), "{now} lacks something of {line}");
        messages.push(message);
    }
    messages
}

#[test]
fn what_version_1_says_is_understood_in_both_directions() {
    let said = are_understood(CONTROL_1, Some(&ToRouter::Unknown));
    // None was forgotten.
    let kinds = |of: fn(&ToRouter) -> bool| said.iter().any(of);
    assert!(kinds(|said| matches!(said, ToRouter::Welcome { .. })));
    assert!(kinds(|said| matches!(said, ToRouter::Refused { .. })));
    assert!(kinds(|said| matches!(said, ToRouter::Delta { .. })));
    assert!(kinds(|said| matches!(said, ToRouter::ReadFile { .. })));
    assert!(kinds(|said| matches!(said, ToRouter::AskEmpty { .. })));
    let said = are_understood(ROUTER_1, Some(&ToControl::Unknown));
    let kinds = |of: fn(&ToControl) -> bool| said.iter().any(of);
    assert!(kinds(|said| matches!(said, ToControl::Hello { .. })));
    assert!(kinds(|said| matches!(said, ToControl::Ack { .. })));
    assert!(kinds(|said| matches!(said, ToControl::Empty { .. })));
    assert!(kinds(|said| matches!(said, ToControl::Unreachable { .. })));
    assert!(kinds(|said| matches!(said, ToControl::Wanted { .. })));
    assert!(kinds(|said| matches!(said, ToControl::Idle { .. })));
}

#[test]
fn a_table_of_version_1_is_understood_in_both_directions() {
    let deltas = are_understood::<Delta>(TABLE_1, None);
    let mut table = Table::default();
    for delta in &deltas {
        assert!(table.apply(delta).expect("it follows"));
    }
    assert_eq!(table.groups.len(), 1);
    assert_eq!(table.hosts.len(), 1);
    let snapshot = |change: &Change| matches!(change, Change::Snapshot { .. });
    assert!(deltas[0].changes.iter().any(snapshot));
}

/// What is two versions away is refused in words that say what to do.
#[test]
fn only_neighbours_agree() {
    for (oldest, newest, spoken) in [
        (VERSION, VERSION, Some(VERSION)),
        (OLDEST_VERSION, VERSION + 1, Some(VERSION)),
        (VERSION, VERSION + 1, Some(VERSION)),
        (VERSION + 1, VERSION + 2, None),
        (VERSION + 2, VERSION + 2, None),
        (0, OLDEST_VERSION - 1, None),
    ] {
        assert_eq!(common_version(oldest, newest), spoken, "{oldest} {newest}");
    }
}
