//! Bodies of requests: JSON within a limit. An empty body is an empty object, whatever its content
//! type: clients send none with many calls.

use axum::body::{Body, Bytes};
use axum::extract::FromRequest;
use axum::http::Request;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use windlass_wire::json;

use crate::error::{ApiError, ApiResult};

/// Largest JSON body, bytes: a deployment lists all its files and may hold small ones.
pub(crate) const MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

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

    async fn from_request(request: Request<Body>, _: &S) -> ApiResult<Self> {
        let bytes = read(request.into_body()).await?;
        Ok(Self {
            object: json::object(&bytes)?,
            bytes,
        })
    }
}

/// A JSON object, or several of them as a list.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany {
    /// The objects.
    pub(crate) objects: Vec<Map<String, Value>>,
    /// Whether they came as a list.
    pub(crate) is_list: bool,
}

impl<S: Send + Sync> FromRequest<S> for OneOrMany {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> ApiResult<Self> {
        let bytes = read(request.into_body()).await?;
        let is_list = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        if !is_list {
            return Ok(Self {
                objects: vec![json::object(&bytes)?],
                is_list,
            });
        }
        let mut wrapped = b"{\"list\":".to_vec();
        wrapped.extend_from_slice(&bytes);
        wrapped.push(b'}');
        let mut outer = json::object(&wrapped)?;
        let Some(Value::Array(items)) = outer.remove("list") else {
            return Err(ApiError::bad_request("the request body must be a list"));
        };
        let objects = items
            .into_iter()
            .map(|item| match item {
                Value::Object(object) => Ok(object),
                _ => Err(ApiError::bad_request(
                    "the request body must be a list of objects",
                )),
            })
            .collect::<ApiResult<_>>()?;
        Ok(Self { objects, is_list })
    }
}

/// A body whose content does not matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ignored;

impl<S: Send + Sync> FromRequest<S> for Ignored {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, _: &S) -> ApiResult<Self> {
        read(request.into_body()).await.map(|_| Self)
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

/// A text of a body; absent and null are none.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn any_text(object: &Map<String, Value>, name: &str) -> ApiResult<Option<String>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(kind(name, "a string")),
    }
}

/// A text of a body; absent, null and empty are none.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn text(object: &Map<String, Value>, name: &str) -> ApiResult<Option<String>> {
    let text = any_text(object, name)?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// A truth value of a body; absent and null are none.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn truth(object: &Map<String, Value>, name: &str) -> ApiResult<Option<bool>> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(truth)) => Ok(Some(*truth)),
        Some(_) => Err(kind(name, "a boolean")),
    }
}

/// Texts of a body, one or a list; absent and null are none.
///
/// # Errors
/// 400 for anything else.
pub(crate) fn texts(object: &Map<String, Value>, name: &str) -> ApiResult<Option<Vec<String>>> {
    let bad = || kind(name, "a list of strings");
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text.clone()])),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(bad))
            .collect::<ApiResult<_>>()
            .map(Some),
        Some(_) => Err(bad()),
    }
}

/// 400 for a member of the wrong kind.
pub(crate) fn kind(name: &str, wanted: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid request: `{name}` should be {wanted}"))
        .with("keyword", "type")
        .with("dataPath", format!(".{name}"))
}
