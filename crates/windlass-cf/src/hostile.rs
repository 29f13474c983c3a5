//! Manifests without an app. For the checks of hostile input only: nothing of it is an interface.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::manifests;

/// Reads a document as the endpoints of manifests do.
///
/// # Errors
/// What the client is told.
pub fn yaml(bytes: &[u8]) -> Result<Value, ApiError> {
    manifests::yaml::read(bytes)
}

/// Writes a document as `GET /v3/apps/{guid}/manifest` does.
pub fn written(document: &Value) -> String {
    manifests::yaml::write(document)
}

/// Checks a whole manifest: its apps with one spelling of their keys.
///
/// # Errors
/// What the client is told.
pub fn manifest(document: Value) -> Result<Vec<Map<String, Value>>, ApiError> {
    let applications = manifests::document::applications(document)?;
    manifests::document::read_all(&applications)?;
    Ok(applications)
}
