//! The project file (`vercel.json`) of a site without a builder of its own, as
//! the `config.json` that says the same.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::Site;
use crate::error::{OutputError, RouteProblem};
use crate::path_pattern::PathPattern;

mod destination;

use destination::Names;

const FILE: &str = "vercel.json";
/// Entries of one list.
const ENTRY_LIMIT: usize = 1_024;
/// What a redirect answers that says nothing else.
const REDIRECT_STATUS: u16 = 308;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProjectFile {
    clean_urls: Option<bool>,
    trailing_slash: Option<bool>,
    #[serde(default)]
    redirects: Vec<Redirect>,
    #[serde(default)]
    rewrites: Vec<Rewrite>,
    #[serde(default)]
    headers: Vec<Header>,
    routes: Option<Vec<Value>>,
    crons: Option<Value>,
    images: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Redirect {
    source: String,
    destination: String,
    permanent: Option<bool>,
    status_code: Option<u16>,
    has: Option<Vec<Value>>,
    missing: Option<Vec<Value>>,
    /// `vercel` writes it into what it makes.
    #[serde(rename = "env")]
    env: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rewrite {
    source: String,
    destination: String,
    status_code: Option<u16>,
    has: Option<Vec<Value>>,
    missing: Option<Vec<Value>>,
    env: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    source: String,
    headers: Vec<Pair>,
    has: Option<Vec<Value>>,
    missing: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize)]
struct Pair {
    key: String,
    value: String,
}

/// The `config.json` of a site whose files are `files` (paths below `static/`)
/// and whose project file is `project`.
///
/// # Errors
/// When the project file is not what it must be, or asks for what is not served.
pub fn config_of_project(project: &Value, files: &[&str]) -> Result<Value, OutputError> {
    let parsed = ProjectFile::deserialize(project)
        .map_err(|error| OutputError::invalid(FILE, error.to_string()))?;
    let config = parsed
        .config(files)
        .map_err(|problem| OutputError::new(FILE, problem.problem, problem.message))?;
    let text = serde_json::to_vec(&config)
        .map_err(|error| OutputError::invalid(FILE, error.to_string()))?;
    match Site::parse(&text) {
        Ok(_) => Ok(config),
        Err(error) => Err(OutputError::new(FILE, error.problem, error.message)),
    }
}

impl ProjectFile {
    fn config(&self, files: &[&str]) -> Result<Value, RouteProblem> {
        for (name, length) in [
            ("redirects", self.redirects.len()),
            ("rewrites", self.rewrites.len()),
            ("headers", self.headers.len()),
        ] {
            if length > ENTRY_LIMIT {
                let message = format!("`{name}` has {length} entries, more than {ENTRY_LIMIT}");
                return Err(RouteProblem::invalid(message));
            }
        }
        let cleans = self.clean_urls == Some(true);
        let mut routes = match &self.routes {
            Some(routes) => {
                self.refuse_beside_routes()?;
                routes.clone()
            }
            None => self.routes()?,
        };
        let errors: Vec<Value> = [404, 500]
            .into_iter()
            .filter(|status| files.contains(&format!("{status}.html").as_str()))
            .map(|status| {
                let end = if cleans { "" } else { ".html" };
                json!({"status": status, "src": "^.*$", "dest": format!("/{status}{end}")})
            })
            .collect();
        let is_error = |route: &Value| route.get("handle").is_some_and(|handle| handle == "error");
        if !errors.is_empty() && !routes.iter().any(is_error) {
            routes.push(json!({"handle": "error"}));
            routes.extend(errors);
        }
        let mut config = json!({"version": 3, "routes": routes});
        if cleans {
            let overrides: Map<String, Value> = files
                .iter()
                .filter_map(|file| {
                    let path = file.strip_suffix(".html")?;
                    Some(((*file).to_owned(), json!({"path": path})))
                })
                .collect();
            config["overrides"] = overrides.into();
        }
        for (name, value) in [("crons", &self.crons), ("images", &self.images)] {
            if let Some(value) = value {
                config[name] = value.clone();
            }
        }
        Ok(config)
    }

    fn refuse_beside_routes(&self) -> Result<(), RouteProblem> {
        let beside = [
            ("cleanUrls", self.clean_urls.is_some()),
            ("trailingSlash", self.trailing_slash.is_some()),
            ("redirects", !self.redirects.is_empty()),
            ("rewrites", !self.rewrites.is_empty()),
            ("headers", !self.headers.is_empty()),
        ];
        match beside.iter().find(|(_, is_there)| *is_there) {
            Some((name, _)) => Err(RouteProblem::invalid(format!(
                "`routes` can't be combined with `{name}`"
            ))),
            None => Ok(()),
        }
    }

    fn routes(&self) -> Result<Vec<Value>, RouteProblem> {
        let mut routes = Vec::new();
        let slash = if self.trailing_slash == Some(true) {
            "/"
        } else {
            ""
        };
        if self.clean_urls == Some(true) {
            let to = format!("/$1{slash}");
            routes.push(moved("^/(?:(.+)/)?index(?:\\.html)?/?$", &to));
            routes.push(moved("^/(.*)\\.html/?$", &to));
        }
        match self.trailing_slash {
            Some(true) => {
                routes.push(json!({"src": "^/\\.well-known(?:/.*)?$"}));
                routes.push(moved("^/((?:[^/]+/)*[^/.]+)$", "/$1/"));
                routes.push(moved("^/((?:[^/]+/)*[^/]+\\.\\w+)/$", "/$1"));
            }
            Some(false) => routes.push(moved("^/(.*)/$", "/$1")),
            None => {}
        }
        for redirect in &self.redirects {
            routes.push(redirect.route()?);
        }
        for header in &self.headers {
            routes.push(header.route()?);
        }
        if !self.rewrites.is_empty() {
            routes.push(json!({"handle": "filesystem"}));
            for rewrite in &self.rewrites {
                routes.push(rewrite.route()?);
            }
        }
        Ok(routes)
    }
}

fn moved(src: &str, to: &str) -> Value {
    json!({"src": src, "headers": {"Location": to}, "status": REDIRECT_STATUS})
}

impl Redirect {
    fn route(&self) -> Result<Value, RouteProblem> {
        let source = PathPattern::parse(&self.source)?;
        let names = Names::new(&source, self.has.as_deref());
        let status = match (self.permanent, self.status_code) {
            (Some(true), _) => 308,
            (Some(false), _) => 307,
            (None, Some(status)) => status,
            (None, None) => REDIRECT_STATUS,
        };
        if !(300..400).contains(&status) {
            let message = format!("a redirect can't have the status {status}");
            return Err(RouteProblem::invalid(message));
        }
        let mut route = json!({
            "src": source.src,
            "headers": {"Location": names.fill(&self.destination)},
            "status": status,
        });
        conditions(
            &mut route,
            self.has.as_deref(),
            self.missing.as_deref(),
            self.env.as_ref(),
        );
        Ok(route)
    }
}

impl Rewrite {
    fn route(&self) -> Result<Value, RouteProblem> {
        let source = PathPattern::parse(&self.source)?;
        let names = Names::new(&source, self.has.as_deref());
        let mut route = json!({
            "src": source.src,
            "dest": names.rewritten(&self.destination),
            "check": true,
        });
        if let Some(status) = self.status_code {
            route["status"] = status.into();
        }
        conditions(
            &mut route,
            self.has.as_deref(),
            self.missing.as_deref(),
            self.env.as_ref(),
        );
        Ok(route)
    }
}

impl Header {
    fn route(&self) -> Result<Value, RouteProblem> {
        let source = PathPattern::parse(&self.source)?;
        let names = Names::new(&source, self.has.as_deref());
        let headers: Map<String, Value> = self
            .headers
            .iter()
            .map(|pair| (names.fill(&pair.key), names.fill(&pair.value).into()))
            .collect();
        let mut route = json!({
            "src": source.src,
            "headers": headers,
            "continue": true,
        });
        conditions(
            &mut route,
            self.has.as_deref(),
            self.missing.as_deref(),
            None,
        );
        Ok(route)
    }
}

fn conditions(
    route: &mut Value,
    has: Option<&[Value]>,
    missing: Option<&[Value]>,
    env: Option<&Value>,
) {
    for (name, list) in [("has", has), ("missing", missing)] {
        if let Some(list) = list {
            route[name] = list.into();
        }
    }
    if let Some(env) = env {
        route["env"] = env.clone();
    }
}
