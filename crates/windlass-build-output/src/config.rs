//! `config.json`: the routes of a site and what its files are called.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::error::{OutputError, RouteProblem};
use crate::route::{Phase, RawRoute, Route, Routes};

/// Name of the file.
pub(crate) const FILE: &str = "config.json";
/// Largest file, in bytes.
const CONFIG_BYTES: usize = 4 * 1024 * 1024;
/// Routes of one site.
const ROUTE_LIMIT: usize = 2_048;
/// Overrides of one site.
const OVERRIDE_LIMIT: usize = 50_000;

#[derive(Debug, Deserialize)]
struct RawConfig {
    version: Option<Value>,
    #[serde(default)]
    routes: Option<Vec<Value>>,
    #[serde(default)]
    images: Option<Value>,
    #[serde(default)]
    wildcard: Option<Vec<RawWildcard>>,
    #[serde(default)]
    overrides: Option<BTreeMap<String, RawOverride>>,
    #[serde(default)]
    crons: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct RawWildcard {
    domain: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawOverride {
    path: Option<String>,
    content_type: Option<String>,
}

/// What a site does with requests.
#[derive(Debug, Clone, Default)]
pub struct Site {
    pub(crate) routes: Routes,
    /// Values of `$wildcard`, by domain.
    pub(crate) wildcard: HashMap<String, String>,
    /// Static files that have another path, by that path without slashes at its ends.
    renamed: HashMap<String, String>,
    /// Static files that are not found by their own name.
    hidden: HashSet<String>,
    /// Media types, by static file.
    content_types: HashMap<String, String>,
}

impl Site {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// When it is not what it must be, or asks for what is not served.
    pub fn parse(text: &[u8]) -> Result<Self, OutputError> {
        if text.len() > CONFIG_BYTES {
            let message = format!("the file has more than {CONFIG_BYTES} bytes");
            return Err(OutputError::invalid(FILE, message));
        }
        let raw: RawConfig = serde_json::from_slice(text)
            .map_err(|error| OutputError::invalid(FILE, error.to_string()))?;
        if raw.version.as_ref().and_then(Value::as_u64) != Some(3) {
            return Err(OutputError::invalid(FILE, "`version` must be 3"));
        }
        if raw.crons.is_some_and(|crons| !crons.is_empty()) {
            return Err(OutputError::not_supported(
                FILE,
                "`crons` are not served here",
            ));
        }
        if raw.images.is_some_and(|images| !images.is_null()) {
            let message = "image optimisation (`images`) is not served here";
            return Err(OutputError::not_supported(FILE, message));
        }
        let mut site = Self {
            routes: routes(&raw.routes.unwrap_or_default())?,
            wildcard: raw
                .wildcard
                .unwrap_or_default()
                .into_iter()
                .map(|item| (item.domain.to_ascii_lowercase(), item.value))
                .collect(),
            ..Self::default()
        };
        let overrides = raw.overrides.unwrap_or_default();
        if overrides.len() > OVERRIDE_LIMIT {
            let message = format!("there are more than {OVERRIDE_LIMIT} overrides");
            return Err(OutputError::invalid(FILE, message));
        }
        for (file, wanted) in overrides {
            let file = file.trim_matches('/').to_owned();
            if let Some(path) = wanted.path {
                site.renamed
                    .insert(path.trim_matches('/').to_owned(), file.clone());
                site.hidden.insert(file.clone());
            }
            if let Some(content_type) = wanted.content_type {
                site.content_types.insert(file, content_type);
            }
        }
        Ok(site)
    }

    /// The static file behind a name, whether it exists or not.
    pub(crate) fn file_named<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        match self.renamed.get(name) {
            Some(file) => Some(file),
            None => (!self.hidden.contains(name)).then_some(name),
        }
    }

    /// Whether an override gives a file this name.
    pub(crate) fn is_renamed(&self, name: &str) -> bool {
        self.renamed.contains_key(name)
    }

    /// Media type of a static file, where the site says one.
    pub(crate) fn content_type(&self, file: &str) -> Option<&str> {
        self.content_types.get(file).map(String::as_str)
    }
}

fn routes(raw: &[Value]) -> Result<Routes, OutputError> {
    if raw.len() > ROUTE_LIMIT {
        let message = format!("there are {} routes, more than {ROUTE_LIMIT}", raw.len());
        return Err(OutputError::invalid(FILE, message));
    }
    let mut routes = Routes::default();
    let mut phase = Phase::Start;
    let mut seen = Vec::new();
    for (number, value) in raw.iter().enumerate() {
        let failed = |problem: RouteProblem| {
            let message = format!("route {number}: {}", problem.message);
            OutputError::new(FILE, problem.problem, message)
        };
        if let Some(handle) = value.get("handle") {
            phase = Phase::deserialize(handle).map_err(|_| {
                failed(RouteProblem::invalid(format!(
                    "the handle {handle} is unknown"
                )))
            })?;
            if value.as_object().is_some_and(|object| object.len() > 1) {
                let message = "a handle can't have other keys";
                return Err(failed(RouteProblem::invalid(message)));
            }
            if seen.contains(&phase) {
                let message = format!("the handle {handle} occurs twice");
                return Err(failed(RouteProblem::invalid(message)));
            }
            seen.push(phase);
            continue;
        }
        let raw = RawRoute::deserialize(value)
            .map_err(|error| failed(RouteProblem::invalid(error.to_string())))?;
        routes.push(phase, Route::compile(&raw, phase).map_err(failed)?);
    }
    Ok(routes)
}
