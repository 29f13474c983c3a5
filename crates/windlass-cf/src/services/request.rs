//! Bodies of service instances and bindings, checked.

use serde_json::{Map, Value};
use windlass_engine::id::{AppId, ServiceInstanceId, SpaceId};

use crate::body::Validator;
use crate::checks::given;
use crate::error::ApiError;
use crate::metadata::MetadataPatch;

/// Longest name, characters.
const MAX_NAME_CHARS: usize = 255;
/// All tags together, characters.
const MAX_TAG_CHARS: usize = 2_048;

/// Where fields of an instance come from that neither clients nor this platform fill.
const NOT_DRAINED: &str = "is not offered: logs are read through the log cache";
const NOT_ROUTED: &str = "is not offered: requests are not sent through services";

/// A checked body of `POST /v3/service_instances`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CreateInstance {
    pub(super) name: String,
    pub(super) space: SpaceId,
    pub(super) credentials: Map<String, Value>,
    pub(super) tags: Vec<String>,
    pub(super) metadata: MetadataPatch,
}

/// A checked body of `PATCH /v3/service_instances/{guid}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct UpdateInstance {
    pub(super) name: Option<String>,
    pub(super) credentials: Option<Map<String, Value>>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) metadata: MetadataPatch,
}

/// A checked body of `POST /v3/service_credential_bindings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CreateBinding {
    pub(super) app: AppId,
    pub(super) instance: ServiceInstanceId,
    pub(super) name: Option<String>,
    pub(super) metadata: MetadataPatch,
}

/// Checks a create of an instance.
pub(super) fn create_instance(body: &Map<String, Value>) -> Result<CreateInstance, ApiError> {
    let mut checks = Validator::new();
    match given(body, "type").map(Value::as_str) {
        Some(Some("user-provided")) => {}
        // There is no broker that could make one.
        Some(Some("managed")) => {
            checks.add("Type managed is not offered: there are no service brokers");
        }
        Some(_) | None => checks.add("Type must be one of 'managed', 'user-provided'"),
    }
    checks.known_fields(
        body,
        "",
        &[
            "type",
            "name",
            "relationships",
            "credentials",
            "tags",
            "syslog_drain_url",
            "route_service_url",
            "metadata",
        ],
    );
    let name = checks.required_string(body, "name", 1, MAX_NAME_CHARS);
    let name = name.map(str::to_owned).unwrap_or_default();
    checks.printable_name(&name);
    let relationships = checks.relationships(body, &["space"]);
    let space = checks.required_to_one(relationships, "space");
    let (credentials, tags) = what_apps_see(&mut checks, body);
    let metadata = checks.metadata(body);
    checks.finish()?;
    Ok(CreateInstance {
        name,
        space: SpaceId::from(space.unwrap_or_default().as_str()),
        credentials: credentials.unwrap_or_default(),
        tags: tags.unwrap_or_default(),
        metadata,
    })
}

/// Checks a change of an instance.
pub(super) fn update_instance(body: &Map<String, Value>) -> Result<UpdateInstance, ApiError> {
    let mut checks = Validator::new();
    checks.known_fields(
        body,
        "",
        &[
            "name",
            "credentials",
            "tags",
            "syslog_drain_url",
            "route_service_url",
            "metadata",
        ],
    );
    let name = checks.optional_string(body, "name", 1, MAX_NAME_CHARS);
    let name = name.map(str::to_owned);
    checks.printable_name(name.as_deref().unwrap_or_default());
    let (credentials, tags) = what_apps_see(&mut checks, body);
    let metadata = checks.metadata(body);
    checks.finish()?;
    Ok(UpdateInstance {
        name,
        credentials,
        tags,
        metadata,
    })
}

/// Checks a create of a binding.
pub(super) fn create_binding(body: &Map<String, Value>) -> Result<CreateBinding, ApiError> {
    let mut checks = Validator::new();
    match given(body, "type").map(Value::as_str) {
        Some(Some("app")) => {}
        // A key has no app, and nothing else about it matters.
        Some(Some("key")) => {
            return Err(ApiError::unprocessable(
                "Service credential bindings of type 'key' are not supported for user-provided \
                 service instances.",
            ));
        }
        Some(_) | None => checks.add("Type must be one of 'app', 'key'"),
    }
    checks.known_fields(
        body,
        "",
        &["type", "name", "relationships", "parameters", "metadata"],
    );
    if given(body, "parameters").is_some() {
        checks.add("Binding parameters are not supported for user-provided service instances");
    }
    let name = checks.optional_string(body, "name", 1, MAX_NAME_CHARS);
    let name = name.map(str::to_owned);
    checks.printable_name(name.as_deref().unwrap_or_default());
    let relationships = checks.relationships(body, &["app", "service_instance"]);
    let app = checks.required_to_one(relationships, "app");
    let instance = checks.required_to_one(relationships, "service_instance");
    let metadata = checks.metadata(body);
    checks.finish()?;
    Ok(CreateBinding {
        app: AppId::from(app.unwrap_or_default().as_str()),
        instance: ServiceInstanceId::from(instance.unwrap_or_default().as_str()),
        name,
        metadata,
    })
}

type Seen = (Option<Map<String, Value>>, Option<Vec<String>>);

fn what_apps_see(checks: &mut Validator, body: &Map<String, Value>) -> Seen {
    for (key, why) in [
        ("syslog_drain_url", NOT_DRAINED),
        ("route_service_url", NOT_ROUTED),
    ] {
        if given(body, key).is_some_and(|url| url != "") {
            checks.add(format!("{} {why}", crate::body::humanize(key)));
        }
    }
    let credentials = checks.optional_object(body, "credentials").cloned();
    let tags = checks.optional_strings(body, "tags");
    let chars: usize = tags.iter().flatten().map(|tag| tag.chars().count()).sum();
    if chars > MAX_TAG_CHARS {
        checks.add(format!(
            "Tags combined length must be {MAX_TAG_CHARS} characters or less"
        ));
    }
    (credentials, tags)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn what_is_refused_and_how() {
        let good = json!({
            "type": "user-provided", "name": "db",
            "relationships": {"space": {"data": {"guid": "s"}}}
        });
        assert!(create_instance(&object(&good)).is_ok());
        for (key, value, text) in [
            (
                "type",
                json!("managed"),
                "Type managed is not offered: there are no service brokers",
            ),
            (
                "type",
                json!(5),
                "Type must be one of 'managed', 'user-provided'",
            ),
            ("name", json!(null), "Name can't be blank"),
            (
                "name",
                json!("a\nb"),
                "Name must not contain escaped characters",
            ),
            ("credentials", json!("x"), "Credentials must be an object"),
            ("tags", json!([1]), "Tags can only contain strings"),
            (
                "tags",
                json!(["x".repeat(2_049)]),
                "Tags combined length must be 2048 characters or less",
            ),
            (
                "syslog_drain_url",
                json!("https://drain"),
                "Syslog drain url is not offered: logs are read through the log cache",
            ),
            ("parameters", json!({}), "Unknown field(s): 'parameters'"),
        ] {
            let mut body = object(&good);
            body.insert(key.to_owned(), value);
            let refused = create_instance(&body).map_err(|error| error.detail().to_owned());
            assert_eq!(refused, Err(text.to_owned()), "{key}");
        }
        let refused = |binding: Value| {
            create_binding(&object(&binding)).map_err(|error| error.detail().to_owned())
        };
        assert_eq!(
            refused(json!({
                "type": "lock", "parameters": {"a": 1}, "relationships": {"app": {"data": null}}
            })),
            Err(
                "Type must be one of 'app', 'key', Binding parameters are not supported for \
                 user-provided service instances, Relationships App can't be blank, Relationships \
                 Service instance can't be blank"
                    .to_owned()
            )
        );
        assert_eq!(
            refused(json!({"type": "key", "name": "k", "relationships": {}})),
            Err(
                "Service credential bindings of type 'key' are not supported for user-provided \
                 service instances."
                    .to_owned()
            )
        );
    }
}
