//! Bodies of `/v3/processes`, checked.

use serde_json::{Map, Value};
use windlass_engine::configuration::{HealthCheck, HealthKind};

use crate::body::{IntegerRange, Validator};
use crate::checks::{Patch, object, supported_keys, text_between};
use crate::disk;
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// Longest command, characters.
const MAX_COMMAND_CHARS: usize = 4_096;

/// Longest start-up that a health check may allow, seconds.
const MAX_START_TIMEOUT_SECS: u64 = 180;

/// Endpoint of an HTTP check that names none.
const DEFAULT_ENDPOINT: &str = "/";

/// A checked scale request. Absent parts stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ScaleProcess {
    /// Instances.
    pub(crate) instances: Option<i64>,
    /// Memory of one instance, MiB.
    pub(crate) memory_in_mb: Option<i64>,
    /// Disk of one instance, MiB.
    pub(crate) disk_in_mb: Option<i64>,
    /// Log rate of one instance, bytes per second; -1 = unlimited.
    pub(crate) log_rate_limit_in_bytes_per_second: Option<i64>,
}

/// A checked `PATCH /v3/processes/{guid}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UpdateProcess {
    /// Command.
    pub(crate) command: Patch<String>,
    /// User.
    pub(crate) user: Patch<String>,
    /// Health check.
    pub(crate) health: CheckPatch,
    /// Readiness check.
    pub(crate) readiness: CheckPatch,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// Way to check, in the words of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckWord {
    /// The port listens.
    Port,
    /// The process lives.
    Process,
    /// A GET succeeds.
    Http,
}

/// Changes of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct CheckPatch {
    kind: Option<CheckWord>,
    start_timeout_secs: Patch<u64>,
    invocation_timeout_secs: Patch<u64>,
    interval_secs: Patch<u64>,
    endpoint: Patch<String>,
}

impl CheckPatch {
    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What a check becomes. An endpoint without an HTTP check is dropped.
    pub(crate) fn apply(&self, old: &HealthCheck) -> HealthCheck {
        let old_endpoint = match &old.kind {
            HealthKind::Http { endpoint } => Some(endpoint.clone()),
            HealthKind::Process | HealthKind::Port => None,
        };
        let endpoint = self
            .endpoint
            .apply(old_endpoint)
            .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        let kind = match (self.kind, &old.kind) {
            (Some(CheckWord::Http), _) | (None, HealthKind::Http { .. }) => {
                HealthKind::Http { endpoint }
            }
            (Some(CheckWord::Port), _) | (None, HealthKind::Port) => HealthKind::Port,
            (Some(CheckWord::Process), _) | (None, HealthKind::Process) => HealthKind::Process,
        };
        HealthCheck {
            kind,
            start_timeout_secs: self.start_timeout_secs.apply(old.start_timeout_secs),
            invocation_timeout_secs: self
                .invocation_timeout_secs
                .apply(old.invocation_timeout_secs),
            interval_secs: self.interval_secs.apply(old.interval_secs),
            ..old.clone()
        }
    }
}

/// Checks a scale request.
pub(crate) fn scale(body: &Map<String, Value>) -> Result<ScaleProcess, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(
        body,
        "",
        &[
            "instances",
            "memory_in_mb",
            "disk_in_mb",
            "log_rate_limit_in_bytes_per_second",
        ],
    );
    let mut number = |key: &str, range| checks.optional_integer(body, key, range);
    let scale = ScaleProcess {
        instances: number("instances", IntegerRange::NOT_NEGATIVE),
        memory_in_mb: number("memory_in_mb", IntegerRange::POSITIVE),
        disk_in_mb: number("disk_in_mb", IntegerRange::POSITIVE),
        log_rate_limit_in_bytes_per_second: number(
            "log_rate_limit_in_bytes_per_second",
            IntegerRange::OR_UNLIMITED,
        ),
    };
    disk::check(&mut checks, scale.disk_in_mb);
    checks.finish()?;
    Ok(scale)
}

/// Checks `PATCH /v3/processes/{guid}`.
pub(crate) fn update(body: &Map<String, Value>) -> Result<UpdateProcess, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    checks.known_fields(
        body,
        "",
        &[
            "command",
            "user",
            "health_check",
            "readiness_health_check",
            "metadata",
        ],
    );
    let mut text = |key: &str, label: &str, max| match body.get(key) {
        None => Patch::Keep,
        Some(value) => Patch::to(text_between(&mut checks, Some(value), label, 1, max)),
    };
    let command = text("command", "Command", MAX_COMMAND_CHARS);
    let user = text("user", "User", 255);
    let health = check(&mut checks, body.get("health_check"), "Health check", true);
    let readiness = check(
        &mut checks,
        body.get("readiness_health_check"),
        "Readiness health check",
        false,
    );
    checks.finish()?;
    Ok(UpdateProcess {
        command,
        user,
        health,
        readiness,
        metadata,
    })
}

fn check(
    checks: &mut Validator,
    value: Option<&Value>,
    label: &str,
    has_start_timeout: bool,
) -> CheckPatch {
    let Some(check) = object(checks, value, label) else {
        return CheckPatch::default();
    };
    supported_keys(checks, check, label, &["type", "data"]);
    let kind = kind(checks, check, label);
    let Some(data) = object(checks, check.get("data"), &format!("{label} data")) else {
        return CheckPatch {
            kind,
            ..CheckPatch::default()
        };
    };
    let keys: &[&str] = if has_start_timeout {
        &["timeout", "invocation_timeout", "interval", "endpoint"]
    } else {
        &["invocation_timeout", "interval", "endpoint"]
    };
    supported_keys(checks, data, &format!("{label} data"), keys);
    let start_timeout_secs = if has_start_timeout {
        seconds(checks, data, label, "timeout")
    } else {
        Patch::Keep
    };
    if matches!(start_timeout_secs, Patch::Set(secs) if secs > MAX_START_TIMEOUT_SECS) {
        checks.add("health_check_timeout Maximum exceeded: max 180s");
    }
    CheckPatch {
        kind,
        start_timeout_secs,
        invocation_timeout_secs: seconds(checks, data, label, "invocation_timeout"),
        interval_secs: seconds(checks, data, label, "interval"),
        endpoint: endpoint(checks, data, label),
    }
}

fn kind(checks: &mut Validator, check: &Map<String, Value>, label: &str) -> Option<CheckWord> {
    match check.get("type")?.as_str() {
        Some("port") => Some(CheckWord::Port),
        Some("process") => Some(CheckWord::Process),
        Some("http") => Some(CheckWord::Http),
        Some(_) | None => {
            checks.add(format!(
                "{label} type must be \"port\", \"process\", or \"http\""
            ));
            None
        }
    }
}

fn seconds(
    checks: &mut Validator,
    data: &Map<String, Value>,
    label: &str,
    key: &str,
) -> Patch<u64> {
    let Some(value) = data.get(key) else {
        return Patch::Keep;
    };
    if value.is_null() {
        return Patch::Reset;
    }
    let name = format!("{label} {}", key.replace('_', " "));
    let whole = value
        .as_number()
        .filter(|number| number.is_i64() || number.is_u64());
    let max = IntegerRange::POSITIVE.max;
    let problem = match whole.map(serde_json::Number::as_i64) {
        None if value.is_number() => "must be an integer".to_owned(),
        None => "is not a number".to_owned(),
        Some(Some(secs)) if secs < 1 => "must be greater than or equal to 1".to_owned(),
        Some(Some(secs)) if secs <= max => return Patch::Set(secs.unsigned_abs()),
        Some(Some(_) | None) => format!("must be less than or equal to {max}"),
    };
    checks.add(format!("{name} {problem}"));
    Patch::Keep
}

fn endpoint(checks: &mut Validator, data: &Map<String, Value>, label: &str) -> Patch<String> {
    let problem = match data.get("endpoint") {
        None => return Patch::Keep,
        Some(Value::Null) => return Patch::Reset,
        Some(Value::String(path)) if path.chars().count() > 255 => {
            "is too long (maximum is 255 characters)"
        }
        Some(Value::String(path)) if is_uri_path(path) => return Patch::Set(path.clone()),
        Some(_) => "must be a valid URI path",
    };
    checks.add(format!("{label} endpoint {problem}"));
    Patch::Keep
}

/// Whether a text is a path, with or without a query, as a request line can carry it.
fn is_uri_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains('#') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(object) => object,
            _ => panic!("a body is an object"),
        }
    }

    fn refused<T: std::fmt::Debug>(answer: Result<T, ApiError>) -> String {
        answer.unwrap_err().detail().to_owned()
    }

    #[test]
    fn scale_takes_what_is_given() {
        let body = object(json!({"instances": 0, "memory_in_mb": null, "disk_in_mb": 64}));
        assert_eq!(
            scale(&body),
            Ok(ScaleProcess {
                instances: Some(0),
                disk_in_mb: Some(64),
                ..ScaleProcess::default()
            })
        );
        for (body, wanted) in [
            (
                json!({"instances": -1}),
                "Instances must be greater than or equal to 0",
            ),
            (json!({"instances": "2"}), "Instances is not a number"),
            (json!({"instances": 1.5}), "Instances must be an integer"),
            (
                json!({"memory_in_mb": 0}),
                "Memory in mb must be greater than 0",
            ),
            (
                json!({"log_rate_limit_in_bytes_per_second": -2}),
                "Log rate limit in bytes per second must be greater than or equal to -1",
            ),
            (
                json!({"disk_in_mb": 2_049}),
                "disk_quota too much disk requested (requested 2049 MB - must be less than \
                 2048 MB)",
            ),
            (json!({"x": 1}), "Unknown field(s): 'x'"),
        ] {
            assert_eq!(refused(scale(&object(body))), wanted);
        }
    }

    #[test]
    fn what_an_update_refuses_and_how() {
        let http = |data: Value| json!({"health_check": {"type": "http", "data": data}});
        for (body, wanted) in [
            (json!({"x": 1}), "Unknown field(s): 'x'".to_owned()),
            (
                json!({"command": ""}),
                "Command must be between 1 and 4096 characters".to_owned(),
            ),
            (json!({"command": 1}), "Command must be a string".to_owned()),
            (
                json!({"command": "x".repeat(4_097)}),
                "Command must be between 1 and 4096 characters".to_owned(),
            ),
            (
                json!({"user": ""}),
                "User must be between 1 and 255 characters".to_owned(),
            ),
            (
                json!({"health_check": 1}),
                "Health check must be an object".to_owned(),
            ),
            (
                json!({"health_check": {"type": "tcp"}}),
                "Health check type must be \"port\", \"process\", or \"http\"".to_owned(),
            ),
            (
                json!({"readiness_health_check": {"type": null}}),
                "Readiness health check type must be \"port\", \"process\", or \"http\"".to_owned(),
            ),
            (
                json!({"readiness_health_check": {"data": {"timeout": 1}}}),
                "Readiness health check data has unsupported key(s): timeout".to_owned(),
            ),
            (
                http(json!({"timeout": 0})),
                "Health check timeout must be greater than or equal to 1".to_owned(),
            ),
            (
                http(json!({"timeout": 181})),
                "health_check_timeout Maximum exceeded: max 180s".to_owned(),
            ),
            (
                http(json!({"invocation_timeout": "x"})),
                "Health check invocation timeout is not a number".to_owned(),
            ),
            (
                http(json!({"interval": 1.5})),
                "Health check interval must be an integer".to_owned(),
            ),
            (
                http(json!({"interval": u64::MAX})),
                "Health check interval must be less than or equal to 2147483647".to_owned(),
            ),
            (
                http(json!({"endpoint": "health"})),
                "Health check endpoint must be a valid URI path".to_owned(),
            ),
            (
                http(json!({"endpoint": "/a b\r\nx"})),
                "Health check endpoint must be a valid URI path".to_owned(),
            ),
            (
                http(json!({"endpoint": format!("/{}", "x".repeat(255))})),
                "Health check endpoint is too long (maximum is 255 characters)".to_owned(),
            ),
        ] {
            assert_eq!(refused(update(&object(body))), wanted);
        }
    }

    #[test]
    fn a_check_keeps_what_the_update_does_not_name() {
        let port = HealthCheck {
            start_timeout_secs: Some(90),
            ..HealthCheck::new(HealthKind::Port)
        };
        let patch = |body: Value| update(&object(body)).unwrap().health;
        let to_http = patch(json!({"health_check": {
            "type": "http", "data": {"endpoint": "/up", "interval": 5}
        }}));
        let http = to_http.apply(&port);
        assert_eq!(
            http,
            HealthCheck {
                kind: HealthKind::Http {
                    endpoint: "/up".to_owned()
                },
                start_timeout_secs: Some(90),
                interval_secs: Some(5),
                ..HealthCheck::new(HealthKind::Port)
            }
        );
        let reset = patch(json!({"health_check": {"data": {"timeout": null, "interval": null}}}));
        let back = reset.apply(&http);
        assert_eq!(
            back.kind,
            HealthKind::Http {
                endpoint: "/up".to_owned()
            }
        );
        assert_eq!((back.start_timeout_secs, back.interval_secs), (None, None));
        let to_process = patch(json!({"health_check": {"type": "process"}}));
        assert_eq!(to_process.apply(&http).kind, HealthKind::Process);
        let plain = patch(json!({"health_check": {"type": "http"}}));
        assert_eq!(
            plain.apply(&port).kind,
            HealthKind::Http {
                endpoint: DEFAULT_ENDPOINT.to_owned()
            }
        );
        assert!(patch(json!({})).is_empty());
    }

    #[test]
    fn a_null_command_means_the_droplets() {
        assert_eq!(
            update(&object(json!({"command": null}))).unwrap().command,
            Patch::Reset
        );
        assert_eq!(update(&object(json!({}))).unwrap().command, Patch::Keep);
    }
}
