//! Packages to upload: the files of an app directory, and what makes a version of them.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::failure::Failure;

/// Packs the files of a directory; `extra` are texts that are added or replace a file there.
///
/// # Errors
/// When a file can't be read.
pub fn pack(directory: &Path, extra: &[(&str, &str)]) -> Result<Vec<u8>, Failure> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let bad =
        |error: zip::result::ZipError| Failure::Unexpected(format!("failed to pack: {error}"));
    let entries = fs::read_dir(directory).map_err(Failure::file("read", directory))?;
    for entry in entries {
        let path = entry.map_err(Failure::file("read", directory))?.path();
        let meta = fs::metadata(&path).map_err(Failure::file("read", &path))?;
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if !meta.is_file() || extra.iter().any(|(other, _)| *other == name) {
            continue;
        }
        let options = SimpleFileOptions::default().unix_permissions(meta.permissions().mode());
        archive.start_file(name, options).map_err(bad)?;
        let bytes = fs::read(&path).map_err(Failure::file("read", &path))?;
        archive.write_all(&bytes).map_err(Failure::system("pack"))?;
    }
    for (name, text) in extra {
        archive
            .start_file(*name, SimpleFileOptions::default())
            .map_err(bad)?;
        archive
            .write_all(text.as_bytes())
            .map_err(Failure::system("pack"))?;
    }
    Ok(archive.finish().map_err(bad)?.into_inner())
}

/// The multipart form that an upload of a package is, and its content type.
pub fn upload_form(archive: &[u8]) -> (Vec<u8>, String) {
    let boundary = "windlass-bits-0d5b6a2f";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"bits\"; filename=\"app.zip\"\r\n\
         Content-Type: application/zip\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(archive);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (body, format!("multipart/form-data; boundary={boundary}"))
}
