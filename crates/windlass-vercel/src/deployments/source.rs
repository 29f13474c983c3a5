//! The files of a deployment from the body of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use windlass_control::blobs::Sha1Digest;
use windlass_control::staging::{FileContent, SourceFile};

use crate::body;
use crate::error::{ApiError, ApiResult};

/// The archive that a source may come as, in parts of this name with a number.
pub(super) const ARCHIVE: &str = ".vercel/source.tgz";
/// The type bits of a directory's mode.
const DIRECTORY: u32 = 0o040_000;
/// The type bits of a mode.
const TYPE: u32 = 0o170_000;

/// Reads the list; `None` = the request has none.
///
/// # Errors
/// 400.
pub(super) fn files(object: &Map<String, Value>) -> ApiResult<Option<Vec<SourceFile>>> {
    let items = match object.get("files") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(body::kind("files", "a list")),
    };
    items.iter().map(file).collect::<ApiResult<_>>().map(Some)
}

fn file(item: &Value) -> ApiResult<SourceFile> {
    let object = item
        .as_object()
        .ok_or_else(|| body::kind("files", "a list of objects"))?;
    let path = body::text(object, "file")?.ok_or_else(|| body::kind("files[].file", "a string"))?;
    let mode = match object.get("mode") {
        None | Some(Value::Null) => 0,
        Some(mode) => mode
            .as_u64()
            .and_then(|mode| u32::try_from(mode).ok())
            .ok_or_else(|| body::kind("files[].mode", "a number"))?,
    };
    let content = if let Some(data) = body::any_text(object, "data")? {
        FileContent::Inline(inline(object, data)?.into())
    } else if let Some(sha) = body::text(object, "sha")? {
        let sha1: Sha1Digest = sha
            .parse()
            .map_err(|_| body::kind("files[].sha", "a SHA-1 of 40 hexadecimal digits"))?;
        FileContent::Known {
            sha1,
            size_bytes: object.get("size").and_then(Value::as_u64),
        }
    } else if mode & TYPE == DIRECTORY {
        FileContent::Directory
    } else {
        return Err(ApiError::bad_request(format!(
            "The file {:?} has neither `sha` nor `data`",
            path.chars().take(100).collect::<String>()
        )));
    };
    Ok(SourceFile {
        path,
        mode,
        content,
    })
}

fn inline(object: &Map<String, Value>, data: String) -> ApiResult<Vec<u8>> {
    match body::text(object, "encoding")?.as_deref() {
        None | Some("utf-8" | "utf8") => Ok(data.into_bytes()),
        Some("base64") => STANDARD
            .decode(data)
            .map_err(|_| body::kind("files[].data", "base64")),
        Some(_) => Err(body::kind("files[].encoding", "base64 or utf-8")),
    }
}

/// 400 that names the files which are to be uploaded first, each once.
pub(super) fn missing(files: &[Sha1Digest]) -> ApiError {
    let names: Vec<String> = files.iter().map(ToString::to_string).collect();
    ApiError::invalid("missing_files", "Missing files").with("missing", json!(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: Value) -> ApiResult<Option<Vec<SourceFile>>> {
        super::files(json!({ "files": files }).as_object().unwrap())
    }

    #[test]
    fn files_are_named_inline_or_directories() {
        let sha = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
        let list = read(json!([
            {"file": "a", "sha": sha, "size": 5, "mode": 33188},
            {"file": "b", "data": "aGVsbG8=", "encoding": "base64"},
            {"file": "c", "data": ""},
            {"file": "d", "mode": 16877},
        ]))
        .unwrap()
        .unwrap();
        assert_eq!(
            list[0].content,
            FileContent::Known {
                sha1: sha.parse().unwrap(),
                size_bytes: Some(5)
            }
        );
        assert_eq!(list[1].content, FileContent::Inline("hello".into()));
        assert_eq!(list[2].content, FileContent::Inline("".into()));
        assert_eq!(list[3].content, FileContent::Directory);
        assert_eq!(super::files(&Map::new()), Ok(None));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        for bad in [
            json!({}),
            json!([1]),
            json!([{"sha": "x"}]),
            json!([{"file": "a"}]),
            json!([{"file": "a", "sha": "abc"}]),
            json!([{"file": "a", "data": "%", "encoding": "base64"}]),
            json!([{"file": "a", "data": "x", "encoding": "rot13"}]),
            json!([{"file": "a", "data": "x", "mode": -1}]),
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().status.as_u16(), 400, "{bad}");
        }
    }
}
