//! `POST /v3/resource_matches`: which files need not be uploaded.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};
use windlass_control::blobs::Sha1Digest;

use crate::auth::Authenticated;
use crate::body::{JsonObject, Validator};
use crate::error::{ApiError, ApiResult};
use crate::feature_flags;
use crate::server::CfState;

/// Most files in one question; clients split longer lists.
const MAX_RESOURCES: usize = 5_000;

/// A file of the question, as it came and as it is looked up.
struct Asked {
    wire: Value,
    sha1: Sha1Digest,
    size_bytes: u64,
}

pub(super) async fn create(
    State(cf): State<CfState>,
    caller: Authenticated,
    JsonObject(body): JsonObject,
) -> ApiResult {
    let asked = check(&body)?;
    if !feature_flags::is_on(&cf, "resource_matching")? {
        return Ok((StatusCode::CREATED, Json(json!({"resources": []}))).into_response());
    }
    let scope = caller.principal.user.id.to_string();
    let control = cf.control.clone();
    let known = tokio::task::spawn_blocking(move || {
        asked
            .into_iter()
            .filter(|file| {
                control
                    .resources()
                    .knows(&scope, &file.sha1, file.size_bytes)
            })
            .map(|file| file.wire)
            .collect::<Vec<Value>>()
    })
    .await
    .map_err(|error| ApiError::from(windlass_control::Error::internal(error)))?;
    Ok((StatusCode::CREATED, Json(json!({"resources": known}))).into_response())
}

fn check(body: &Map<String, Value>) -> ApiResult<Vec<Asked>> {
    let mut checks = Validator::new();
    checks.known_fields(body, "", &["resources"]);
    let Some(Value::Array(resources)) = body.get("resources") else {
        checks.add("Resources must be an array");
        checks.finish()?;
        return Ok(Vec::new());
    };
    if resources.is_empty() {
        checks.add("Resources must have at least 1 resource");
    }
    if resources.len() > MAX_RESOURCES {
        checks.add(format!(
            "Resources is too many (maximum is {MAX_RESOURCES} resources)"
        ));
        checks.finish()?;
        return Ok(Vec::new());
    }
    let asked: Vec<Option<Asked>> = resources.iter().map(one).collect();
    if asked.iter().any(Option::is_none) {
        checks.add(
            "Resources array contains at least one resource with a non-string or wrong checksum, \
             or with a size that is no whole number",
        );
    }
    checks.finish()?;
    Ok(asked.into_iter().flatten().collect())
}

/// One file. The answer repeats its path, mode, checksum and size, and nothing else.
fn one(resource: &Value) -> Option<Asked> {
    let resource = resource.as_object()?;
    let checksum = resource.get("checksum")?.get("value")?.as_str()?;
    let size_bytes = resource.get("size_in_bytes")?.as_u64()?;
    let text = |key: &str| match resource.get(key) {
        None | Some(Value::Null) => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    };
    let mode = text("mode")?
        .filter(|mode| !mode.is_empty())
        .unwrap_or_else(|| "644".to_owned());
    if u32::from_str_radix(&mode, 8).is_err() {
        return None;
    }
    let wire = json!({
        "path": text("path")?,
        "mode": mode,
        "checksum": {"value": checksum},
        "size_in_bytes": size_bytes,
    });
    Some(Asked {
        wire,
        sha1: checksum.parse().ok()?,
        size_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(resources: Value) -> Result<Vec<Value>, String> {
        let body = Map::from_iter([("resources".to_owned(), resources)]);
        check(&body)
            .map(|asked| asked.into_iter().map(|file| file.wire).collect())
            .map_err(|error| error.detail().to_owned())
    }

    #[test]
    fn questions_of_the_cf_client_are_repeated() {
        let file = json!({
            "path": "app.py", "mode": "755",
            "checksum": {"value": "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
            "size_in_bytes": 36
        });
        assert_eq!(answer(json!([file.clone()])), Ok(vec![file.clone()]));
        let mut without_mode = file.clone();
        without_mode["mode"] = json!("");
        let shown = answer(json!([without_mode])).unwrap();
        assert_eq!(shown[0]["mode"], "644");
    }

    #[test]
    fn what_is_refused() {
        for resources in [
            json!("x"),
            json!([]),
            json!([1]),
            json!([{"checksum": {"value": "nothex"}, "size_in_bytes": 1}]),
            json!([{"checksum": "x", "size_in_bytes": 1}]),
            json!([{
                "checksum": {"value": "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
                "size_in_bytes": -1
            }]),
            json!([{
                "checksum": {"value": "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
                "size_in_bytes": 1, "mode": "rwx"
            }]),
            json!(vec![json!({}); 5_001]),
        ] {
            assert!(answer(resources).is_err());
        }
    }
}
