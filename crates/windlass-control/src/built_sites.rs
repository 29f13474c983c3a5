//! What a site in the Build Output layout consists of, read from its unpacked artifact. The content
//! is as hostile as an upload: links are not followed, and everything has a limit.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde_json::Value;
use windlass_engine::id::ArtifactId;
use windlass_engine::records::Artifact;

use crate::control::Control;
use crate::error::Error;

/// Functions that are read of a site.
const FUNCTIONS: usize = 1_000;
/// Files that are listed of a site.
const FILES: usize = 10_000;
/// Directories in each other that are looked into.
const DEPTH: usize = 32;
/// Bytes of a file that is read.
const FILE_BYTES: u64 = 4 * 1024 * 1024;
/// What a function's folder ends with.
const FUNCTION_SUFFIX: &str = ".func";

/// A site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BuiltSite {
    /// Its `config.json`.
    pub config: Value,
    /// Its `flags.json`, if it has one.
    pub flags: Option<Value>,
    /// Its functions by name, at most 1,000.
    pub functions: Vec<BuiltFunction>,
    /// Its static files by path, at most 10,000; only where they were asked for.
    pub files: Vec<BuiltFile>,
}

/// A function of a site.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltFunction {
    /// Its path without the ending of its folder.
    pub name: String,
    /// Its `.vc-config.json`; `null` for a link to another function.
    pub config: Value,
}

/// A static file of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// Its path.
    pub path: String,
    /// Its size, bytes.
    pub size_bytes: u64,
    /// Its type and rights.
    pub mode: u32,
}

impl Control {
    /// What an artifact consists of; `None` = it is no site, or not unpacked (any more).
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub async fn built_site(
        &self,
        artifact: &ArtifactId,
        with_files: bool,
    ) -> Result<Option<BuiltSite>, Error> {
        let artifact: Option<Artifact> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(artifact)?))?;
        let digest = artifact
            .and_then(|artifact| artifact.blob)
            .and_then(|text| text.parse().ok());
        let Some(digest) = digest else {
            return Ok(None);
        };
        let root = self.droplets().files_of(&digest);
        tokio::task::spawn_blocking(move || read(&root, with_files))
            .await
            .map_err(Error::internal)?
            .map_err(Error::internal)
    }
}

fn read(root: &Path, with_files: bool) -> io::Result<Option<BuiltSite>> {
    let Some(config) = json(&root.join("config.json"))? else {
        return Ok(None);
    };
    let mut site = BuiltSite {
        config,
        flags: json(&root.join("flags.json"))?,
        ..BuiltSite::default()
    };
    functions(&root.join("functions"), "", DEPTH, &mut site.functions)?;
    if with_files {
        files(&root.join("static"), "", DEPTH, &mut site.files)?;
    }
    Ok(Some(site))
}

/// Entries of a directory by name; none where there is no directory.
fn entries(directory: &Path) -> io::Result<Vec<(String, fs::DirEntry)>> {
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry));
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(entries)
}

fn functions(
    directory: &Path,
    path: &str,
    depth: usize,
    found: &mut Vec<BuiltFunction>,
) -> io::Result<()> {
    for (name, entry) in entries(directory)? {
        if found.len() >= FUNCTIONS {
            return Ok(());
        }
        let kind = entry.file_type()?;
        if let Some(name) = name.strip_suffix(FUNCTION_SUFFIX) {
            let config = if kind.is_dir() {
                json(&entry.path().join(".vc-config.json"))?
            } else {
                None
            };
            found.push(BuiltFunction {
                name: format!("{path}{name}"),
                config: config.unwrap_or_default(),
            });
        } else if kind.is_dir() && depth > 0 {
            let inside = format!("{path}{name}/");
            functions(&entry.path(), &inside, depth - 1, found)?;
        }
    }
    Ok(())
}

fn files(directory: &Path, path: &str, depth: usize, found: &mut Vec<BuiltFile>) -> io::Result<()> {
    for (name, entry) in entries(directory)? {
        if found.len() >= FILES {
            return Ok(());
        }
        // That of a link is the link's own.
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            found.push(BuiltFile {
                path: format!("{path}{name}"),
                size_bytes: metadata.len(),
                mode: metadata.mode(),
            });
        } else if metadata.is_dir() && depth > 0 {
            files(&entry.path(), &format!("{path}{name}/"), depth - 1, found)?;
        }
    }
    Ok(())
}

/// A file of JSON; `None` = it is not there, no file, too large, or something else than JSON.
fn json(path: &Path) -> io::Result<Option<Value>> {
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path);
    let Ok(file) = opened else {
        return Ok(None);
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut text = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > FILE_BYTES {
        return Ok(None);
    }
    Ok(serde_json::from_slice(&text).ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tempfile::tempdir;

    use super::*;

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn a_site_is_read_and_no_link_is_followed() {
        let dir = tempdir().unwrap();
        let root = dir.path();
        assert_eq!(read(root, true).unwrap(), None, "no site");
        write(root, "config.json", r#"{"version": 3}"#);
        write(root, "static/a/b.txt", "hello");
        write(
            root,
            "functions/api/hi.func/.vc-config.json",
            r#"{"memory": 128}"#,
        );
        write(root, "functions/api/hi.func/x.func/.vc-config.json", "{}");
        std::os::unix::fs::symlink("hi.func", root.join("functions/api/yo.func")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("static/etc")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", root.join("flags.json")).unwrap();
        let site = read(root, true).unwrap().unwrap();
        assert_eq!(site.config, json!({"version": 3}));
        assert_eq!(site.flags, None);
        let names: Vec<&str> = site.functions.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["api/hi", "api/yo"]);
        assert_eq!(site.functions[0].config["memory"], 128);
        let files: Vec<&str> = site.files.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(files, ["a/b.txt"]);
        assert_eq!(site.files[0].size_bytes, 5);
    }
}
