//! Uploads as multipart forms, read as a stream; downloads.

use axum::body::Body;
use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use windlass_control::packages::StoredBits;
use windlass_control::staging::Resource;

use super::unknown_field;
use crate::error::{ApiError, ApiResult};
use crate::server::CfState;

/// Text for a form without anything to use.
pub(crate) const NOTHING: &str = "Upload must include either resources or bits";

/// Largest list of known files, bytes: some ten thousand of them.
const MAX_RESOURCES_BYTES: usize = 8 * 1_024 * 1_024;

/// Most known files of one upload.
const MAX_RESOURCES: usize = 50_000;

/// Bytes of a download that are read at a time.
const CHUNK_BYTES: usize = 64 * 1_024;

/// What a form brought.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The file, in place.
    pub(crate) bits: Option<StoredBits>,
    /// Files that the client left out.
    pub(crate) resources: Vec<Resource>,
}

/// Reads a form with `bits` and `resources`.
///
/// # Errors
/// 400 for a broken form, 413 for too many resources, 422 for parts that can't be used.
pub(crate) async fn read(cf: &CfState, mut form: Multipart) -> ApiResult<Parts> {
    let mut parts = Parts::default();
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        match field.name().unwrap_or_default() {
            "bits" if parts.bits.is_some() => return Err(twice("bits")),
            "bits" => parts.bits = bits(cf, field).await?,
            "resources" if !parts.resources.is_empty() => return Err(twice("resources")),
            "resources" => parts.resources = resources(field).await?,
            other => return Err(unknown_field(other)),
        }
    }
    Ok(parts)
}

/// Streams a part to the blobs. An empty one is none.
async fn bits(cf: &CfState, mut field: Field<'_>) -> ApiResult<Option<StoredBits>> {
    let mut upload = cf.control.begin_upload().await?;
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        upload.push(chunk).await?;
    }
    let stored = upload.finish().await?;
    Ok((stored.size_bytes > 0).then_some(stored))
}

async fn resources(mut field: Field<'_>) -> ApiResult<Vec<Resource>> {
    let mut text = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        if text.len() + chunk.len() > MAX_RESOURCES_BYTES {
            return Err(ApiError::too_large(MAX_RESOURCES_BYTES as u64));
        }
        text.extend_from_slice(&chunk);
    }
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let resources: Vec<Resource> = serde_json::from_slice(&text)
        .map_err(|_| ApiError::unprocessable("Resources must be valid JSON."))?;
    if resources.len() > MAX_RESOURCES {
        let text = format!("Resources must not have more than {MAX_RESOURCES} entries");
        return Err(ApiError::unprocessable(text));
    }
    Ok(resources)
}

fn twice(name: &str) -> ApiError {
    ApiError::unprocessable(format!("Upload must not include {name} twice"))
}

/// A form that ends early or has no proper borders is the client's fault.
fn broken(error: &MultipartError) -> ApiError {
    tracing::debug!("an upload could not be read: {error}");
    ApiError::parse_error_because("the upload is no complete multipart form")
}

/// Sends a blob as a file.
///
/// # Errors
/// 404 when it is gone.
pub(crate) async fn send(cf: &CfState, sha256: &str, name: &str) -> ApiResult<Response> {
    let (file, size_bytes) = cf.control.open_blob(sha256).await?;
    let stream = futures_util::stream::try_unfold(file, |mut file| async move {
        use tokio::io::AsyncReadExt;

        let mut chunk = bytes::BytesMut::with_capacity(CHUNK_BYTES);
        let count = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((count > 0).then(|| (chunk.freeze(), file)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size_bytes.to_string()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}
