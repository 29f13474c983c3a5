//! `POST /v3/apps/{guid}/tasks`: the body, checked.

use serde_json::{Map, Value};

use crate::body::{IntegerRange, Validator};
use crate::checks::{given, guid, supported_keys, text_between};
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// Longest command, characters.
const MAX_COMMAND_CHARS: usize = 4_096;

/// Longest name, characters.
const MAX_NAME_CHARS: usize = 255;

/// The user that commands run as. There is no other in a sandbox.
pub(crate) const USER: &str = "vcap";

/// A checked body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CreateTask {
    /// Command; `None` = that of the template.
    pub(crate) command: Option<String>,
    /// Guid of the process whose command and sizes are the defaults.
    pub(crate) template: Option<String>,
    /// Name; `None` = a random one.
    pub(crate) name: Option<String>,
    /// Memory, MiB.
    pub(crate) memory_in_mb: Option<i64>,
    /// Disk, MiB.
    pub(crate) disk_in_mb: Option<i64>,
    /// Log rate, bytes per second; -1 = unlimited.
    pub(crate) log_rate_limit_in_bytes_per_second: Option<i64>,
    /// Droplet; `None` = the app's current one.
    pub(crate) droplet_guid: Option<String>,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// Checks a body.
pub(crate) fn create(body: &Map<String, Value>) -> Result<CreateTask, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    checks.known_fields(
        body,
        "",
        &[
            "name",
            "command",
            "disk_in_mb",
            "memory_in_mb",
            "log_rate_limit_in_bytes_per_second",
            "droplet_guid",
            "template",
            "user",
            "metadata",
        ],
    );
    let mut number = |key: &str, range| checks.optional_integer(body, key, range);
    let disk_in_mb = number("disk_in_mb", IntegerRange::POSITIVE);
    let memory_in_mb = number("memory_in_mb", IntegerRange::POSITIVE);
    let log_rate_limit_in_bytes_per_second = number(
        "log_rate_limit_in_bytes_per_second",
        IntegerRange::OR_UNLIMITED,
    );
    let droplet_guid = given(body, "droplet_guid")
        .and_then(|droplet| guid(&mut checks, Some(droplet), "Droplet guid"));
    let template = template(&mut checks, body);
    let command = command(&mut checks, body);
    user(&mut checks, body);
    let name = name(&mut checks, body);
    checks.finish()?;
    Ok(CreateTask {
        command,
        template,
        name,
        memory_in_mb,
        disk_in_mb,
        log_rate_limit_in_bytes_per_second,
        droplet_guid,
        metadata,
    })
}

/// Guid of the template process. The key alone already asks for one.
fn template(checks: &mut Validator, body: &Map<String, Value>) -> Option<String> {
    let template = given(body, "template")?;
    let process = template.as_object().and_then(|template| {
        supported_keys(checks, template, "Template", &["process"]);
        template.get("process")
    });
    let process_guid = process
        .and_then(Value::as_object)
        .and_then(|process| process.get("guid"));
    guid(checks, process_guid, "Template process guid")
}

fn command(checks: &mut Validator, body: &Map<String, Value>) -> Option<String> {
    match given(body, "command") {
        None => {
            if given(body, "template").is_none() {
                checks.add("Command No command or template provided");
            }
            None
        }
        Some(Value::String(command)) if command.is_empty() => {
            checks.add("command presence");
            None
        }
        Some(Value::String(command)) if command.contains('\0') => {
            checks.add("Command must not contain a null character");
            None
        }
        Some(Value::String(command)) if command.chars().count() > MAX_COMMAND_CHARS => {
            checks.add("command must be shorter than 4097 characters");
            None
        }
        Some(Value::String(command)) => Some(command.clone()),
        Some(_) => {
            checks.add("Command must be a string");
            None
        }
    }
}

/// Only one user exists; asking for it by name is allowed.
fn user(checks: &mut Validator, body: &Map<String, Value>) {
    let Some(user) = text_between(checks, body.get("user"), "User", 1, 255) else {
        return;
    };
    if user != USER {
        checks.add(format!(
            "user invalid (requested user '{user}' not allowed, permitted users are: {USER})"
        ));
    }
}

fn name(checks: &mut Validator, body: &Map<String, Value>) -> Option<String> {
    let name = text_between(checks, body.get("name"), "Name", 1, MAX_NAME_CHARS)?;
    if name.chars().any(char::is_control) {
        checks.add("name format");
        return None;
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: Value) -> Result<CreateTask, String> {
        let Value::Object(body) = body else {
            panic!("a body is an object");
        };
        create(&body).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn bodies_of_clients() {
        let by_cf =
            check(json!({"command": "rake db:migrate", "name": "migrate", "memory_in_mb": 64}));
        assert_eq!(
            by_cf,
            Ok(CreateTask {
                command: Some("rake db:migrate".to_owned()),
                name: Some("migrate".to_owned()),
                memory_in_mb: Some(64),
                ..CreateTask::default()
            })
        );
        let by_template = check(json!({"template": {"process": {"guid": "p"}}}));
        assert_eq!(
            by_template.map(|task| task.template),
            Ok(Some("p".to_owned()))
        );
        let by_python = check(json!({
            "command": "true", "name": null, "disk_in_mb": null, "memory_in_mb": null,
            "droplet_guid": null
        }));
        assert!(by_python.is_ok());
        assert!(check(json!({"command": "true", "user": "vcap"})).is_ok());
        assert!(check(json!({"command": "x".repeat(4_096)})).is_ok());
        assert!(check(json!({"command": "x", "log_rate_limit_in_bytes_per_second": -1})).is_ok());
    }

    #[test]
    fn what_is_refused_and_how() {
        let with = |key: &str, value: Value| json!({"command": "true", key: value});
        let not_a_guid =
            "must be a string, Template process guid must be between 1 and 200 characters";
        let table = [
            (
                json!({}),
                "Command No command or template provided".to_owned(),
            ),
            (
                json!({"command": null}),
                "Command No command or template provided".to_owned(),
            ),
            (
                json!({"command": null, "template": null}),
                "Command No command or template provided".to_owned(),
            ),
            (json!({"command": 1}), "Command must be a string".to_owned()),
            (json!({"command": ""}), "command presence".to_owned()),
            (
                json!({"command": "a\u{0}b"}),
                "Command must not contain a null character".to_owned(),
            ),
            (
                json!({"command": "x".repeat(4_097)}),
                "command must be shorter than 4097 characters".to_owned(),
            ),
            (
                with("invalid", json!(1)),
                "Unknown field(s): 'invalid'".to_owned(),
            ),
            (
                json!({"template": {}}),
                format!("Template process guid {not_a_guid}"),
            ),
            (
                json!({"template": "x"}),
                format!("Template process guid {not_a_guid}"),
            ),
            (
                json!({"template": {"process": "x"}}),
                format!("Template process guid {not_a_guid}"),
            ),
            (
                json!({"template": {"process": {"guid": 1}}}),
                format!("Template process guid {not_a_guid}"),
            ),
            (
                json!({"template": {"process": {"guid": ""}}}),
                "Template process guid must be between 1 and 200 characters".to_owned(),
            ),
            (
                with("memory_in_mb", json!(0)),
                "Memory in mb must be greater than 0".to_owned(),
            ),
            (
                with("memory_in_mb", json!("64")),
                "Memory in mb is not a number".to_owned(),
            ),
            (
                with("memory_in_mb", json!(1.5)),
                "Memory in mb must be an integer".to_owned(),
            ),
            (
                with("disk_in_mb", json!(-1)),
                "Disk in mb must be greater than 0".to_owned(),
            ),
            (
                with("log_rate_limit_in_bytes_per_second", json!(-2)),
                "Log rate limit in bytes per second must be greater than or equal to -1".to_owned(),
            ),
            (with("user", json!(5)), "User must be a string".to_owned()),
            (
                with("user", json!("")),
                "User must be between 1 and 255 characters".to_owned(),
            ),
            (
                with("user", json!("root")),
                "user invalid (requested user 'root' not allowed, permitted users are: vcap)"
                    .to_owned(),
            ),
            (
                with("droplet_guid", json!(7)),
                "Droplet guid must be a string, Droplet guid must be between 1 and 200 characters"
                    .to_owned(),
            ),
            (
                with("droplet_guid", json!("x".repeat(201))),
                "Droplet guid must be between 1 and 200 characters".to_owned(),
            ),
            (with("name", json!([])), "Name must be a string".to_owned()),
            (with("name", json!("a\nb")), "name format".to_owned()),
            (
                with("name", json!("x".repeat(256))),
                "Name must be between 1 and 255 characters".to_owned(),
            ),
        ];
        for (body, detail) in table {
            assert_eq!(check(body.clone()), Err(detail), "{body}");
        }
    }
}
