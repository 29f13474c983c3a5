//! `POST /v3/builds`: the body, checked.

use serde_json::{Map, Value};

use crate::apps::lifecycle::{self, LifecyclePatch};
use crate::body::{IntegerRange, Validator};
use crate::checks::{given, guid, object, supported_keys};
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// A checked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateBuild {
    /// The package.
    pub(crate) package_guid: String,
    /// Memory of the run, MiB.
    pub(crate) memory_in_mb: Option<i64>,
    /// Disk of the run, MiB.
    pub(crate) disk_in_mb: Option<i64>,
    /// Lifecycle of this build alone.
    pub(crate) lifecycle: Option<LifecyclePatch>,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// Checks `POST /v3/builds`.
pub(crate) fn create(body: &Map<String, Value>) -> Result<CreateBuild, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    let mut number = |key: &str, range| checks.optional_integer(body, key, range);
    let disk_in_mb = number("staging_disk_in_mb", IntegerRange::POSITIVE);
    let memory_in_mb = number("staging_memory_in_mb", IntegerRange::POSITIVE);
    number(
        "staging_log_rate_limit_bytes_per_second",
        IntegerRange::OR_UNLIMITED,
    );
    checks.known_fields(
        body,
        "",
        &[
            "staging_memory_in_mb",
            "staging_disk_in_mb",
            "staging_log_rate_limit_bytes_per_second",
            "environment_variables",
            "lifecycle",
            "package",
            "metadata",
        ],
    );
    object(
        &mut checks,
        body.get("environment_variables"),
        "Environment variables",
    );
    let lifecycle = lifecycle::parse(&mut checks, body);
    let package_guid = package_guid(&mut checks, body);
    checks.finish()?;
    Ok(CreateBuild {
        package_guid: package_guid.unwrap_or_default(),
        memory_in_mb,
        disk_in_mb,
        lifecycle,
        metadata,
    })
}

fn package_guid(checks: &mut Validator, body: &Map<String, Value>) -> Option<String> {
    let package = object(checks, body.get("package"), "Package");
    if let Some(package) = package {
        supported_keys(checks, package, "Package", &["guid"]);
    }
    let value = package.and_then(|package| given(package, "guid"));
    if value.is_none() {
        checks.add("Package guid can't be blank");
    }
    guid(checks, value, "Package guid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: Value) -> Result<CreateBuild, String> {
        let Value::Object(body) = body else {
            panic!("a body is an object");
        };
        create(&body).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn bodies_of_clients() {
        assert!(check(json!({"package": {"guid": "p"}})).is_ok());
        let body = json!({
            "package": {"guid": "p"}, "staging_memory_in_mb": 512, "staging_disk_in_mb": 1024,
            "lifecycle": {"type": "buildpack", "data": {"buildpacks": ["binary_buildpack"]}}
        });
        let build = check(body).unwrap();
        assert_eq!(
            (build.memory_in_mb, build.disk_in_mb),
            (Some(512), Some(1024))
        );
    }

    #[test]
    fn what_is_refused_and_how() {
        const NO_GUID: &str = "Package guid can't be blank, Package guid must be a string, \
                               Package guid must be between 1 and 200 characters";
        for (body, wanted) in [
            (json!({}), NO_GUID.to_owned()),
            (json!({"package": {}}), NO_GUID.to_owned()),
            (
                json!({"package": "p"}),
                format!("Package must be an object, {NO_GUID}"),
            ),
            (
                json!({"package": {"guid": "p"}, "staging_memory_in_mb": 0}),
                "Staging memory in mb must be greater than 0".to_owned(),
            ),
            (
                json!({"package": {"guid": "p"}, "lifecycle": 1}),
                "Lifecycle must be an object".to_owned(),
            ),
            (
                json!({"package": {"guid": "p"}, "x": 1}),
                "Unknown field(s): 'x'".to_owned(),
            ),
        ] {
            assert_eq!(check(body.clone()), Err(wanted), "{body}");
        }
    }
}
