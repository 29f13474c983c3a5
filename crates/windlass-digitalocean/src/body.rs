//! Bodies of requests: JSON objects within a limit. An empty body is an empty object, whatever
//! its content type: clients send `Content-Length: 0` with many calls.

use axum::body::{Body, Bytes};
use axum::extract::FromRequest;
use axum::http::{Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use windlass_wire::json::{self, BadJson};

use crate::error::{ApiError, ApiResult};

/// Largest body, bytes.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// A body as it came, and what it says of its form.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    /// The bytes.
    pub(crate) bytes: Bytes,
    /// The form.
    pub(crate) form: Form,
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        let form = form(&request)?;
        let bytes = read(request.into_body()).await?;
        Ok(Self { bytes, form })
    }
}

/// A JSON object; empty when there is no body.
#[derive(Debug, Clone)]
pub(crate) struct JsonObject {
    /// The object.
    pub(crate) object: Map<String, Value>,
    /// The bytes it was read from.
    pub(crate) bytes: Bytes,
}

impl<S: Send + Sync> FromRequest<S> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, ApiError> {
        let raw = Raw::from_request(request, state).await?;
        match raw.form {
            Form::Json => {}
            Form::Yaml if raw.bytes.is_empty() => {}
            Form::Yaml => return Err(ApiError::unsupported_media_type()),
        }
        let object = object(&raw.bytes)?;
        Ok(Self {
            object,
            bytes: raw.bytes,
        })
    }
}

/// A body whose content does not matter, read so that it can be told from another one.
#[derive(Debug, Clone)]
pub(crate) struct Ignored(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Ignored {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, ApiError> {
        read(request.into_body()).await.map(Self)
    }
}

/// Reads a JSON object.
///
/// # Errors
/// 400 for what is none.
pub(crate) fn object(bytes: &[u8]) -> ApiResult<Map<String, Value>> {
    Ok(json::object(bytes)?)
}

impl From<BadJson> for ApiError {
    fn from(bad: BadJson) -> Self {
        Self::bad_request(bad.to_string())
    }
}

/// Reads a YAML object.
///
/// # Errors
/// 400 for what is none.
pub(crate) fn yaml_object(bytes: &[u8]) -> ApiResult<Map<String, Value>> {
    let bad =
        |why: &str| ApiError::bad_request(format!("the request body is not valid YAML: {why}"));
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is not UTF-8 text"))?;
    match serde_saphyr::from_str::<Value>(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::bad_request("the request body must be an object")),
        Err(_) => Err(bad("see the YAML of an example app spec")),
    }
}

/// The `spec` that a body must have.
///
/// # Errors
/// 400 without one.
pub(crate) fn spec(object: &Map<String, Value>) -> ApiResult<&Value> {
    match object.get("spec") {
        Some(spec @ Value::Object(_)) => Ok(spec),
        Some(Value::Null) | None => Err(ApiError::bad_request("spec is required")),
        Some(_) => Err(ApiError::bad_request("spec must be an object")),
    }
}

/// A truth value of a body; absent and null are `false`.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn truth(object: &Map<String, Value>, name: &str) -> ApiResult<bool> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(_) => Err(ApiError::bad_request(format!("{name} must be a boolean"))),
    }
}

/// Texts of a body; absent and null are none.
///
/// # Errors
/// 400 for anything but a list of texts.
pub(crate) fn texts(object: &Map<String, Value>, name: &str) -> ApiResult<Vec<String>> {
    let bad = || ApiError::bad_request(format!("{name} must be a list of strings"));
    match object.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(bad))
            .collect(),
        Some(_) => Err(bad()),
    }
}

async fn read(body: Body) -> ApiResult<Bytes> {
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(MAX_BODY_BYTES as u64))
        }
        Err(_) => Err(ApiError::bad_request("the request body broke off")),
    }
}

fn form(request: &Request<Body>) -> ApiResult<Form> {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else {
        return Ok(Form::Json);
    };
    let kind = value.to_str().ok().map(|text| {
        let kind = text.split(';').next().unwrap_or_default();
        kind.trim().to_ascii_lowercase()
    });
    match kind.as_deref() {
        // What `curl --data` says unless it is told better.
        Some("" | "application/json" | "text/json" | "application/x-www-form-urlencoded") => {
            Ok(Form::Json)
        }
        Some("application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml") => {
            Ok(Form::Yaml)
        }
        _ => Err(ApiError::unsupported_media_type()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_an_empty_object() {
        for empty in ["", " \n", "null", "{}"] {
            assert_eq!(object(empty.as_bytes()).unwrap(), Map::new(), "{empty}");
        }
        for bad in ["[]", "1", "\"x\"", "{", "{\"a\":}", "\u{feff}{}"] {
            assert!(object(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(object(&[0xff, 0xfe]).is_err());
    }

    #[test]
    fn members_have_their_kind() {
        let body = json!({"yes": true, "text": "x", "list": ["a"], "bad": [1], "no": null});
        let body = body.as_object().unwrap();
        assert_eq!(truth(body, "yes"), Ok(true));
        assert_eq!(truth(body, "no"), Ok(false));
        assert!(truth(body, "text").is_err());
        assert_eq!(texts(body, "list"), Ok(vec!["a".to_owned()]));
        assert_eq!(texts(body, "missing"), Ok(vec![]));
        assert!(texts(body, "bad").is_err());
        assert!(spec(body).is_err());
    }
}
