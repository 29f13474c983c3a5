//! `label_selector`: comma-separated requirements, all of which must hold.

use std::collections::BTreeMap;

use crate::metadata::{label_key_problem, label_value_problem};

const MISSING: &str = "Missing label_selector value";
const INVALID: &str = "Invalid label_selector value";

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

/// A checked label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

impl LabelSelector {
    /// Whether labels fulfil every requirement. `!=` and `notin` also hold where the key is absent.
    pub fn accepts(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements
            .iter()
            .all(|requirement| match requirement {
                Requirement::Exists(key) => labels.contains_key(key),
                Requirement::Absent(key) => !labels.contains_key(key),
                Requirement::In(key, values) => {
                    labels.get(key).is_some_and(|value| values.contains(value))
                }
                Requirement::NotIn(key, values) => {
                    labels.get(key).is_none_or(|value| !values.contains(value))
                }
            })
    }

    /// The requirements.
    pub(super) fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Err(MISSING.to_owned());
        }
        let requirements = split_outside_parentheses(text)
            .into_iter()
            .map(|part| requirement(part.trim()).ok_or_else(|| INVALID.to_owned()))
            .collect::<Result<_, _>>()?;
        Ok(Self { requirements })
    }
}

/// Splits at commas that are not inside `( … )`.
fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth <= 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement::Absent(key_of(key)?));
    }
    if let Some((head, rest)) = part.split_once('(') {
        let values = rest.trim_end().strip_suffix(')')?;
        let values: Vec<String> = values.split(',').map(value_of).collect::<Option<_>>()?;
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        let key = key_of(key)?;
        return match operator {
            "in" => Some(Requirement::In(key, values)),
            "notin" => Some(Requirement::NotIn(key, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Requirement::NotIn(key_of(key)?, vec![value_of(value)?]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(key_of(key)?, vec![value_of(value)?]));
    }
    Some(Requirement::Exists(key_of(part)?))
}

fn key_of(text: &str) -> Option<String> {
    let key = text.trim();
    label_key_problem(key, false)
        .is_none()
        .then(|| key.to_owned())
}

fn value_of(text: &str) -> Option<String> {
    let value = text.trim();
    label_value_problem(value)
        .is_none()
        .then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(selector: &str, labels: &[(&str, &str)]) -> Result<bool, String> {
        let labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        LabelSelector::parse(selector).map(|selector| selector.accepts(&labels))
    }

    #[test]
    fn every_operator() {
        let labels = [("env", "prod"), ("a.io/tier", "web")];
        for (selector, expected) in [
            ("env", true),
            ("!env", false),
            ("!other", true),
            ("env=prod", true),
            ("env==prod", true),
            ("env = dev", false),
            ("env!=dev", true),
            ("other!=x", true),
            ("env in (dev, prod)", true),
            ("env notin (dev,prod)", false),
            ("other notin (a)", true),
            ("env=prod,a.io/tier in (web),!x", true),
            ("env=prod,a.io/tier=db", false),
        ] {
            assert_eq!(accepts(selector, &labels), Ok(expected), "{selector}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        assert_eq!(accepts("", &[]), Err(MISSING.to_owned()));
        for bad in [
            "env in prod",
            "env in (a",
            "in (a)",
            ",",
            "a,,b",
            "-x=1",
            "a/b/c",
            "a=b c",
        ] {
            assert_eq!(accepts(bad, &[]), Err(INVALID.to_owned()), "{bad}");
        }
    }
}
