//! Routes: from `config.json` to what is evaluated.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::condition::{Condition, RawCondition};
use crate::error::RouteProblem;
use crate::pattern::Pattern;
use crate::template::Template;

/// Conditions of one route.
const CONDITION_LIMIT: usize = 32;
/// Headers of one route.
const HEADER_LIMIT: usize = 64;

/// When routes are looked at: at first, or at a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Before any handle.
    #[serde(skip)]
    Start,
    /// After the path led to no file.
    Filesystem,
    /// A file or function answers.
    Hit,
    /// A path led to no file.
    Miss,
    /// Dynamic paths.
    Rewrite,
    /// Last resort.
    Resource,
    /// An error answers.
    Error,
}

/// The routes of a site, by phase.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes {
    start: Vec<Route>,
    filesystem: Vec<Route>,
    hit: Vec<Route>,
    miss: Vec<Route>,
    rewrite: Vec<Route>,
    resource: Vec<Route>,
    error: Vec<Route>,
}

impl Routes {
    pub(crate) fn of(&self, phase: Phase) -> &[Route] {
        match phase {
            Phase::Start => &self.start,
            Phase::Filesystem => &self.filesystem,
            Phase::Hit => &self.hit,
            Phase::Miss => &self.miss,
            Phase::Rewrite => &self.rewrite,
            Phase::Resource => &self.resource,
            Phase::Error => &self.error,
        }
    }

    pub(crate) fn push(&mut self, phase: Phase, route: Route) {
        match phase {
            Phase::Start => &mut self.start,
            Phase::Filesystem => &mut self.filesystem,
            Phase::Hit => &mut self.hit,
            Phase::Miss => &mut self.miss,
            Phase::Rewrite => &mut self.rewrite,
            Phase::Resource => &mut self.resource,
            Phase::Error => &mut self.error,
        }
        .push(route);
    }
}

/// A route as it is written. What is not served here is named, so that it is
/// refused and not ignored.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RawRoute {
    #[serde(alias = "source")]
    src: Option<String>,
    #[serde(alias = "destination")]
    dest: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    methods: Option<Vec<String>>,
    #[serde(rename = "continue")]
    continues: Option<bool>,
    /// Says only that a builder may replace what another one made.
    #[serde(rename = "override")]
    _overrides: Option<bool>,
    case_sensitive: Option<bool>,
    check: Option<bool>,
    important: Option<bool>,
    #[serde(alias = "statusCode")]
    status: Option<u16>,
    has: Option<Vec<RawCondition>>,
    missing: Option<Vec<RawCondition>>,
    /// Concerns answers of other hosts only.
    #[serde(rename = "respectOriginCacheControl")]
    _respect_origin_cache_control: Option<bool>,
    mitigate: Option<Value>,
    transforms: Option<Vec<Value>>,
    env: Option<Vec<String>>,
    locale: Option<Value>,
    middleware: Option<Value>,
    middleware_path: Option<Value>,
    middleware_raw_src: Option<Value>,
}

/// A route.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pattern: Pattern,
    /// Also tried without the slash at the path's begin.
    pub(crate) is_relative: bool,
    pub(crate) methods: Vec<String>,
    pub(crate) has: Vec<Condition>,
    pub(crate) missing: Vec<Condition>,
    pub(crate) dest: Option<Template>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) status: Option<u16>,
    pub(crate) goes_on: bool,
    pub(crate) check: bool,
    pub(crate) is_important: bool,
}

impl Route {
    pub(crate) fn compile(raw: &RawRoute, phase: Phase) -> Result<Self, RouteProblem> {
        raw.refuse()?;
        let dest = raw.dest.as_deref();
        let goes_on = raw.continues.unwrap_or(false);
        let check = raw.check.unwrap_or(false);
        match phase {
            Phase::Hit if dest.is_some() => {
                return Err(RouteProblem::invalid(
                    "a route after `hit` can't have `dest`",
                ));
            }
            Phase::Hit if raw.status.is_some() => {
                return Err(RouteProblem::invalid(
                    "a route after `hit` can't have `status`",
                ));
            }
            Phase::Hit if !goes_on => {
                return Err(RouteProblem::invalid(
                    "a route after `hit` must have `continue: true`",
                ));
            }
            Phase::Miss if dest.is_some() && !check => {
                return Err(RouteProblem::invalid(
                    "a route after `miss` with `dest` must have `check: true`",
                ));
            }
            Phase::Miss if dest.is_none() && !goes_on && raw.status.is_none() => {
                return Err(RouteProblem::invalid(
                    "a route after `miss` without `dest` must have `continue: true`",
                ));
            }
            Phase::Start
            | Phase::Filesystem
            | Phase::Hit
            | Phase::Miss
            | Phase::Rewrite
            | Phase::Resource
            | Phase::Error => {}
        }
        // Only a route for errors may leave the path open.
        let src = match (&raw.src, phase) {
            (Some(src), _) => src.replace("\\/", "/"),
            (None, Phase::Error) => ".*".to_owned(),
            (None, _) => return Err(RouteProblem::invalid("a route has no `src`")),
        };
        if dest.is_some_and(is_external) {
            return Err(RouteProblem::not_supported(
                "a rewrite to another host is not served here: use a redirect",
            ));
        }
        if raw
            .status
            .is_some_and(|status| !(100..=599).contains(&status))
        {
            return Err(RouteProblem::invalid("`status` is not between 100 and 599"));
        }
        let headers = raw.headers.iter().flatten();
        let headers: Vec<(String, Template)> = headers
            .map(|(name, value)| {
                let name = name.to_ascii_lowercase();
                if is_token(&name) {
                    Ok((name, Template::parse(value)))
                } else {
                    let message = format!("`{name}` is no name of a header");
                    Err(RouteProblem::invalid(message))
                }
            })
            .collect::<Result<_, _>>()?;
        if headers.len() > HEADER_LIMIT {
            return Err(RouteProblem::invalid(format!(
                "a route has more than {HEADER_LIMIT} headers"
            )));
        }
        let first = src.trim_start_matches('^').bytes().next();
        Ok(Self {
            is_relative: first.is_some_and(|byte| byte.is_ascii_alphanumeric()),
            pattern: Pattern::whole(&src, raw.case_sensitive.unwrap_or(false))?,
            methods: raw
                .methods
                .iter()
                .flatten()
                .map(|method| method.to_ascii_uppercase())
                .collect(),
            has: conditions(raw.has.as_deref())?,
            missing: conditions(raw.missing.as_deref())?,
            dest: dest.map(Template::parse),
            headers,
            status: raw.status,
            goes_on,
            check,
            is_important: raw.important.unwrap_or(false),
        })
    }

    pub(crate) fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Whether it answers with another address.
    pub(crate) fn redirects(&self) -> bool {
        self.status
            .is_some_and(|status| (300..400).contains(&status))
            && self.headers.iter().any(|(name, _)| name == "location")
    }
}

impl RawRoute {
    fn refuse(&self) -> Result<(), RouteProblem> {
        let named = [
            ("mitigate", self.mitigate.is_some()),
            (
                "transforms",
                self.transforms
                    .as_ref()
                    .is_some_and(|list| !list.is_empty()),
            ),
            (
                "env",
                self.env.as_ref().is_some_and(|list| !list.is_empty()),
            ),
            ("locale", self.locale.is_some()),
            ("middleware", self.middleware.is_some()),
            ("middlewarePath", self.middleware_path.is_some()),
            ("middlewareRawSrc", self.middleware_raw_src.is_some()),
        ];
        match named.iter().find(|(_, is_there)| *is_there) {
            Some((name, _)) => Err(RouteProblem::not_supported(format!(
                "a route uses `{name}`, which is not served here"
            ))),
            None => Ok(()),
        }
    }
}

fn conditions(raw: Option<&[RawCondition]>) -> Result<Vec<Condition>, RouteProblem> {
    let raw = raw.unwrap_or_default();
    if raw.len() > CONDITION_LIMIT {
        return Err(RouteProblem::invalid(format!(
            "a route has more than {CONDITION_LIMIT} conditions"
        )));
    }
    raw.iter().map(Condition::compile).collect()
}

/// Whether a destination names another host. One that is only known at the
/// request can't: it always becomes a path.
fn is_external(dest: &str) -> bool {
    dest.starts_with("//")
        || dest
            .split_once("://")
            .is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Whether a text may be the name of a header.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
