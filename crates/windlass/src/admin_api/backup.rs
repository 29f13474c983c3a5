//! `windlass backup`.

use std::path::PathBuf;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::json;
use windlass_control::error::Error;

use super::Admin;
use super::error::{Answer, Refusal};
use crate::backup;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    file: PathBuf,
}

pub(super) async fn backup(State(admin): State<Admin>, Json(request): Json<Request>) -> Answer {
    if !request.file.is_absolute() {
        return Err(Refusal::bad("the file must be an absolute path"));
    }
    let file = request.file.clone();
    let written = tokio::task::spawn_blocking(move || {
        backup::backup(admin.control.store(), admin.control.blobs(), &file)
    });
    let blobs = written
        .await
        .map_err(Error::internal)?
        .map_err(|error| Refusal::bad(error.to_string()))?;
    Ok(Json(json!({ "file": request.file, "blobs": blobs })))
}
