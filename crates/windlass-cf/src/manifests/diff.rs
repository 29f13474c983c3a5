//! What applying a manifest would change, for clients to show.

use serde_json::{Map, Value, json};

use super::{processes, sizes};
use crate::guid::WEB;

/// Keys that say how, not what: nothing of an app is compared with them.
const INSTRUCTIONS: [&str; 6] = [
    "path",
    "no-route",
    "random-route",
    "default-route",
    "services",
    "buildpack",
];

/// Adds the changes that an app of a manifest makes to what there is. Both have one spelling.
pub(super) fn changes(
    at: &str,
    sent: &Map<String, Value>,
    now: &Map<String, Value>,
    changes: &mut Vec<Value>,
) {
    let web = entry(now.get("processes"), "type", &json!(WEB));
    for (key, wanted) in sent {
        if INSTRUCTIONS.contains(&key.as_str()) {
            continue;
        }
        let at = format!("{at}/{}", pointer(key));
        let now = if processes::is_key(key) {
            web.and_then(|web| web.get(key))
        } else {
            now.get(key)
        };
        match key.as_str() {
            "processes" => entries(&at, "type", wanted, now, changes),
            "routes" => entries(&at, "route", wanted, now, changes),
            "sidecars" => entries(&at, "name", wanted, now, changes),
            _ => value(&at, wanted, now, changes),
        }
    }
}

/// The entry of a list that has this name.
fn entry<'a>(list: Option<&'a Value>, by: &str, name: &Value) -> Option<&'a Value> {
    let list = list?.as_array()?;
    list.iter().find(|entry| entry.get(by) == Some(name))
}

fn entries(at: &str, by: &str, wanted: &Value, now: Option<&Value>, changes: &mut Vec<Value>) {
    let (Value::Array(list), Some(_)) = (wanted, now) else {
        return value(at, wanted, now, changes);
    };
    for (index, wanted) in list.iter().enumerate() {
        let known = wanted.get(by).and_then(|name| entry(now, by, name));
        value(&format!("{at}/{index}"), wanted, known, changes);
    }
}

fn value(at: &str, wanted: &Value, now: Option<&Value>, changes: &mut Vec<Value>) {
    let now = now.filter(|now| !now.is_null());
    match (wanted, now) {
        (Value::Object(wanted), Some(Value::Object(now))) => {
            for (key, wanted) in wanted {
                value(
                    &format!("{at}/{}", pointer(key)),
                    wanted,
                    now.get(key),
                    changes,
                );
            }
        }
        (Value::Null, None) => {}
        (Value::Null, Some(now)) => changes.push(json!({"op": "remove", "path": at, "was": now})),
        (wanted, None) => changes.push(json!({"op": "add", "path": at, "value": wanted})),
        (wanted, Some(now)) => {
            // Environments are texts, whatever YAML made of them; and a client may send a number
            // that it has read as the text of it.
            let is_text_of = |text: &Value, other: &Value| {
                let other = other.to_string();
                text.as_str().is_some_and(|text| text == other)
            };
            let is_same =
                sizes::is_same(wanted, now) || is_text_of(now, wanted) || is_text_of(wanted, now);
            if !is_same {
                changes.push(json!({"op": "replace", "path": at, "was": now, "value": wanted}));
            }
        }
    }
}

/// A key inside a JSON pointer.
fn pointer(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(sent: Value, now: Value) -> Value {
        let object = |value| serde_json::from_value::<Map<String, Value>>(value).unwrap();
        let mut found = Vec::new();
        changes("/applications/0", &object(sent), &object(now), &mut found);
        Value::Array(found)
    }

    #[test]
    fn what_is_the_same_is_not_told() {
        let now = json!({"name": "a", "env": {"A": "1"}, "routes": [{"route": "a.b", "protocol": "http1"}],
            "processes": [{"type": "web", "memory": "1024M", "instances": 2,
                "log-rate-limit-per-second": -1}]});
        let sent = json!({"name": "a", "memory": "1G", "instances": 2, "env": {"A": 1}, "path": "/x",
            "default-route": true, "routes": [{"route": "a.b"}],
            "processes": [{"type": "web", "memory": "1024M", "log-rate-limit-per-second": "-1"}]});
        assert_eq!(diff(sent, now), json!([]));
    }

    #[test]
    fn a_list_that_is_new_is_one_addition() {
        let sent = json!({"routes": [{"route": "a.b"}], "sidecars": [{"name": "s"}]});
        assert_eq!(
            diff(sent, json!({"routes": [{"route": "c.d"}]})),
            json!([
                {"op": "add", "path": "/applications/0/routes/0", "value": {"route": "a.b"}},
                {"op": "add", "path": "/applications/0/sidecars", "value": [{"name": "s"}]},
            ])
        );
    }

    #[test]
    fn additions_changes_and_removals() {
        let now = json!({"name": "a", "env": {"A": "1"}, "metadata": {"labels": {"x/y": "z"}},
            "processes": [{"type": "web", "memory": "64M"}]});
        let sent = json!({"memory": "1G", "env": {"A": "2", "B": "3"}, "metadata": {"labels": {"x/y": null}},
            "processes": [{"type": "worker", "instances": 1}]});
        assert_eq!(
            diff(sent, now),
            json!([
                {"op": "replace", "path": "/applications/0/memory", "was": "64M", "value": "1G"},
                {"op": "replace", "path": "/applications/0/env/A", "was": "1", "value": "2"},
                {"op": "add", "path": "/applications/0/env/B", "value": "3"},
                {"op": "remove", "path": "/applications/0/metadata/labels/x~1y", "was": "z"},
                {"op": "add", "path": "/applications/0/processes/0", "value": {"type": "worker", "instances": 1}},
            ])
        );
    }
}
