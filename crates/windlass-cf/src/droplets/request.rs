//! `POST /v3/droplets`: the body, checked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::body::Validator;
use crate::error::ApiError;

/// Most process types of one droplet.
const MAX_PROCESS_TYPES: usize = 100;

/// Longest process type or command, characters.
const MAX_TEXT_CHARS: usize = 4_096;

/// A checked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateDroplet {
    /// The app.
    pub(crate) app_guid: String,
    /// Start command per process type.
    pub(crate) process_types: BTreeMap<String, String>,
}

/// Checks `POST /v3/droplets`.
pub(crate) fn create(body: &Map<String, Value>) -> Result<CreateDroplet, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["relationships", "process_types"]);
    let relationships = checks.relationships(body, &["app"]);
    let app_guid = checks.required_to_one(relationships, "app");
    let process_types = process_types(&mut checks, body.get("process_types"));
    checks.finish()?;
    Ok(CreateDroplet {
        app_guid: app_guid.unwrap_or_default(),
        process_types,
    })
}

fn process_types(checks: &mut Validator, value: Option<&Value>) -> BTreeMap<String, String> {
    let types = match value {
        None | Some(Value::Null) => return BTreeMap::from([("web".to_owned(), String::new())]),
        Some(Value::Object(types)) => types,
        Some(_) => {
            checks.add("Process types must be an object");
            return BTreeMap::new();
        }
    };
    if types.len() > MAX_PROCESS_TYPES {
        checks.add(format!(
            "Process types must not have more than {MAX_PROCESS_TYPES} entries"
        ));
        return BTreeMap::new();
    }
    if types.keys().any(String::is_empty) {
        checks.add("Process types key must not be empty");
    }
    if types.values().any(|command| !command.is_string()) {
        checks.add("Process types value must be a string");
    }
    let pairs = types
        .iter()
        .filter_map(|(kind, command)| Some((kind, command.as_str()?)));
    let is_long = |text: &str| text.chars().count() > MAX_TEXT_CHARS || text.contains('\0');
    if pairs
        .clone()
        .any(|(kind, command)| is_long(kind) || is_long(command))
    {
        checks.add("Process types entries must be shorter than 4097 characters");
    }
    pairs
        .map(|(kind, command)| (kind.clone(), command.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(types: Value) -> Result<CreateDroplet, String> {
        let mut body = Map::new();
        body.insert(
            "relationships".to_owned(),
            json!({"app": {"data": {"guid": "a"}}}),
        );
        body.insert("process_types".to_owned(), types);
        create(&body).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn process_types_and_what_is_refused_in_them() {
        let droplet = check(json!({"web": "./run", "worker": "./work"})).unwrap();
        assert_eq!(droplet.process_types["worker"], "./work");
        for (types, wanted) in [
            (json!([]), "Process types must be an object"),
            (json!({"": "x"}), "Process types key must not be empty"),
            (json!({"web": 1}), "Process types value must be a string"),
            (
                json!({"web": "x".repeat(4_097)}),
                "Process types entries must be shorter than 4097 characters",
            ),
        ] {
            assert_eq!(check(types), Err(wanted.to_owned()));
        }
    }
}
