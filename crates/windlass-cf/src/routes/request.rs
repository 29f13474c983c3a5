//! Bodies of `/v3/routes`, checked. Destinations have a file of their own.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::body::Validator;
use crate::checks::given;
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// Longest host label, characters (DNS).
const MAX_HOST_CHARS: usize = 63;

/// Longest path, characters.
const MAX_PATH_CHARS: usize = 128;

/// Changes of options; `None` deletes one.
pub(crate) type Options = BTreeMap<String, Option<String>>;

/// A checked `POST /v3/routes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CreateRoute {
    /// Space that it shall lie in.
    pub(crate) space_guid: String,
    /// Domain.
    pub(crate) domain_guid: String,
    /// Host label, empty, or `*`.
    pub(crate) host: String,
    /// Path, empty or starting with `/`.
    pub(crate) path: String,
    /// Port that was asked for: HTTP routes have none.
    pub(crate) port: Option<u16>,
    /// Options.
    pub(crate) options: Options,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// A checked `PATCH /v3/routes/{guid}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct UpdateRoute {
    /// Options.
    pub(crate) options: Options,
    /// Labels and annotations.
    pub(crate) metadata: MetadataPatch,
}

/// Checks `POST /v3/routes`.
pub(crate) fn create(body: &Map<String, Value>) -> Result<CreateRoute, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    let host = host(&mut checks, body);
    let path = path(&mut checks, body);
    let port = port(&mut checks, body);
    checks.known_fields(
        body,
        "",
        &[
            "host",
            "path",
            "port",
            "relationships",
            "options",
            "metadata",
        ],
    );
    let relationships = checks.relationships(body, &["space", "domain"]);
    let space_guid = checks.required_to_one(relationships, "space");
    let domain_guid = checks.required_to_one(relationships, "domain");
    let options = options(&mut checks, body);
    checks.finish()?;
    Ok(CreateRoute {
        space_guid: space_guid.unwrap_or_default(),
        domain_guid: domain_guid.unwrap_or_default(),
        host,
        path,
        port,
        options,
        metadata,
    })
}

/// Checks `PATCH /v3/routes/{guid}`.
pub(crate) fn update(body: &Map<String, Value>) -> Result<UpdateRoute, ApiError> {
    let mut checks = Validator::new();
    let metadata = checks.metadata(body);
    let options = options(&mut checks, body);
    checks.known_fields(body, "", &["options", "metadata"]);
    checks.finish()?;
    Ok(UpdateRoute { options, metadata })
}

fn host(checks: &mut Validator, body: &Map<String, Value>) -> String {
    let Some(value) = given(body, "host") else {
        return String::new();
    };
    let Value::String(host) = value else {
        checks.add("Host must be a string");
        return String::new();
    };
    if host.chars().count() > MAX_HOST_CHARS {
        checks.add("Host is too long (maximum is 63 characters)");
    }
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if host != "*" && !host.bytes().all(is_word) {
        checks.add(
            "Host must be either \"*\" or contain only alphanumeric characters, \"_\", or \"-\"",
        );
    }
    host.to_ascii_lowercase()
}

fn path(checks: &mut Validator, body: &Map<String, Value>) -> String {
    let Some(value) = given(body, "path") else {
        return String::new();
    };
    let Value::String(path) = value else {
        checks.add("Path must be a string");
        return String::new();
    };
    if path.chars().count() > MAX_PATH_CHARS {
        checks.add("Path is too long (maximum is 128 characters)");
    }
    if !path.is_empty() && !path.starts_with('/') {
        checks.add("Path must begin with /");
    }
    if path.contains('?') {
        checks.add("Path cannot contain ?");
    }
    if path == "/" {
        checks.add("Path cannot be exactly /");
    }
    if path.contains(['#', '\\'])
        || path
            .chars()
            .any(|letter| letter.is_control() || letter == ' ')
    {
        checks.add("Path is invalid.");
    }
    path.clone()
}

fn port(checks: &mut Validator, body: &Map<String, Value>) -> Option<u16> {
    use crate::body::IntegerRange;

    let range = IntegerRange {
        min: 0,
        max: i64::from(u16::MAX),
    };
    let port = checks.optional_integer(body, "port", range)?;
    u16::try_from(port).ok()
}

fn options(checks: &mut Validator, body: &Map<String, Value>) -> Options {
    let object = match body.get("options") {
        None => return Options::new(),
        Some(Value::Object(object)) => object,
        Some(_) => {
            checks.add("Options 'options' is not a valid object");
            return Options::new();
        }
    };
    checks.known_fields(object, "Options", &["loadbalancing"]);
    match object.get("loadbalancing") {
        None => Options::new(),
        Some(Value::Null) => Options::from([("loadbalancing".to_owned(), None)]),
        Some(Value::String(word))
            if matches!(word.as_str(), "round-robin" | "least-connection") =>
        {
            Options::from([("loadbalancing".to_owned(), Some(word.clone()))])
        }
        Some(_) => {
            checks.add(
                "Options Loadbalancing must be one of 'round-robin, least-connection' if present",
            );
            Options::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(key: &str, value: Value) -> Result<CreateRoute, String> {
        let Value::Object(mut body) = json!({"host": "h", "relationships": {
            "space": {"data": {"guid": "s"}}, "domain": {"data": {"guid": "d"}}
        }}) else {
            panic!("a body is an object");
        };
        body.insert(key.to_owned(), value);
        create(&body).map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn a_whole_route() {
        let route = with("path", json!("/api")).unwrap();
        assert_eq!((route.host.as_str(), route.path.as_str()), ("h", "/api"));
        assert_eq!(
            (route.space_guid.as_str(), route.domain_guid.as_str()),
            ("s", "d")
        );
        assert_eq!(with("host", json!("*")).unwrap().host, "*");
        assert_eq!(with("host", json!("WEB")).unwrap().host, "web");
        assert_eq!(with("host", Value::Null).unwrap().host, "");
    }

    #[test]
    fn what_is_refused_and_how() {
        let host =
            "Host must be either \"*\" or contain only alphanumeric characters, \"_\", or \"-\"";
        let balancing =
            "Options Loadbalancing must be one of 'round-robin, least-connection' if present";
        for (key, value, wanted) in [
            ("host", json!(1), "Host must be a string"),
            ("host", json!("a.b"), host),
            ("host", json!("é"), host),
            (
                "host",
                json!("x".repeat(64)),
                "Host is too long (maximum is 63 characters)",
            ),
            ("path", json!(1), "Path must be a string"),
            ("path", json!("api"), "Path must begin with /"),
            ("path", json!("/a?b"), "Path cannot contain ?"),
            ("path", json!("/"), "Path cannot be exactly /"),
            ("path", json!("/a b"), "Path is invalid."),
            (
                "path",
                json!(format!("/{}", "x".repeat(128))),
                "Path is too long (maximum is 128 characters)",
            ),
            ("port", json!("x"), "Port is not a number"),
            (
                "port",
                json!(65_536),
                "Port must be less than or equal to 65535",
            ),
            (
                "options",
                json!(1),
                "Options 'options' is not a valid object",
            ),
            ("options", json!({"x": 1}), "Options Unknown field(s): 'x'"),
            ("options", json!({"loadbalancing": "random"}), balancing),
            ("options", json!({"loadbalancing": 1}), balancing),
            ("x", json!(1), "Unknown field(s): 'x'"),
        ] {
            assert_eq!(
                with(key, value.clone()),
                Err(wanted.to_owned()),
                "{key}: {value}"
            );
        }
    }
}
