//! `POST /v3/packages`: the body, checked.

use serde_json::{Map, Value};

use crate::body::Validator;
use crate::checks::given;
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// A checked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreatePackage {
    /// The app.
    pub(crate) app_guid: String,
    /// Whether it is an image, which no app here takes.
    pub(crate) is_docker: bool,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// Checks `POST /v3/packages`.
pub(crate) fn create(body: &Map<String, Value>) -> Result<CreatePackage, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    checks.known_fields(body, "", &["relationships", "type", "data", "metadata"]);
    let is_docker = match body.get("type").and_then(Value::as_str) {
        Some("bits") => {
            check_bits_data(&mut checks, body);
            false
        }
        Some("docker") => true,
        Some(_) | None => {
            checks.add("Type must be one of 'bits, docker'");
            false
        }
    };
    let relationships = checks.relationships(body, &["app"]);
    let app_guid = checks.required_to_one(relationships, "app");
    checks.finish()?;
    Ok(CreatePackage {
        app_guid: app_guid.unwrap_or_default(),
        is_docker,
        metadata,
    })
}

/// Checks the body of a copy (`POST /v3/packages?source_guid=…`): the guid of the app.
pub(crate) fn copy(body: &Map<String, Value>) -> Result<String, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["relationships"]);
    let relationships = checks.relationships(body, &["app"]);
    let app_guid = checks.required_to_one(relationships, "app");
    checks.finish()?;
    Ok(app_guid.unwrap_or_default())
}

fn check_bits_data(checks: &mut Validator, body: &Map<String, Value>) {
    let is_empty = match given(body, "data") {
        None => true,
        Some(data) => data.as_object().is_some_and(Map::is_empty),
    };
    if !is_empty {
        checks.add("Data must be empty if provided for bits packages");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: Value) -> Result<CreatePackage, String> {
        let Value::Object(body) = body else {
            panic!("a body is an object");
        };
        create(&body).map_err(|error| error.detail().to_owned())
    }

    fn with(key: &str, value: Value) -> Value {
        let mut body = json!({"type": "bits", "relationships": {"app": {"data": {"guid": "a"}}}});
        body[key] = value;
        body
    }

    #[test]
    fn bits_of_an_app() {
        let package = check(with("data", json!({}))).unwrap();
        assert_eq!((package.app_guid.as_str(), package.is_docker), ("a", false));
        assert!(check(with("data", Value::Null)).is_ok());
        assert!(check(with("type", json!("docker"))).is_ok_and(|package| package.is_docker));
    }

    #[test]
    fn what_is_refused_and_how() {
        for (body, wanted) in [
            (
                with("type", json!("zip")),
                "Type must be one of 'bits, docker'",
            ),
            (with("type", json!(1)), "Type must be one of 'bits, docker'"),
            (
                with("data", json!({"x": 1})),
                "Data must be empty if provided for bits packages",
            ),
            (
                with("data", json!([])),
                "Data must be empty if provided for bits packages",
            ),
            (with("x", json!(1)), "Unknown field(s): 'x'"),
            (
                with("relationships", json!({"app": {"data": {"guid": 1}}})),
                "Relationships App Guid must be a string, Relationships App Guid must be between \
                 1 and 200 characters",
            ),
            (
                with("relationships", json!({})),
                "Relationships App can't be blank",
            ),
        ] {
            assert_eq!(check(body), Err(wanted.to_owned()));
        }
    }
}
