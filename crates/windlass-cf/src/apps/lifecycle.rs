//! `lifecycle` of apps and builds: which buildpacks and which stack.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::body::Validator;
use crate::checks::{Patch, echo, given, object};
use crate::error::ApiError;

/// Most buildpacks of one app.
const MAX_BUILDPACKS: usize = 32;

/// Longest name of a buildpack or stack, characters.
const MAX_NAME_CHARS: usize = 4_096;

/// The only root file system: the machine's own.
pub(crate) const STACK: &str = crate::stacks::NAME;

/// A way to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// Classic buildpacks.
    #[default]
    Buildpack,
    /// An image: known to the wire, not offered.
    Docker,
    /// Cloud Native Buildpacks: known to the wire, not offered.
    CloudNative,
}

/// A `lifecycle` of a body. Absent parts keep what there is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LifecyclePatch {
    /// Way to build.
    pub(crate) kind: Kind,
    /// Buildpacks by name or address; `Some(empty)` = detect.
    pub(crate) buildpacks: Option<Vec<String>>,
    /// Stack.
    pub(crate) stack: Patch<String>,
}

/// The lifecycle as an app keeps it in its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Lifecycle {
    /// Buildpacks by name or address; empty = detect.
    pub(crate) buildpacks: Vec<String>,
    /// Stack.
    pub(crate) stack: String,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            buildpacks: Vec::new(),
            stack: STACK.to_owned(),
        }
    }
}

impl Lifecycle {
    /// What it becomes.
    pub(crate) fn patched(&self, patch: &LifecyclePatch) -> Self {
        Self {
            buildpacks: patch
                .buildpacks
                .clone()
                .unwrap_or_else(|| self.buildpacks.clone()),
            stack: patch
                .stack
                .apply(Some(self.stack.clone()))
                .unwrap_or_else(|| STACK.to_owned()),
        }
    }

    /// As the wire has it.
    pub(crate) fn to_wire(&self) -> Value {
        json!({"type": "buildpack", "data": {"buildpacks": self.buildpacks, "stack": self.stack}})
    }
}

impl LifecyclePatch {
    /// Refuses ways to build that are not offered.
    ///
    /// # Errors
    /// 403 330002, as where an operator has switched them off.
    pub(crate) fn offered(&self) -> Result<(), ApiError> {
        match self.kind {
            Kind::Buildpack => Ok(()),
            Kind::Docker => Err(ApiError::feature_disabled("diego_docker", None)),
            Kind::CloudNative => Err(ApiError::feature_disabled("diego_cnb", None)),
        }
    }
}

/// Reads and checks the `lifecycle` of a body. `None` = not given.
pub(crate) fn parse(checks: &mut Validator, body: &Map<String, Value>) -> Option<LifecyclePatch> {
    let lifecycle = object(checks, body.get("lifecycle"), "Lifecycle")?;
    checks.known_fields(lifecycle, "Lifecycle", &["type", "data"]);
    let kind = kind(checks, lifecycle);
    let Some(data) = lifecycle.get("data").and_then(Value::as_object) else {
        checks.add("Lifecycle data must be an object");
        return None;
    };
    if kind == Kind::Docker {
        checks.known_fields(data, "Lifecycle", &[]);
        return Some(LifecyclePatch {
            kind,
            ..LifecyclePatch::default()
        });
    }
    checks.known_fields(data, "Lifecycle", &["buildpacks", "stack", "credentials"]);
    object(checks, data.get("credentials"), "Lifecycle Credentials");
    Some(LifecyclePatch {
        kind,
        buildpacks: buildpacks(checks, data),
        stack: stack(checks, data),
    })
}

fn kind(checks: &mut Validator, lifecycle: &Map<String, Value>) -> Kind {
    match given(lifecycle, "type").map(Value::as_str) {
        None | Some(Some("buildpack")) => Kind::Buildpack,
        Some(Some("docker")) => Kind::Docker,
        Some(Some("cnb")) => Kind::CloudNative,
        Some(Some(_)) => {
            checks.add("Lifecycle type is not included in the list: buildpack, docker, cnb");
            Kind::Buildpack
        }
        Some(None) => {
            checks.add("Lifecycle type must be a string");
            Kind::Buildpack
        }
    }
}

fn buildpacks(checks: &mut Validator, data: &Map<String, Value>) -> Option<Vec<String>> {
    let value = data.get("buildpacks")?;
    let entries = match value {
        Value::Null => return Some(Vec::new()),
        Value::Array(entries) => entries,
        _ => {
            checks.add("Lifecycle Buildpacks must be an array");
            return None;
        }
    };
    if entries.len() > MAX_BUILDPACKS {
        checks.add(format!(
            "Lifecycle Buildpacks must not have more than {MAX_BUILDPACKS} entries"
        ));
        return None;
    }
    if entries.iter().any(|entry| !entry.is_string()) {
        checks.add("Lifecycle Buildpacks can only contain strings");
    }
    let names: Vec<String> = entries
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let fits = |name: &String| !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS;
    if !names.iter().all(fits) {
        checks.add("Lifecycle Buildpacks entries must be between 1 and 4096 characters");
    }
    Some(names)
}

fn stack(checks: &mut Validator, data: &Map<String, Value>) -> Patch<String> {
    let problem = match data.get("stack") {
        None => return Patch::Keep,
        Some(Value::Null) => return Patch::Reset,
        Some(Value::String(name)) if name == STACK => return Patch::Set(name.clone()),
        Some(Value::String(name)) if (1..=MAX_NAME_CHARS).contains(&name.chars().count()) => {
            format!("Stack '{}' must be an existing stack", echo(name))
        }
        Some(Value::String(_)) => {
            "Lifecycle Stack must be between 1 and 4096 characters".to_owned()
        }
        Some(_) => "Lifecycle Stack must be a string".to_owned(),
    };
    checks.add(problem);
    Patch::Keep
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lifecycle: Value) -> Result<Option<LifecyclePatch>, String> {
        let body = Map::from_iter([("lifecycle".to_owned(), lifecycle)]);
        let mut checks = Validator::new();
        let patch = parse(&mut checks, &body);
        checks
            .finish()
            .map(|()| patch)
            .map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn patches_keep_what_they_do_not_name() {
        let old = Lifecycle {
            buildpacks: vec!["a".to_owned()],
            stack: STACK.to_owned(),
        };
        let patched = |data: Value| {
            let patch = check(json!({"type": "buildpack", "data": data}))
                .unwrap()
                .unwrap();
            old.patched(&patch).buildpacks
        };
        assert_eq!(patched(json!({})), ["a"]);
        assert_eq!(patched(json!({"buildpacks": null})), Vec::<String>::new());
        assert_eq!(
            patched(json!({"buildpacks": ["b", "c"], "stack": null})),
            ["b", "c"]
        );
        assert_eq!(check(Value::Null), Ok(None));
    }

    #[test]
    fn only_buildpacks_are_offered() {
        for (kind, status) in [("docker", 403), ("cnb", 403)] {
            let patch = check(json!({"type": kind, "data": {}})).unwrap().unwrap();
            assert_eq!(patch.offered().unwrap_err().status, status);
        }
    }

    #[test]
    fn what_is_refused_and_how() {
        let data = |data: Value| json!({"type": "buildpack", "data": data});
        for (lifecycle, detail) in [
            (json!("x"), "Lifecycle must be an object"),
            (
                json!({"type": "buildpack"}),
                "Lifecycle data must be an object",
            ),
            (
                json!({"type": 1, "data": {}}),
                "Lifecycle type must be a string",
            ),
            (
                json!({"type": "x", "data": {}}),
                "Lifecycle type is not included in the list: buildpack, docker, cnb",
            ),
            (
                json!({"data": {}, "x": 1}),
                "Lifecycle Unknown field(s): 'x'",
            ),
            (data(json!({"x": 1})), "Lifecycle Unknown field(s): 'x'"),
            (
                data(json!({"buildpacks": "x"})),
                "Lifecycle Buildpacks must be an array",
            ),
            (
                data(json!({"buildpacks": [1]})),
                "Lifecycle Buildpacks can only contain strings",
            ),
            (
                data(json!({"buildpacks": [""]})),
                "Lifecycle Buildpacks entries must be between 1 and 4096 characters",
            ),
            (
                data(json!({"stack": 1})),
                "Lifecycle Stack must be a string",
            ),
            (
                data(json!({"stack": "lucid64"})),
                "Stack 'lucid64' must be an existing stack",
            ),
            (
                data(json!({"credentials": 1})),
                "Lifecycle Credentials must be an object",
            ),
        ] {
            assert_eq!(
                check(lifecycle.clone()),
                Err(detail.to_owned()),
                "{lifecycle}"
            );
        }
    }
}
