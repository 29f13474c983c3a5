//! The Staticfile: what a site consists of and how it is served.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use percent_encoding::percent_decode_str;
use serde::Deserialize;

/// Bytes of a Staticfile.
const STATICFILE_BYTES: u64 = 64 * 1024;
/// Files beside a site that are for the platform.
const PLATFORM: [&str; 4] = ["Staticfile", "Procfile", "manifest.yml", "buildpack.yml"];

/// A checked Staticfile.
#[derive(Debug)]
pub(super) struct Site {
    /// Directory with the files.
    pub(super) root: PathBuf,
    /// What is answered when there is no such file.
    pub(super) missing: Missing,
    /// Whether plain HTTP is sent to HTTPS.
    pub(super) force_https: bool,
    /// Whether browsers are told to use HTTPS only.
    pub(super) strict_transport: bool,
    dot_files: bool,
    /// Whether the files of the platform lie among those of the site.
    is_whole: bool,
}

/// What is answered when there is no such file.
#[derive(Debug)]
pub(super) enum Missing {
    /// A page with status 404.
    Page(PathBuf),
    /// The page of an application that knows its own paths.
    Application(PathBuf),
    /// A bare 404.
    Nothing,
}

/// As users write it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    root: Option<String>,
    pushstate: Switch,
    host_dot_files: Switch,
    force_https: Switch,
    http_strict_transport_security: Switch,
    status_codes: BTreeMap<String, String>,
    directory: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
enum Switch {
    #[default]
    Absent,
    Flag(bool),
    Word(String),
}

impl Switch {
    fn is_on(&self) -> bool {
        match self {
            Self::Absent => false,
            Self::Flag(flag) => *flag,
            Self::Word(word) => matches!(word.as_str(), "enabled" | "true"),
        }
    }
}

impl Site {
    /// Reads the Staticfile of an application; without one the defaults count.
    pub(super) fn read(app: &Path) -> Result<Self, String> {
        if app.join("Staticfile.auth").exists() {
            return Err("a password (Staticfile.auth) is not offered; remove it".to_owned());
        }
        let written = written(&app.join("Staticfile"))?;
        if let Some(name) = written.others.keys().next() {
            return Err(format!(
                "`{name}` is not offered; remove it from the Staticfile"
            ));
        }
        if written
            .directory
            .as_deref()
            .is_some_and(|word| word == "visible")
        {
            return Err("lists of directories are not offered; remove `directory`".to_owned());
        }
        let name = written.root.clone().unwrap_or_default();
        let root = below(app, &name).ok_or("`root` must be a directory of the application")?;
        if !root.is_dir() {
            return Err(format!(
                "`root` is {name:?}, and there is no such directory"
            ));
        }
        let missing = missing(&root, &written)?;
        Ok(Self {
            is_whole: root == app,
            root,
            missing,
            force_https: written.force_https.is_on(),
            strict_transport: written.http_strict_transport_security.is_on(),
            dot_files: written.host_dot_files.is_on(),
        })
    }

    /// Whether a path of a request leads to what is no part of the site.
    pub(super) fn is_hidden(&self, path: &str) -> bool {
        let path = percent_decode_str(path).decode_utf8_lossy();
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        let first = parts.peek().copied().unwrap_or_default();
        if self.is_whole && PLATFORM.contains(&first) {
            return true;
        }
        let is_hidden = |part: &str| part.starts_with('.') && part != ".well-known";
        !self.dot_files && parts.any(is_hidden)
    }
}

fn written(path: &Path) -> Result<Written, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Written::default()),
        Err(error) => return Err(format!("the Staticfile can't be read: {error}")),
    };
    let mut text = String::new();
    file.take(STATICFILE_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| format!("the Staticfile can't be read: {error}"))?;
    let is_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    if !text.lines().any(is_content) {
        return Ok(Written::default());
    }
    serde_saphyr::from_str(&text).map_err(|error| format!("the Staticfile is not valid: {error}"))
}

fn missing(root: &Path, written: &Written) -> Result<Missing, String> {
    if written.pushstate.is_on() {
        return Ok(Missing::Application(root.join("index.html")));
    }
    if let Some(code) = written.status_codes.keys().find(|code| *code != "404") {
        return Err(format!(
            "a page for status {code} is not offered, only for 404"
        ));
    }
    if let Some(page) = written.status_codes.get("404") {
        let page = below(root, page.trim_start_matches('/')).filter(|page| page.is_file());
        return page
            .map(Missing::Page)
            .ok_or_else(|| "the page for status 404 is not there".to_owned());
    }
    let usual = root.join("404.html");
    Ok(if usual.is_file() {
        Missing::Page(usual)
    } else {
        Missing::Nothing
    })
}

fn below(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut path = directory.to_path_buf();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_offered_is_an_error() {
        for text in [
            "ssi: enabled\n",
            "location_include: x.conf\n",
            "directory: visible\n",
            "root: ..\n",
            "root: /etc\n",
            "root: none\n",
            "status_codes:\n  500: /x.html\n",
            "status_codes:\n  404: /none.html\n",
            "- x\n",
            "a: b: c\n",
        ] {
            let app = tempfile::tempdir().unwrap();
            std::fs::write(app.path().join("Staticfile"), text).unwrap();
            assert!(Site::read(app.path()).is_err(), "{text}");
        }
        let app = tempfile::tempdir().unwrap();
        std::fs::write(app.path().join("Staticfile.auth"), "x").unwrap();
        assert!(Site::read(app.path()).is_err());
    }

    #[test]
    fn comments_and_nothing_are_fine() {
        let app = tempfile::tempdir().unwrap();
        Site::read(app.path()).unwrap();
        std::fs::write(app.path().join("Staticfile"), "# nothing\n\n").unwrap();
        Site::read(app.path()).unwrap();
    }
}
