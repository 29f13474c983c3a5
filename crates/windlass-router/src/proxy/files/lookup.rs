//! From the path of a request to an open file below the root.

use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{StaticFiles, types};

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(Opened),
    /// The document of the answer 404.
    ErrorDocument(Opened),
    /// A directory with a document, named without the slash at its end.
    Directory,
    Nothing,
}

/// A file that may be served.
#[derive(Debug)]
pub(in crate::proxy) struct Opened {
    pub(super) file: File,
    /// Its size, in bytes.
    pub(super) length: u64,
    pub(super) media_type: &'static str,
    changed: (i64, i64),
}

impl Opened {
    /// Names the content of the file: another version has other names.
    pub(super) fn tag(&self, version: &str) -> String {
        let (seconds, nanoseconds) = self.changed;
        let version = crc32fast::hash(version.as_bytes());
        format!(
            "\"{:x}-{seconds:x}.{nanoseconds:x}-{version:x}\"",
            self.length
        )
    }
}

/// Looks a path up. It blocks.
pub(super) fn find(files: &StaticFiles, path: &str) -> Found {
    let Ok(root) = files.root.canonicalize() else {
        return Found::Nothing;
    };
    match by_path(files, &root, path) {
        Found::Nothing => {}
        found @ (Found::File(_) | Found::ErrorDocument(_) | Found::Directory) => return found,
    }
    let document = |name: &Option<String>| {
        let path = relative(name.as_deref()?)?;
        open(&root, &root.join(path))
    };
    if let Some(file) = document(&files.fallback) {
        return Found::File(file);
    }
    document(&files.not_found).map_or(Found::Nothing, Found::ErrorDocument)
}

fn by_path(files: &StaticFiles, root: &Path, path: &str) -> Found {
    let Some(below) = decoded(path).and_then(|path| relative(&path)) else {
        return Found::Nothing;
    };
    let is_directory_asked = path.ends_with('/');
    let place = root.join(&below);
    // What cannot be looked at is not there for clients.
    let Some((place, metadata)) = inside(root, &place) else {
        return Found::Nothing;
    };
    if !metadata.is_dir() {
        return if is_directory_asked {
            Found::Nothing
        } else {
            open(root, &place).map_or(Found::Nothing, Found::File)
        };
    }
    let document = relative(&files.index).and_then(|index| open(root, &place.join(index)));
    match document {
        Some(file) if is_directory_asked || below.as_os_str().is_empty() => Found::File(file),
        Some(_) => Found::Directory,
        None => Found::Nothing,
    }
}

/// The place itself, without links, if it lies below the root, which has none.
pub(in crate::proxy) fn inside(root: &Path, place: &Path) -> Option<(PathBuf, Metadata)> {
    let real = place.canonicalize().ok()?;
    if !real.starts_with(root) {
        return None;
    }
    let metadata = std::fs::symlink_metadata(&real).ok()?;
    Some((real, metadata))
}

/// Opens a regular file below the root, which has no links.
pub(in crate::proxy) fn open(root: &Path, place: &Path) -> Option<Opened> {
    /// A pipe in an artifact must not hold a thread.
    const NONBLOCK: i32 = 0o4000;
    let (real, metadata) = inside(root, place)?;
    if !metadata.is_file() {
        return None;
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(NONBLOCK)
        .open(&real)
        .ok()?;
    let metadata = file.metadata().ok()?;
    metadata.is_file().then(|| Opened {
        length: metadata.len(),
        media_type: types::of(&real),
        changed: (metadata.mtime(), metadata.mtime_nsec()),
        file,
    })
}

/// A path below the root; `None` for one that names its parents.
fn relative(path: &str) -> Option<PathBuf> {
    let mut below = PathBuf::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            name if name.contains('\0') => return None,
            name => below.push(name),
        }
    }
    Some(below)
}

/// Without percent signs; `None` if they are wrong or the result is not UTF-8.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;

    fn text(found: Found) -> String {
        match found {
            Found::File(mut opened) => {
                let mut text = String::new();
                opened.file.read_to_string(&mut text).unwrap();
                text
            }
            Found::ErrorDocument(_) => "404 document".to_owned(),
            Found::Directory => "directory".to_owned(),
            Found::Nothing => "nothing".to_owned(),
        }
    }

    #[test]
    fn paths_lead_to_files_below_the_root_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("docs/empty")).unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        for (name, content) in [
            ("index.html", "home"),
            ("a b.txt", "space"),
            ("docs/index.html", "docs"),
            ("docs/ä", "umlaut"),
        ] {
            std::fs::write(root.join(name), content).unwrap();
        }
        symlink("../secret", root.join("out")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        symlink("docs", root.join("in")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let mut files = StaticFiles {
            root,
            index: "index.html".to_owned(),
            fallback: None,
            not_found: None,
        };
        for (path, wanted) in [
            ("/", "home"),
            ("/index.html", "home"),
            ("/a%20b.txt", "space"),
            ("/docs", "directory"),
            ("/docs/", "docs"),
            ("//docs//./index.html", "docs"),
            ("/docs/%C3%A4", "umlaut"),
            ("/in/index.html", "docs"),
            ("/index.html/", "nothing"),
            ("/docs/empty/", "nothing"),
            ("/docs/empty", "nothing"),
            ("/missing", "nothing"),
            ("/../secret", "nothing"),
            ("/%2e%2e/secret", "nothing"),
            ("/docs/%2e%2e%2fsecret", "nothing"),
            ("/docs/..%2f..%2fsecret", "nothing"),
            ("/out", "nothing"),
            ("/etc/passwd", "nothing"),
            ("/loop", "nothing"),
            ("/a%00b", "nothing"),
            ("/%zz", "nothing"),
            ("/%e4", "nothing"),
            ("/%", "nothing"),
        ] {
            assert_eq!(text(find(&files, path)), wanted, "{path}");
        }
        files.not_found = Some("docs/index.html".to_owned());
        assert_eq!(text(find(&files, "/missing")), "404 document");
        files.fallback = Some("index.html".to_owned());
        assert_eq!(text(find(&files, "/missing")), "home");
        files.fallback = Some("../secret".to_owned());
        assert_eq!(text(find(&files, "/missing")), "404 document");
        files.root = folder.path().join("gone");
        assert_eq!(text(find(&files, "/")), "nothing");
    }
}
