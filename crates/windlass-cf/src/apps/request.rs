//! Bodies of `/v3/apps`, checked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::lifecycle::{self, LifecyclePatch};
use crate::body::Validator;
use crate::checks::{MAX_GUID_CHARS, echo};
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// Longest name of an app, characters.
const MAX_NAME_CHARS: usize = 255;

/// Longest name of an environment variable, bytes.
const MAX_VARIABLE_NAME_BYTES: usize = 4_096;

/// Longest value of an environment variable, bytes: one string of a process's environment can't
/// be longer than 128 KiB, name included.
const MAX_VARIABLE_VALUE_BYTES: usize = 120 * 1_024;

/// Most variables in one body.
const MAX_VARIABLES: usize = 2_000;

/// Changes of environment variables; `None` deletes one.
pub(crate) type Variables = BTreeMap<String, Option<String>>;

/// A checked `POST /v3/apps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateApp {
    /// Name, trimmed.
    pub(crate) name: String,
    /// Space that it shall lie in.
    pub(crate) space_guid: String,
    /// Environment variables.
    pub(crate) variables: Variables,
    /// Lifecycle.
    pub(crate) lifecycle: LifecyclePatch,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// A checked `PATCH /v3/apps/{guid}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UpdateApp {
    /// New name.
    pub(crate) name: Option<String>,
    /// New lifecycle.
    pub(crate) lifecycle: Option<LifecyclePatch>,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// Checks `POST /v3/apps`.
pub(crate) fn create(body: &Map<String, Value>) -> Result<CreateApp, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    checks.known_fields(
        body,
        "",
        &[
            "name",
            "environment_variables",
            "relationships",
            "lifecycle",
            "metadata",
        ],
    );
    let relationships = checks.relationships(body, &["space"]);
    let space_guid = checks.required_to_one(relationships, "space");
    let lifecycle = lifecycle::parse(&mut checks, body).unwrap_or_default();
    let name = app_name(&mut checks, body.get("name").unwrap_or(&Value::Null));
    let variables = match body.get("environment_variables") {
        None | Some(Value::Null) => Variables::new(),
        Some(value) => variables(&mut checks, value, "Environment variables"),
    };
    checks.finish()?;
    Ok(CreateApp {
        name: name.unwrap_or_default(),
        space_guid: space_guid.unwrap_or_default(),
        variables,
        lifecycle,
        metadata,
    })
}

/// Checks `PATCH /v3/apps/{guid}`.
pub(crate) fn update(body: &Map<String, Value>) -> Result<UpdateApp, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    checks.known_fields(body, "", &["name", "lifecycle", "metadata"]);
    let lifecycle = lifecycle::parse(&mut checks, body);
    let name = body
        .get("name")
        .filter(|name| !name.is_null())
        .and_then(|name| app_name(&mut checks, name));
    checks.finish()?;
    Ok(UpdateApp {
        name,
        lifecycle,
        metadata,
    })
}

/// Checks `PATCH /v3/apps/{guid}/environment_variables`.
pub(crate) fn update_variables(body: &Map<String, Value>) -> Result<Variables, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["var"]);
    let variables = variables(&mut checks, body.get("var").unwrap_or(&Value::Null), "Var");
    checks.finish()?;
    Ok(variables)
}

/// Checks `PATCH /v3/apps/{guid}/relationships/current_droplet`: the guid of the droplet.
pub(crate) fn assign_droplet(body: &Map<String, Value>) -> Result<String, ApiError> {
    const FORM: &str = "Data must be structured like this: \"data: {\"guid\": \"valid-guid\"}\"";
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["data"]);
    checks.finish()?;
    let data = match body.get("data") {
        Some(Value::Null) => return Err(cannot_remove()),
        Some(Value::Object(data)) => data,
        None | Some(_) => return Err(ApiError::unprocessable(FORM)),
    };
    match data.get("guid") {
        None | Some(Value::Null) => Err(cannot_remove()),
        Some(Value::String(guid)) if guid.chars().count() <= MAX_GUID_CHARS => Ok(guid.clone()),
        Some(_) => Err(ApiError::unprocessable(FORM)),
    }
}

/// Checks `PATCH /v3/apps/{guid}/features/{name}`.
pub(crate) fn update_feature(body: &Map<String, Value>) -> Result<bool, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["enabled"]);
    let enabled = body.get("enabled").and_then(Value::as_bool);
    if enabled.is_none() {
        checks.add("Enabled must be a boolean");
    }
    checks.finish()?;
    Ok(enabled.unwrap_or_default())
}

/// Checks a body that may have `metadata` and nothing else.
pub(crate) fn update_metadata(body: &Map<String, Value>) -> Result<MetadataPatch, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    checks.known_fields(body, "", &["metadata"]);
    checks.finish()?;
    Ok(metadata)
}

fn cannot_remove() -> ApiError {
    ApiError::unprocessable(
        "Current droplet cannot be removed. Replace it with a preferred droplet.",
    )
}

fn app_name(checks: &mut Validator, value: &Value) -> Option<String> {
    let Value::String(name) = value else {
        checks.add("Name must be a string");
        return None;
    };
    let name = name.trim();
    if name.is_empty() {
        checks.add("name can't be blank");
        return None;
    }
    if name.chars().count() > MAX_NAME_CHARS {
        checks.add("Name is too long (maximum is 255 characters)");
        return None;
    }
    if name.chars().any(char::is_control) {
        checks.add("Name must not contain control characters");
        return None;
    }
    Some(name.to_owned())
}

/// Environment variables: names that the platform sets itself are refused.
fn variables(checks: &mut Validator, value: &Value, label: &str) -> Variables {
    let Value::Object(object) = value else {
        checks.add(format!("{label} must be an object"));
        return Variables::new();
    };
    if object.len() > MAX_VARIABLES {
        checks.add(format!(
            "{label} must not have more than {MAX_VARIABLES} entries"
        ));
        return Variables::new();
    }
    let mut variables = Variables::new();
    for (name, value) in object {
        if let Some(problem) = name_problem(name) {
            checks.add(format!("{label} {problem}"));
            continue;
        }
        match value {
            Value::Null => {
                variables.insert(name.clone(), None);
            }
            Value::String(text) if text.contains('\0') => {
                checks.add(format!(
                    "{label} value of '{}' must not contain null bytes",
                    echo(name)
                ));
            }
            Value::String(text) if text.len() > MAX_VARIABLE_VALUE_BYTES => checks.add(format!(
                "{label} value of '{}' must not be longer than {MAX_VARIABLE_VALUE_BYTES} bytes",
                echo(name)
            )),
            Value::String(text) => {
                variables.insert(name.clone(), Some(text.clone()));
            }
            other => checks.add(format!(
                "Non-string value in environment variable for key '{}', value '{}'",
                echo(name),
                echo(&other.to_string())
            )),
        }
    }
    variables
}

fn name_problem(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase();
    let text = if name.is_empty() {
        "key must be a minimum length of 1"
    } else if upper.starts_with("VCAP_") {
        "cannot start with VCAP_"
    } else if upper.starts_with("VMC") {
        "cannot start with VMC_"
    } else if upper == "PORT" {
        "cannot set PORT"
    } else if name.contains(['=', '\0']) {
        "key must not contain '=' or null bytes"
    } else if name.len() > MAX_VARIABLE_NAME_BYTES {
        "key must not be longer than 4096 bytes"
    } else {
        return None;
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests;
