//! What a request for a deployment asks for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use windlass_build_output::{OutputError, Problem, config_of_project};

use super::commit::Commit;
use super::detail::Target;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::query::Pairs;

/// Most pairs of `meta`.
const MAX_META: usize = 100;
/// Longest text of a pair, bytes.
const MAX_META_BYTES: usize = 65_536;
/// Fields of a project file that may come with the request.
const PROJECT_FILE: [&str; 9] = [
    "routes",
    "rewrites",
    "redirects",
    "headers",
    "cleanUrls",
    "trailingSlash",
    "functions",
    "images",
    "crons",
];

/// What a request asks for, as far as it does not depend on the project.
pub(super) struct Order {
    /// What it is for; `None` = nobody says.
    pub(super) target: Option<Target>,
    /// What it came from, in the words of the wire.
    pub(super) source: String,
    /// Free pairs.
    pub(super) meta: BTreeMap<String, String>,
    /// What the client says about the commit that it was made of.
    pub(super) commit: Commit,
    /// Variables of its functions.
    pub(super) env: BTreeMap<String, String>,
    /// Variables of its build.
    pub(super) build_env: BTreeMap<String, String>,
    /// Whether it takes the production hosts by itself.
    pub(super) auto_assign: Option<bool>,
    /// Whether it was built before it came here.
    pub(super) prebuilt: bool,
    /// Fields of the project file that came with it.
    pub(super) project_file: Option<Value>,
}

impl Order {
    /// Reads it.
    ///
    /// # Errors
    /// 400.
    pub(super) fn read(object: &Map<String, Value>, query: &Pairs) -> ApiResult<Self> {
        let custom = body::text(object, "customEnvironmentSlugOrId")?;
        let target = match body::text(object, "target")?.or(custom).as_deref() {
            None => None,
            Some("production") => Some(Target::Production),
            Some("staging") => Some(Target::Staging),
            Some("preview") => Some(Target::Preview),
            Some(_) => {
                return Err(ApiError::bad_request(
                    "Invalid request: there is no such environment; `target` should be \
                     production, staging or absent",
                ));
            }
        };
        let meta = meta(object)?;
        let git = object.get("gitMetadata").and_then(Value::as_object);
        let said = |name: &str| {
            let text = git.and_then(|git| git.get(name)).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let commit = Commit {
            branch: said("commitRef").or_else(|| commit_ref(&meta)),
            sha: said("commitSha"),
            message: said("commitMessage"),
            author: said("commitAuthorName"),
            ..Commit::default()
        };
        let build = object.get("build").and_then(Value::as_object);
        let prebuilt = query.switch("prebuilt")?;
        Ok(Self {
            target,
            source: if body::text(object, "source")?.as_deref() == Some("cli") {
                "cli".to_owned()
            } else {
                "import".to_owned()
            },
            env: pairs(object.get("env"), "env")?,
            build_env: pairs(build.and_then(|build| build.get("env")), "build.env")?,
            auto_assign: body::truth(object, "autoAssignCustomDomains")?,
            prebuilt,
            project_file: project_file(object, prebuilt)?,
            meta,
            commit,
        })
    }
}

/// The branch that free pairs name, whichever host of repositories they come from.
fn commit_ref(meta: &BTreeMap<String, String>) -> Option<String> {
    let mut pairs = meta.iter();
    pairs
        .find(|(name, value)| name.ends_with("CommitRef") && !value.is_empty())
        .map(|(_, value)| value.clone())
}

fn meta(object: &Map<String, Value>) -> ApiResult<BTreeMap<String, String>> {
    let mut meta = pairs(object.get("meta"), "meta")?;
    // What the client knows of its repository is shown as pairs.
    let git = object.get("gitMetadata").and_then(Value::as_object);
    for (name, shown) in [
        ("commitRef", "gitCommitRef"),
        ("commitSha", "gitCommitSha"),
        ("commitMessage", "gitCommitMessage"),
        ("commitAuthorName", "gitCommitAuthorName"),
        ("commitAuthorEmail", "gitCommitAuthorEmail"),
    ] {
        let value = git.and_then(|git| git.get(name)).and_then(Value::as_str);
        if let Some(value) = value {
            meta.insert(shown.to_owned(), value.to_owned());
        }
    }
    let is_dirty = git.and_then(|git| git.get("dirty")) == Some(&Value::Bool(true));
    if is_dirty {
        meta.insert("gitDirty".to_owned(), "1".to_owned());
    }
    let too_long = meta.values().any(|value| value.len() > MAX_META_BYTES);
    if meta.len() > MAX_META || too_long {
        return Err(ApiError::bad_request(format!(
            "`meta` must have at most {MAX_META} pairs of at most {MAX_META_BYTES} bytes"
        )));
    }
    Ok(meta)
}

/// Texts by name; numbers and truth values become texts.
fn pairs(value: Option<&Value>, name: &str) -> ApiResult<BTreeMap<String, String>> {
    let object = match value {
        None | Some(Value::Null) => return Ok(BTreeMap::new()),
        Some(Value::Object(object)) => object,
        Some(_) => return Err(body::kind(name, "an object")),
    };
    let pair = |(key, value): (&String, &Value)| {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(ApiError::invalid(
                    "env_value_invalid_type",
                    format!("`{name}` should be an object of strings"),
                ));
            }
        };
        if text.contains('\0') || key.contains('\0') || key.contains('=') || key.is_empty() {
            return Err(ApiError::bad_request(format!(
                "`{name}` has a name or value that no environment can have"
            )));
        }
        Ok((key.clone(), text))
    };
    object.iter().map(pair).collect()
}

/// Fields of the project file. What no site could be made of is refused before anything is built;
/// what was built before it came brings its own.
fn project_file(object: &Map<String, Value>, prebuilt: bool) -> ApiResult<Option<Value>> {
    let fields: Map<String, Value> = PROJECT_FILE
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), object.get(name)?.clone())))
        .filter(|(_, value)| !value.is_null())
        .collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let fields = Value::Object(fields);
    if !prebuilt {
        config_of_project(&fields, &[]).map_err(|error| refused(&error))?;
    }
    Ok(Some(fields))
}

fn refused(error: &OutputError) -> ApiError {
    let message = format!("Invalid request: {error}");
    match error.problem {
        Problem::Route => ApiError::invalid("invalid_route", message),
        Problem::Invalid | Problem::NotSupported => ApiError::bad_request(message),
    }
}
