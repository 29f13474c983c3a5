//! The four sources of settings and how they overlay each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

use windlass_control::sources::{Hidden, Scheme, SourceUrl};

use super::options::{Limit, Name, Row};
use super::{SettingsError, source_text};
use crate::layout::Layout;

/// Largest settings file that is read, bytes.
const FILE_LIMIT_BYTES: u64 = 1024 * 1024;
/// Longest text value, bytes.
const TEXT_LIMIT_BYTES: usize = 1000;
/// Shortest secret, bytes.
const SECRET_LEAST_BYTES: usize = 8;
/// Variable that names the data directory.
pub const DATA_DIR_VARIABLE: &str = "WINDLASS_DATA_DIR";

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A flag of the command line.
    Flag,
    /// The environment.
    Environment,
    /// `windlass.toml`.
    File,
    /// Nobody set it.
    Default,
}

/// All settings as text, with their sources.
#[derive(Debug)]
pub struct Resolved {
    data_dir: PathBuf,
    values: BTreeMap<Name, (String, Source)>,
}

/// Directory of the data: flag, environment, else below the home directory.
pub fn data_dir(
    flag: Option<&Path>,
    environment: &BTreeMap<String, String>,
) -> Result<PathBuf, SettingsError> {
    let chosen = if let Some(path) = flag {
        path.to_path_buf()
    } else if let Some(path) = environment
        .get(DATA_DIR_VARIABLE)
        .filter(|path| !path.is_empty())
    {
        PathBuf::from(path)
    } else {
        expand("~/.local/share/windlass", environment)?
    };
    // Children get the path in their arguments and may have another working directory.
    std::path::absolute(&chosen).map_err(|source| SettingsError::Unreadable {
        path: chosen.clone(),
        source,
    })
}

/// Overlays the four sources. `flags` are those that were given.
pub fn resolve(
    data_dir_flag: Option<&Path>,
    flags: &BTreeMap<Name, String>,
    environment: &BTreeMap<String, String>,
) -> Result<Resolved, SettingsError> {
    let data_dir = data_dir(data_dir_flag, environment)?;
    let file = read_file(&Layout::new(&data_dir).settings_file())?;
    let mut values = BTreeMap::new();
    for name in Name::ALL {
        let info = name.info();
        let value = if let Some(value) = flags.get(&name) {
            (value.clone(), Source::Flag)
        } else if let Some(value) = environment.get(&name.environment()) {
            (value.clone(), Source::Environment)
        } else if let Some(value) = file.get(info.name) {
            (value.clone(), Source::File)
        } else {
            (info.default.to_owned(), Source::Default)
        };
        let expanded = match info.limit {
            Limit::Path | Limit::OptionalPath if !value.0.is_empty() => (
                expand(&value.0, environment)?.display().to_string(),
                value.1,
            ),
            _ => value,
        };
        values.insert(name, expanded);
    }
    Ok(Resolved { data_dir, values })
}

/// Reads `windlass.toml`; absent = no value. Every key must be a setting.
fn read_file(path: &Path) -> Result<BTreeMap<String, String>, SettingsError> {
    let unreadable = |source| SettingsError::Unreadable {
        path: path.to_path_buf(),
        source,
    };
    let syntax = |text: String| SettingsError::Syntax {
        path: path.to_path_buf(),
        text,
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if metadata.len() > FILE_LIMIT_BYTES => {
            return Err(syntax(format!(
                "it is longer than {FILE_LIMIT_BYTES} bytes"
            )));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| syntax(error.to_string()))?;
    let mut values = BTreeMap::new();
    for (key, value) in table {
        if !Name::ALL.iter().any(|name| name.info().name == key) {
            return Err(SettingsError::UnknownKey {
                path: path.to_path_buf(),
                key,
            });
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            _ => {
                return Err(syntax(format!(
                    "`{key}` must be text, a whole number or a boolean"
                )));
            }
        };
        values.insert(key, text);
    }
    Ok(values)
}

/// Replaces a leading `~` and makes the path absolute.
fn expand(path: &str, environment: &BTreeMap<String, String>) -> Result<PathBuf, SettingsError> {
    let path = match path.strip_prefix("~/") {
        None => PathBuf::from(path),
        Some(rest) => {
            let home = environment.get("HOME").filter(|home| !home.is_empty());
            Path::new(home.ok_or(SettingsError::NoHome)?).join(rest)
        }
    };
    std::path::absolute(&path).map_err(|source| SettingsError::Unreadable { path, source })
}

impl Resolved {
    /// Directory of the data.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The table as `check-config` prints it.
    pub fn rows(&self) -> Vec<Row> {
        let row = |name: Name| {
            let info = name.info();
            let (value, source) = self.pair(name);
            Row {
                name: info.name,
                value: shown(name, value),
                source: source_text(source, name),
                meaning: info.meaning,
                unit: info.unit,
                default: info.default,
                limit: info.limit.describe(),
                example: info.example,
            }
        };
        Name::ALL.into_iter().map(row).collect()
    }

    /// A value as text.
    pub fn text(&self, name: Name) -> &str {
        self.pair(name).0
    }

    /// The error that a value is not what `rule` says.
    pub fn refuse(&self, name: Name, rule: &str) -> SettingsError {
        let (value, source) = self.pair(name);
        SettingsError::Value {
            name: name.info().name,
            source_text: source_text(source, name),
            value: shown(name, value),
            rule: rule.to_owned(),
        }
    }

    pub(super) fn path(&self, name: Name) -> Result<PathBuf, SettingsError> {
        match self.text(name) {
            "" => Err(self.refuse(name, "must be a path")),
            path => Ok(PathBuf::from(path)),
        }
    }

    pub(super) fn address(&self, name: Name) -> Result<SocketAddr, SettingsError> {
        self.text(name).parse().map_err(|_| self.outside(name))
    }

    /// An address that may be given by name: the address, and the name.
    pub(super) fn listen(&self, name: Name) -> Result<(SocketAddr, Option<String>), SettingsError> {
        if let Ok(address) = self.text(name).parse() {
            return Ok((address, None));
        }
        let (host, port) = self
            .text(name)
            .rsplit_once(':')
            .ok_or_else(|| self.outside(name))?;
        let host = host.to_ascii_lowercase();
        let port: u16 = port.parse().map_err(|_| self.outside(name))?;
        if !is_host_name(&host) {
            return Err(self.outside(name));
        }
        let ip = address_of(&host).ok_or_else(|| {
            let rule = "names no address: put the name into the DNS or /etc/hosts, or give an IP \
                        address here and the name in the URL of the API (`cf_url` and the like)";
            self.refuse(name, rule)
        })?;
        Ok((SocketAddr::new(ip, port), Some(host)))
    }

    pub(super) fn number(&self, name: Name) -> Result<u64, SettingsError> {
        let Limit::Number { min, max } = name.info().limit else {
            return Err(self.outside(name));
        };
        match self.text(name).parse::<u64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            _ => Err(self.outside(name)),
        }
    }

    pub(super) fn word(&self, name: Name) -> Result<&str, SettingsError> {
        match name.info().limit {
            Limit::Words(words) if words.contains(&self.text(name)) => Ok(self.text(name)),
            _ => Err(self.outside(name)),
        }
    }

    pub(super) fn domain(&self, name: Name) -> Result<String, SettingsError> {
        let text = self.text(name).to_ascii_lowercase();
        // OpenSSL refuses wildcards directly below a top-level name.
        if is_host_name(&text) && text.contains('.') {
            Ok(text)
        } else {
            Err(self.outside(name))
        }
    }

    pub(super) fn isolation(&self, name: Name) -> Result<String, SettingsError> {
        let text = self.text(name);
        let means = ["landlock", "pidns", "cgroup", "uid"];
        let good = matches!(text, "best" | "bare")
            || text.split(',').all(|word| means.contains(&word.trim()));
        if good {
            Ok(text.to_owned())
        } else {
            Err(self.outside(name))
        }
    }

    pub(super) fn url(&self, name: Name) -> Result<Option<String>, SettingsError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        let host = text
            .strip_prefix("https://")
            .map(|rest| rest.trim_end_matches('/'));
        match host {
            Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => {
                Ok(Some(format!("https://{host}")))
            }
            _ => Err(self.outside(name)),
        }
    }

    pub(super) fn free_text(&self, name: Name) -> Result<String, SettingsError> {
        match self.text(name) {
            text if text.len() <= TEXT_LIMIT_BYTES => Ok(text.to_owned()),
            _ => Err(self.outside(name)),
        }
    }

    pub(super) fn base_url(&self, name: Name) -> Result<String, SettingsError> {
        let text = self.text(name).trim_end_matches('/');
        // A repository below it has to be an address that sources accept.
        let below: Result<SourceUrl, _> = format!("{text}/owner/name.git").parse();
        match below.map(|url| url.scheme()) {
            Ok(Scheme::Https | Scheme::Http) => Ok(text.to_owned()),
            Ok(Scheme::Ssh) | Err(_) => Err(self.outside(name)),
        }
    }

    pub(super) fn optional_path(&self, name: Name) -> Option<PathBuf> {
        Some(self.text(name))
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }

    pub(super) fn secret(&self, name: Name) -> Result<Option<Hidden>, SettingsError> {
        match self.text(name) {
            "" => Ok(None),
            text if (SECRET_LEAST_BYTES..=TEXT_LIMIT_BYTES).contains(&text.len()) => {
                Ok(Some(Hidden::new(text)))
            }
            _ => Err(self.outside(name)),
        }
    }

    fn outside(&self, name: Name) -> SettingsError {
        self.refuse(name, &format!("must be {}", name.info().limit.describe()))
    }

    fn pair(&self, name: Name) -> (&str, Source) {
        self.values
            .get(&name)
            .map_or((name.info().default, Source::Default), |(value, source)| {
                (value.as_str(), *source)
            })
    }
}

/// Whether this is a DNS name, with room for a label before it.
fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 200 && text.split('.').all(label)
}

/// Where a name leads on this machine. Not every resolver knows names below `localhost`.
fn address_of(host: &str) -> Option<IpAddr> {
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    let found = (host, 0).to_socket_addrs().ok()?.next()?;
    Some(found.ip())
}

/// A value as it may be shown.
fn shown(name: Name, value: &str) -> String {
    match name.info().limit {
        Limit::Secret if !value.is_empty() => "(hidden)".to_owned(),
        _ => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(
            dir.path().join("windlass.toml"),
            "domain = \"file.example\"\nstaging_slots = 3\ndrain_limit_ms = 5\n",
        )
        .expect("writes");
        let environment = [
            ("HOME".to_owned(), "/h".to_owned()),
            (
                "WINDLASS_DOMAIN".to_owned(),
                "environment.example".to_owned(),
            ),
            ("WINDLASS_DRAIN_LIMIT_MS".to_owned(), "6".to_owned()),
        ]
        .into();
        let flags = [(Name::Domain, "flag.example".to_owned())].into();
        let resolved = resolve(Some(dir.path()), &flags, &environment).expect("resolves");
        assert_eq!(resolved.pair(Name::Domain), ("flag.example", Source::Flag));
        assert_eq!(
            resolved.pair(Name::DrainLimitMs),
            ("6", Source::Environment)
        );
        assert_eq!(resolved.pair(Name::StagingSlots), ("3", Source::File));
        assert_eq!(resolved.pair(Name::Ports), ("fixed", Source::Default));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let dir = tempfile::tempdir().expect("temp dir");
        let environment = [("HOME".to_owned(), "/h".to_owned())].into();
        for secret in ["long-enough", "short"] {
            let flags = [(Name::WebhookSecret, secret.to_owned())].into();
            let resolved = resolve(Some(dir.path()), &flags, &environment).expect("resolves");
            let shown = match crate::settings::Settings::check(&resolved) {
                Ok(settings) => format!("{settings:?}"),
                Err(error) => error.to_string(),
            };
            assert!(
                shown.contains("hidden") && !shown.contains(secret),
                "{shown}"
            );
            let rows = resolved.rows();
            let row = rows.iter().find(|row| row.name == "webhook_secret");
            assert_eq!(row.expect("a row").value, "(hidden)");
        }
    }

    #[test]
    fn an_unknown_key_and_bad_toml_are_refused() {
        let dir = tempfile::tempdir().expect("temp dir");
        let file = dir.path().join("windlass.toml");
        for text in ["domian = \"a.b\"", "domain = ", "domain = [1]"] {
            std::fs::write(&file, text).expect("writes");
            assert!(read_file(&file).is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_home_the_data_directory_must_be_given() {
        assert!(matches!(
            data_dir(None, &BTreeMap::new()),
            Err(SettingsError::NoHome)
        ));
        assert!(data_dir(Some(Path::new("/data")), &BTreeMap::new()).is_ok());
    }

    #[test]
    fn every_default_and_example_is_inside_its_limit() {
        let dir = tempfile::tempdir().expect("temp dir");
        let environment = [("HOME".to_owned(), "/h".to_owned())].into();
        for name in Name::ALL {
            let flags = [(name, name.info().example.to_owned())].into();
            let resolved = resolve(Some(dir.path()), &flags, &environment).expect("resolves");
            crate::settings::Settings::check(&resolved)
                .unwrap_or_else(|error| panic!("example of {}: {error}", name.info().name));
        }
    }
}
