//! A manifest as what its endpoints take: every part checked before anything is done.

use serde_json::{Map, Value, json};

use super::processes::{self, ProcessManifest};
use super::routing::{self, Routing};
use super::sizes;
use crate::apps::request as app_request;
use crate::checks::echo;
use crate::error::ApiError;
use crate::sidecars::request as sidecar_request;

/// Most apps of one manifest.
const MAX_APPS: usize = 100;
/// The only version of manifests that there is.
const VERSION: u64 = 1;
/// Switches that an app has.
const FEATURES: [&str; 4] = [
    "ssh",
    "revisions",
    "service-binding-k8s",
    "file-based-vcap-services",
];

/// One app of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppManifest {
    /// Its name.
    pub(super) name: String,
    /// Body of an update of the app: lifecycle and metadata.
    pub(super) app: Map<String, Value>,
    /// Body of an update of its environment; empty = none.
    pub(super) env: Map<String, Value>,
    /// Switches.
    pub(super) features: Vec<(String, bool)>,
    /// Processes.
    pub(super) processes: Vec<ProcessManifest>,
    /// Bodies of sidecars.
    pub(super) sidecars: Vec<Map<String, Value>>,
    /// Routes.
    pub(super) routing: Routing,
    /// Services to bind.
    pub(super) services: Vec<ServiceManifest>,
}

/// A service instance that an app is to be bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceManifest {
    /// Name of the instance.
    pub(super) instance: String,
    /// Name of the binding.
    pub(super) binding: Option<String>,
}

/// The entries of `applications`, with one spelling of all keys.
pub(crate) fn applications(document: Value) -> Result<Vec<Map<String, Value>>, ApiError> {
    let refuse = |text: &str| Err(ApiError::unprocessable(text));
    let Value::Object(mut document) = document else {
        return refuse("Cannot parse manifest with no 'applications' field.");
    };
    let version = document.get("version").filter(|version| !version.is_null());
    if version.is_some_and(|version| version.as_u64() != Some(VERSION)) {
        return refuse("Unsupported manifest schema version. Currently supported versions: [1].");
    }
    let Some(Value::Array(entries)) = document.remove("applications") else {
        return refuse("Cannot parse manifest with no 'applications' field.");
    };
    if entries.len() > MAX_APPS {
        return refuse(&format!(
            "A manifest must not have more than {MAX_APPS} applications"
        ));
    }
    let apps = entries.into_iter().map(|entry| match entry {
        Value::Object(entry) => Some(with_one_spelling(entry)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    });
    match apps.collect::<Option<Vec<_>>>() {
        Some(apps) if !apps.is_empty() => Ok(apps),
        Some(_) | None => refuse("Applications must be a list of app configurations"),
    }
}

/// Keys of apps and processes are written with `-` and with `_`.
fn with_one_spelling(entry: Map<String, Value>) -> Map<String, Value> {
    let entry = entry.into_iter().map(|(key, value)| {
        let value = match value {
            Value::Array(list) if key == "processes" => {
                let list = list.into_iter().map(|process| match process {
                    Value::Object(process) => Value::Object(with_one_spelling(process)),
                    other => other,
                });
                list.collect()
            }
            other => other,
        };
        // A sidecar's and a route's own keys stay as they are.
        (key.replace('_', "-"), value)
    });
    entry.collect()
}

/// Reads all apps. Problems of all of them are one refusal.
pub(crate) fn read_all(applications: &[Map<String, Value>]) -> Result<Vec<AppManifest>, ApiError> {
    let mut all = Vec::new();
    let mut manifests: Vec<AppManifest> = Vec::new();
    for (index, app) in applications.iter().enumerate() {
        let mut problems = Vec::new();
        let manifest = read(app, &mut problems);
        let name = manifest.name.clone();
        if manifests
            .iter()
            .any(|other| other.name == name && !name.is_empty())
        {
            problems.push("Name must be unique in the manifest".to_owned());
        }
        let place = if name.is_empty() {
            format!("For application at index {index}: ")
        } else {
            format!("For application '{}': ", echo(&name))
        };
        all.extend(problems.into_iter().map(|text| format!("{place}{text}")));
        manifests.push(manifest);
    }
    if all.is_empty() {
        Ok(manifests)
    } else {
        Err(ApiError::unprocessable_each(all))
    }
}

/// Notes the texts of a refusal.
pub(super) fn note<T>(problems: &mut Vec<String>, checked: Result<T, ApiError>) {
    if let Err(error) = checked {
        problems.extend(error.entries.into_iter().map(|entry| entry.detail));
    }
}

fn read(app: &Map<String, Value>, problems: &mut Vec<String>) -> AppManifest {
    let name = app.get("name").and_then(Value::as_str).unwrap_or_default();
    if name.is_empty() {
        problems.push("Name must not be empty".to_owned());
    }
    let mut body = Map::new();
    if let Some(lifecycle) = lifecycle(app, problems) {
        body.insert("lifecycle".to_owned(), lifecycle);
    }
    if let Some(metadata) = app.get("metadata").filter(|it| !it.is_null()) {
        body.insert("metadata".to_owned(), metadata.clone());
    }
    note(problems, app_request::update(&body));
    if !name.is_empty() {
        let named = Map::from_iter([("name".to_owned(), json!(name))]);
        note(problems, app_request::update(&named));
    }
    AppManifest {
        name: name.to_owned(),
        app: body,
        env: env(app, problems),
        features: features(app, problems),
        processes: processes::read(app, problems),
        sidecars: sidecars(app, problems),
        routing: routing::read(app, problems),
        services: services(app, problems),
    }
}

/// Names of service instances, or objects with one.
fn services(app: &Map<String, Value>, problems: &mut Vec<String>) -> Vec<ServiceManifest> {
    let entries = match app.get("services") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            problems.push("Services must be a list of service instances".to_owned());
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
        let instance = entry.as_str().map(str::to_owned).or_else(|| text("name"));
        let Some(instance) = instance.filter(|name| !name.is_empty()) else {
            problems.push("Services must be a list of service instances".to_owned());
            continue;
        };
        let parameters = entry.get("parameters").filter(|it| !it.is_null());
        if parameters.is_some_and(|it| it != &json!({})) {
            problems.push(format!(
                "Service '{}': binding parameters are not supported for user-provided service \
                 instances",
                echo(&instance)
            ));
        }
        found.push(ServiceManifest {
            instance,
            binding: text("binding_name").or_else(|| text("binding-name")),
        });
    }
    found
}

fn lifecycle(app: &Map<String, Value>, problems: &mut Vec<String>) -> Option<Value> {
    let given = |key: &str| app.get(key).filter(|value| !value.is_null());
    if given("docker").is_some() || given("lifecycle").is_some_and(|it| it == "docker") {
        return Some(json!({"type": "docker", "data": {}}));
    }
    let mut data = Map::new();
    let is_detected = |name: &Value| matches!(name.as_str(), Some("null" | "default"));
    match (app.get("buildpack"), app.get("buildpacks")) {
        (Some(_), Some(_)) => {
            problems.push("Buildpack and buildpacks fields cannot be used together.".to_owned());
        }
        (Some(Value::Null), None) => {
            data.insert("buildpacks".to_owned(), json!([]));
        }
        (Some(name), None) if is_detected(name) => {
            data.insert("buildpacks".to_owned(), json!([]));
        }
        (Some(name), None) => {
            data.insert("buildpacks".to_owned(), json!([name]));
        }
        (None, Some(names)) => {
            data.insert("buildpacks".to_owned(), names.clone());
        }
        (None, None) => {}
    }
    if let Some(stack) = given("stack") {
        data.insert("stack".to_owned(), stack.clone());
    }
    let kind = given("lifecycle").cloned();
    if data.is_empty() && kind.is_none() {
        return None;
    }
    Some(json!({"type": kind.unwrap_or_else(|| json!("buildpack")), "data": data}))
}

fn env(app: &Map<String, Value>, problems: &mut Vec<String>) -> Map<String, Value> {
    let variables = match app.get("env") {
        None | Some(Value::Null) => return Map::new(),
        Some(Value::Object(variables)) => variables,
        Some(_) => {
            problems.push("Env must be an object of keys and values".to_owned());
            return Map::new();
        }
    };
    // YAML has numbers and switches; an environment has texts.
    let texts = variables.iter().map(|(name, value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        (name.clone(), Value::String(text))
    });
    let body = Map::from_iter([("var".to_owned(), Value::Object(texts.collect()))]);
    note(problems, app_request::update_variables(&body));
    body
}

fn features(app: &Map<String, Value>, problems: &mut Vec<String>) -> Vec<(String, bool)> {
    let features = match app.get("features") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Object(features)) => features,
        Some(_) => {
            problems.push("Features must be a map of features".to_owned());
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (name, value) in features {
        match value {
            Value::Bool(on) if FEATURES.contains(&name.as_str()) => found.push((name.clone(), *on)),
            Value::Bool(_) => problems.push(format!("Feature '{}' does not exist", echo(name))),
            _ => problems.push(format!("Feature '{}' must be a boolean", echo(name))),
        }
    }
    found
}

fn sidecars(app: &Map<String, Value>, problems: &mut Vec<String>) -> Vec<Map<String, Value>> {
    let entries = match app.get("sidecars") {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => {
            problems.push("Sidecars must be an array of sidecar configurations".to_owned());
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let mut own = Vec::new();
        let mut body = entry.as_object().cloned().unwrap_or_default();
        if let Some(memory) = body.remove("memory").filter(|memory| !memory.is_null()) {
            match sizes::mebibytes(&memory, "Memory") {
                Ok(mb) => {
                    body.insert("memory_in_mb".to_owned(), mb);
                }
                Err(problem) => own.push(problem),
            }
        }
        note(&mut own, sidecar_request::create(&body));
        let place = match body.get("name").and_then(Value::as_str) {
            Some(name) => format!("Sidecar \"{}\"", echo(name)),
            None => format!("Sidecar {index}"),
        };
        problems.extend(own.into_iter().map(|text| format!("{place}: {text}")));
        found.push(body);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(document: Value) -> Result<Vec<AppManifest>, Vec<String>> {
        let read = applications(document).and_then(|apps| read_all(&apps));
        read.map_err(|error| {
            error
                .entries
                .into_iter()
                .map(|entry| entry.detail)
                .collect()
        })
    }

    #[test]
    fn a_whole_app() {
        let apps = read_json(json!({"version": 1, "applications": [{
            "name": "shop", "path": "/x", "buildpacks": ["binary_buildpack"], "disk_quota": "1G",
            "env": {"A": 1, "B": true, "C": null, "D": {"e": []}},
            "features": {"ssh": false},
            "services": ["db", {"name": "mq", "binding_name": "queue"}],
            "sidecars": [{"name": "s", "command": "c", "process_types": ["web"], "memory": "8M"}],
            "metadata": {"labels": {"a": "b", "c": null}}, "default-route": true,
        }]}));
        let app = &apps.unwrap()[0];
        assert_eq!(
            Value::from(app.env.clone()),
            json!({
                "var": {"A": "1", "B": "true", "C": "", "D": "{\"e\":[]}"},
            })
        );
        assert_eq!(
            Value::from(app.app.clone()),
            json!({
                "lifecycle": {"type": "buildpack", "data": {"buildpacks": ["binary_buildpack"]}},
                "metadata": {"labels": {"a": "b", "c": null}},
            })
        );
        assert_eq!(app.processes[0].scale["disk_in_mb"], 1024);
        assert_eq!(app.sidecars[0]["memory_in_mb"], 8);
        assert_eq!(app.features, [("ssh".to_owned(), false)]);
        assert_eq!(app.routing, Routing::Default);
        let service = |instance: &str, binding: Option<&str>| ServiceManifest {
            instance: instance.to_owned(),
            binding: binding.map(str::to_owned),
        };
        assert_eq!(
            app.services,
            [service("db", None), service("mq", Some("queue"))]
        );
    }

    #[test]
    fn every_problem_of_every_app_is_told() {
        let problems = read_json(json!({"applications": [
            {"name": "a", "memory": "x", "env": [], "services": [5], "routes": 5},
            {"instances": 1.5},
            {"name": "a", "buildpack": "x", "buildpacks": [], "sidecars": [5], "features": {"q": 1}},
        ]}));
        let problems = problems.unwrap_err();
        let of = |start: &str| {
            problems
                .iter()
                .filter(|text| text.starts_with(start))
                .count()
        };
        assert!(of("For application 'a': ") >= 8, "{problems:#?}");
        assert!(of("For application at index 1: ") >= 2, "{problems:#?}");
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        for document in [
            json!(null),
            json!([]),
            json!({}),
            json!({"applications": {}}),
            json!({"applications": []}),
            json!({"applications": [5]}),
            json!({"version": 2, "applications": [{"name": "a"}]}),
        ] {
            assert_eq!(
                read_json(document.clone()).unwrap_err().len(),
                1,
                "{document}"
            );
        }
    }
}
