//! Conditions of routes beside the path: `has` and `missing`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::RouteProblem;
use crate::pattern::{Pattern, TooMuchWork};
use crate::query::Query;
use crate::request::SiteRequest;

/// A condition as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCondition {
    #[serde(rename = "type")]
    kind: RawKind,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<Value>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Host,
    Header,
    Cookie,
    Query,
}

/// A condition.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    subject: Subject,
    test: Test,
}

#[derive(Debug, Clone)]
enum Subject {
    Host,
    Header(String),
    Cookie(String),
    Query(String),
}

/// What the value must be.
#[derive(Debug, Clone)]
enum Test {
    /// There is one.
    Present,
    Matches(Box<Pattern>),
    /// All of these.
    Operators(Vec<Operator>),
}

#[derive(Debug, Clone)]
enum Operator {
    Equal(String),
    NotEqual(String),
    Among(Vec<String>),
    NotAmong(Vec<String>),
    Prefix(String),
    Suffix(String),
    Matches(Box<Pattern>),
    Greater(f64),
    GreaterOrEqual(f64),
    Less(f64),
    LessOrEqual(f64),
}

impl Condition {
    pub(crate) fn compile(raw: &RawCondition) -> Result<Self, RouteProblem> {
        let key = |what: &str| {
            raw.key
                .clone()
                .ok_or_else(|| RouteProblem::invalid(format!("a condition on a {what} has no key")))
        };
        let subject = match raw.kind {
            RawKind::Host if raw.value.is_none() => {
                return Err(RouteProblem::invalid(
                    "a condition on the host has no value",
                ));
            }
            RawKind::Host => Subject::Host,
            RawKind::Header => Subject::Header(key("header")?.to_ascii_lowercase()),
            RawKind::Cookie => Subject::Cookie(key("cookie")?),
            RawKind::Query => Subject::Query(key("query")?),
        };
        let test = match &raw.value {
            None => Test::Present,
            Some(Value::String(pattern)) => Test::Matches(Box::new(Pattern::whole(pattern, true)?)),
            Some(Value::Object(operators)) => Test::Operators(
                operators
                    .iter()
                    .map(|(name, value)| Operator::compile(name, value))
                    .collect::<Result<_, _>>()?,
            ),
            Some(_) => {
                return Err(RouteProblem::invalid(
                    "the value of a condition is neither a string nor an object",
                ));
            }
        };
        Ok(Self { subject, test })
    }

    /// Whether it holds. What it captures goes into `values`.
    pub(crate) fn holds(
        &self,
        request: &SiteRequest<'_>,
        query: &Query,
        values: &mut BTreeMap<String, String>,
    ) -> Result<bool, TooMuchWork> {
        match &self.subject {
            Subject::Host => self.any_holds([request.host.to_owned()], "host", values),
            Subject::Header(name) => {
                let found = request.header_values(name).map(str::to_owned);
                self.any_holds(found, name, values)
            }
            Subject::Cookie(name) => {
                let found = request.cookie_values(name).map(str::to_owned);
                self.any_holds(found, name, values)
            }
            Subject::Query(name) => self.any_holds(query.values(name), name, values),
        }
    }

    fn any_holds(
        &self,
        found: impl IntoIterator<Item = String>,
        key: &str,
        values: &mut BTreeMap<String, String>,
    ) -> Result<bool, TooMuchWork> {
        for value in found {
            if self.test.holds(&value, key, values)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Test {
    fn holds(
        &self,
        value: &str,
        key: &str,
        values: &mut BTreeMap<String, String>,
    ) -> Result<bool, TooMuchWork> {
        match self {
            Self::Present => {
                values.insert(key.to_owned(), value.to_owned());
                Ok(true)
            }
            Self::Matches(pattern) => match_and_capture(pattern, value, key, values),
            Self::Operators(operators) => {
                for operator in operators {
                    if !operator.holds(value, key, values)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }
}

fn match_and_capture(
    pattern: &Pattern,
    value: &str,
    key: &str,
    values: &mut BTreeMap<String, String>,
) -> Result<bool, TooMuchWork> {
    let Some(groups) = pattern.groups(value)? else {
        return Ok(false);
    };
    values.insert(key.to_owned(), value.to_owned());
    for (number, name) in pattern.names() {
        if let Some(Some(group)) = groups.by_number.get(number) {
            values.insert(name.to_owned(), (*group).to_owned());
        }
    }
    Ok(true)
}

impl Operator {
    fn compile(name: &str, value: &Value) -> Result<Self, RouteProblem> {
        let wrong = |wanted: &str| {
            RouteProblem::invalid(format!(
                "the operator `{name}` of a condition needs {wanted}"
            ))
        };
        let text = || text_of(value).ok_or_else(|| wrong("a string or number"));
        let number = || value.as_f64().ok_or_else(|| wrong("a number"));
        let list = || {
            let items = value.as_array().ok_or_else(|| wrong("a list"))?;
            items
                .iter()
                .map(|item| text_of(item).ok_or_else(|| wrong("a list of strings")))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(match name {
            "eq" => Self::Equal(text()?),
            "neq" => Self::NotEqual(text()?),
            "inc" => Self::Among(list()?),
            "ninc" => Self::NotAmong(list()?),
            "pre" => Self::Prefix(text()?),
            "suf" => Self::Suffix(text()?),
            "re" => Self::Matches(Box::new(Pattern::whole(&text()?, true)?)),
            "gt" => Self::Greater(number()?),
            "gte" => Self::GreaterOrEqual(number()?),
            "lt" => Self::Less(number()?),
            "lte" => Self::LessOrEqual(number()?),
            _ => {
                return Err(RouteProblem::invalid(format!(
                    "a condition has the unknown operator `{name}`"
                )));
            }
        })
    }

    fn holds(
        &self,
        value: &str,
        key: &str,
        values: &mut BTreeMap<String, String>,
    ) -> Result<bool, TooMuchWork> {
        let number = || value.trim().parse::<f64>().ok();
        Ok(match self {
            Self::Equal(text) => value == text,
            Self::NotEqual(text) => value != text,
            Self::Among(list) => list.iter().any(|text| value == text),
            Self::NotAmong(list) => list.iter().all(|text| value != text),
            Self::Prefix(text) => value.starts_with(text.as_str()),
            Self::Suffix(text) => value.ends_with(text.as_str()),
            Self::Matches(pattern) => match_and_capture(pattern, value, key, values)?,
            Self::Greater(limit) => number().is_some_and(|value| value > *limit),
            Self::GreaterOrEqual(limit) => number().is_some_and(|value| value >= *limit),
            Self::Less(limit) => number().is_some_and(|value| value < *limit),
            Self::LessOrEqual(limit) => number().is_some_and(|value| value <= *limit),
        })
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
