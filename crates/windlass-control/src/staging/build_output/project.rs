//! What a project says about its build: settings, and the project file, which wins.

use std::path::Path;

use serde_json::{Map, Value};

use super::{failed, files};
use crate::staging::BuildOutputPlan;
use crate::staging::result::LifecycleFailure;

/// The project file.
const FILE: &str = "vercel.json";
/// What older sources call it.
const OLDER_FILE: &str = "now.json";

/// Fields that ask for what does not exist here: name, what they ask for.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("builds", "builders of its own"),
    ("functions", "functions made from source"),
    ("services", "several services"),
    ("experimentalServices", "several services"),
];

/// The whole of it.
pub(super) struct Project {
    /// Of the project file.
    pub(super) fields: Value,
    /// `None` = by the lock file, empty = none.
    pub(super) install_command: Option<String>,
    /// `None` = the script `build`, empty = none.
    pub(super) build_command: Option<String>,
    /// `None` = the usual one, empty = all of the source.
    pub(super) output_dir: Option<String>,
    /// Its success says that nothing is to be built.
    pub(super) ignore_command: Option<String>,
}

impl Project {
    pub(super) fn read(
        root: &Path,
        plan: &BuildOutputPlan,
        build_command: Option<&str>,
    ) -> Result<Self, LifecycleFailure> {
        let mut fields = file(root)?;
        if let Some(Value::Object(given)) = &plan.settings.project {
            fields.extend(given.clone());
        }
        for (name, what) in UNSUPPORTED {
            if fields.get(name).is_some_and(is_something) {
                return Err(failed(format!(
                    "{FILE}: `{name}` asks for {what}: {WAY_OUT}"
                )));
            }
        }
        let framework = setting(&fields, "framework", plan.settings.framework.as_deref())?;
        if let Some(name) = framework.filter(|name| !name.is_empty()) {
            return Err(failed(format!(
                "the framework preset {name:?} is not known here: {WAY_OUT}"
            )));
        }
        let settings = &plan.settings;
        let given = |name, setting_of: Option<&str>| setting(&fields, name, setting_of);
        Ok(Self {
            install_command: given("installCommand", settings.install_command.as_deref())?,
            build_command: given("buildCommand", build_command)?,
            output_dir: given("outputDirectory", plan.output_dir.as_deref())?,
            ignore_command: given("ignoreCommand", settings.ignore_command.as_deref())?
                .filter(|command| !command.trim().is_empty()),
            fields: Value::Object(fields),
        })
    }
}

/// What to do about something that is not built here.
pub(super) const WAY_OUT: &str =
    "build it with `vercel build` and deploy the output with `--prebuilt`";

/// `null` in the file means: as if nobody had said anything.
fn setting(
    fields: &Map<String, Value>,
    name: &str,
    of_project: Option<&str>,
) -> Result<Option<String>, LifecycleFailure> {
    match fields.get(name) {
        None => Ok(of_project.map(str::to_owned)),
        Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(failed(format!("{FILE}: `{name}` must be a text"))),
    }
}

fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

fn file(root: &Path) -> Result<Map<String, Value>, LifecycleFailure> {
    for name in [FILE, OLDER_FILE] {
        let Some(text) = files::read(&root.join(name))? else {
            continue;
        };
        return match serde_json::from_slice(&text) {
            Ok(Value::Object(fields)) => Ok(fields),
            Ok(_) => Err(failed(format!("{name}: it must be an object"))),
            Err(error) => Err(failed(format!("{name}: {error}"))),
        };
    }
    Ok(Map::new())
}
