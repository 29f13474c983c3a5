//! Processes of a manifest, as the bodies of updates and scalings.

use serde_json::{Map, Value, json};

use super::sizes;
use crate::processes::request;

/// Longest process type, characters.
const MAX_TYPE_CHARS: usize = 255;

/// What a manifest says of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessManifest {
    /// Process type.
    pub(super) kind: String,
    /// Body of an update.
    pub(super) update: Map<String, Value>,
    /// Body of a scaling.
    pub(super) scale: Map<String, Value>,
}

/// Where a key of a manifest goes.
const SCALE: [&str; 4] = [
    "instances",
    "memory",
    "disk-quota",
    "log-rate-limit-per-second",
];
const UPDATE: [&str; 11] = [
    "command",
    "user",
    "timeout",
    "health-check-type",
    "health-check-http-endpoint",
    "health-check-invocation-timeout",
    "health-check-interval",
    "readiness-health-check-type",
    "readiness-health-check-http-endpoint",
    "readiness-health-check-invocation-timeout",
    "readiness-health-check-interval",
];

/// Whether a key says something of a process.
pub(super) fn is_key(key: &str) -> bool {
    SCALE.contains(&key) || UPDATE.contains(&key)
}

/// The processes of an app: keys of the app itself are the web process's, entries of `processes`
/// come over them.
pub(super) fn read(app: &Map<String, Value>, problems: &mut Vec<String>) -> Vec<ProcessManifest> {
    let mut found: Vec<(String, Map<String, Value>)> = Vec::new();
    let of_app: Map<String, Value> = app
        .iter()
        .filter(|(key, _)| is_key(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if !of_app.is_empty() {
        found.push((crate::guid::WEB.to_owned(), of_app));
    }
    match app.get("processes") {
        None | Some(Value::Null) => {}
        Some(Value::Array(entries)) => {
            let mut seen = std::collections::BTreeSet::new();
            for (index, entry) in entries.iter().enumerate() {
                let kind = entry
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                let (Value::Object(entry), 1..=MAX_TYPE_CHARS) = (entry, kind.chars().count())
                else {
                    problems.push(format!("Process {index}: Type must be a text"));
                    continue;
                };
                if !seen.insert(kind) {
                    problems.push(format!("Process \"{kind}\" may only be present once"));
                    continue;
                }
                let known = found.iter_mut().find(|(other, _)| other == kind);
                match known {
                    Some((_, keys)) => keys.extend(entry.clone()),
                    None => found.push((kind.to_owned(), entry.clone())),
                }
            }
        }
        Some(_) => problems.push("Processes must be an array of process configurations".to_owned()),
    }
    let bodies = found
        .into_iter()
        .map(|(kind, keys)| bodies(kind, &keys, problems));
    bodies.collect()
}

fn bodies(kind: String, keys: &Map<String, Value>, problems: &mut Vec<String>) -> ProcessManifest {
    let mut own = Vec::new();
    let scale = scale(keys, &mut own);
    let update = update(keys);
    super::document::note(&mut own, request::scale(&scale));
    super::document::note(&mut own, request::update(&update));
    problems.extend(
        own.into_iter()
            .map(|text| format!("Process \"{kind}\": {text}")),
    );
    ProcessManifest {
        kind,
        update,
        scale,
    }
}

fn scale(keys: &Map<String, Value>, problems: &mut Vec<String>) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |key: &str, read: Result<Value, String>| match read {
        Ok(value) => {
            body.insert(key.to_owned(), value);
        }
        Err(problem) => problems.push(problem),
    };
    let given = |key: &str| keys.get(key).filter(|value| !value.is_null());
    if let Some(count) = given("instances") {
        put("instances", Ok(count.clone()));
    }
    if let Some(size) = given("memory") {
        put("memory_in_mb", sizes::mebibytes(size, "Memory"));
    }
    if let Some(size) = given("disk-quota") {
        put("disk_in_mb", sizes::mebibytes(size, "Disk quota"));
    }
    if let Some(rate) = given("log-rate-limit-per-second") {
        let rate = sizes::rate(rate, "Log rate limit per second");
        put("log_rate_limit_in_bytes_per_second", rate);
    }
    body
}

fn update(keys: &Map<String, Value>) -> Map<String, Value> {
    let mut body = Map::new();
    if let Some(command) = keys.get("command") {
        let is_reset = matches!(command.as_str(), Some("null" | "default"));
        let command = if is_reset {
            Value::Null
        } else {
            command.clone()
        };
        body.insert("command".to_owned(), command);
    }
    if let Some(user) = keys.get("user") {
        body.insert("user".to_owned(), user.clone());
    }
    for (name, prefix) in [
        ("health_check", "health-check"),
        ("readiness_health_check", "readiness-health-check"),
    ] {
        if let Some(check) = check(keys, prefix) {
            body.insert(name.to_owned(), check);
        }
    }
    body
}

fn check(keys: &Map<String, Value>, prefix: &str) -> Option<Value> {
    let mut check = Map::new();
    if let Some(kind) = keys.get(&format!("{prefix}-type")) {
        // `none` is an old name.
        let is_none = kind.as_str() == Some("none");
        let kind = if is_none {
            json!("process")
        } else {
            kind.clone()
        };
        check.insert("type".to_owned(), kind);
    }
    let mut data = Map::new();
    for (key, field) in [
        (format!("{prefix}-http-endpoint"), "endpoint"),
        (format!("{prefix}-invocation-timeout"), "invocation_timeout"),
        (format!("{prefix}-interval"), "interval"),
    ] {
        if let Some(value) = keys.get(&key) {
            data.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(timeout) = keys.get("timeout").filter(|_| prefix == "health-check") {
        data.insert("timeout".to_owned(), timeout.clone());
    }
    if !data.is_empty() {
        check.insert("data".to_owned(), Value::Object(data));
    }
    (!check.is_empty()).then_some(Value::Object(check))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(app: Value) -> (Vec<ProcessManifest>, Vec<String>) {
        let mut problems = Vec::new();
        let app: Map<String, Value> = serde_json::from_value(app).unwrap();
        let found = read(&app, &mut problems);
        (found, problems)
    }

    #[test]
    fn keys_of_the_app_are_those_of_web() {
        let (found, problems) = read_json(json!({
            "name": "a", "instances": 4, "memory": "64M", "timeout": 90,
            "processes": [
                {"type": "worker", "command": "null", "health-check-type": "none"},
                {"type": "web", "memory": "1G", "health-check-type": "http",
                 "health-check-http-endpoint": "/up"},
            ],
        }));
        assert_eq!(problems, Vec::<String>::new());
        let web = &found[0];
        assert_eq!(web.kind, "web");
        assert_eq!(
            Value::from(web.scale.clone()),
            json!({"instances": 4, "memory_in_mb": 1024})
        );
        assert_eq!(
            Value::from(web.update.clone()),
            json!({
                "health_check": {"type": "http", "data": {"endpoint": "/up", "timeout": 90}},
            })
        );
        let worker = json!({"command": null, "health_check": {"type": "process"}});
        assert_eq!(Value::from(found[1].update.clone()), worker);
    }

    #[test]
    fn each_problem_names_its_process() {
        let (_, problems) = read_json(json!({
            "instances": -1, "memory": 5,
            "processes": [{"type": "x", "timeout": "y"}, {"type": "x"}, {}, 7],
        }));
        assert_eq!(problems.len(), 6, "{problems:#?}");
        assert!(
            problems
                .iter()
                .all(|problem| problem.starts_with("Process ")),
            "{problems:#?}"
        );
    }
}
