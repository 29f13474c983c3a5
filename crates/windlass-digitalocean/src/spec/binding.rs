//! Bindable variables: `${…}` inside the values of variables.
//!
//! `${APP_URL}`, `${APP_DOMAIN}`, `${APP_ID}` speak of the app; `${web.PUBLIC_URL}` and
//! `${_self.PUBLIC_URL}` of a component, by its facts or its own variables. What is unknown stays as
//! it stands, as on the platform.

use std::collections::{BTreeMap, BTreeSet};

/// Deepest chain of variables that refer to each other. What lies deeper, such as a circle, stays
/// as it stands.
const DEPTH_MAX: usize = 8;
/// Largest value after all references are filled in, bytes.
const VALUE_BYTES_MAX: usize = 64 * 1024;
/// Most references that are followed for one value.
const FOLLOWED_MAX: usize = 1_000;
/// The component that has the variable.
const SELF: &str = "_self";

/// What references can speak of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// `${NAME}`.
    pub(super) of_app: BTreeMap<&'static str, String>,
    /// `${component.NAME}`.
    pub(super) of_components: BTreeMap<String, ComponentFacts>,
}

/// What references can speak of in one component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ComponentFacts {
    /// Facts by name.
    pub(super) facts: BTreeMap<&'static str, Fact>,
    /// Variables by key, references not yet filled in.
    pub(super) variables: BTreeMap<String, String>,
}

/// One fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fact {
    /// It is this.
    Known(String),
    /// It would be known if the component's commit were.
    NeedsCommit,
    /// There is no such thing here: why, and what to do.
    Unavailable(&'static str),
}

/// Fills in references, and notes what would have to be known.
pub(super) struct Filler<'a> {
    facts: &'a Facts,
    /// Components whose commit is asked for and unknown.
    pub(super) missing_commits: BTreeSet<String>,
    followed: usize,
}

impl<'a> Filler<'a> {
    pub(super) fn new(facts: &'a Facts) -> Self {
        Self {
            facts,
            missing_commits: BTreeSet::new(),
            followed: 0,
        }
    }

    /// The value of a variable of `component` with its references filled in.
    ///
    /// # Errors
    /// Why it can't be, in words that fit behind the field.
    pub(super) fn fill(&mut self, component: &str, value: &str) -> Result<String, String> {
        self.followed = 0;
        let mut filled = String::new();
        self.append(component, value, 0, &mut filled)?;
        Ok(filled)
    }

    fn append(
        &mut self,
        component: &str,
        value: &str,
        depth: usize,
        filled: &mut String,
    ) -> Result<(), String> {
        let mut rest = value;
        while let Some(start) = rest.find("${") {
            let (before, from) = rest.split_at(start);
            filled.push_str(before);
            let Some(end) = from.find('}') else {
                rest = from;
                break;
            };
            let (reference, after) = from.split_at(end + 1);
            let name = &reference[2..end];
            rest = after;
            if !self.resolve(component, name, depth, filled)? {
                // Perhaps the text between is one: `${a ${APP_ID}`.
                match reference[2..].find("${") {
                    Some(inner) => {
                        filled.push_str(&reference[..inner + 2]);
                        rest = &from[inner + 2..];
                    }
                    None => filled.push_str(reference),
                }
            }
            limit(filled)?;
        }
        filled.push_str(rest);
        limit(filled)
    }

    /// Appends what a name stands for. False = it is unknown.
    fn resolve(
        &mut self,
        component: &str,
        name: &str,
        depth: usize,
        filled: &mut String,
    ) -> Result<bool, String> {
        let facts = self.facts;
        let Some((owner, name)) = name.split_once('.') else {
            let Some(value) = facts.of_app.get(name) else {
                return Ok(false);
            };
            filled.push_str(value);
            return Ok(true);
        };
        let owner = if owner == SELF { component } else { owner };
        let Some(of_owner) = facts.of_components.get(owner) else {
            return Ok(false);
        };
        match of_owner.facts.get(name) {
            Some(Fact::Known(value)) => {
                filled.push_str(value);
                return Ok(true);
            }
            Some(Fact::NeedsCommit) => {
                self.missing_commits.insert(owner.to_owned());
                return Ok(false);
            }
            Some(Fact::Unavailable(why)) => {
                return Err(format!("${{{owner}.{name}}} is not known here: {why}"));
            }
            None => {}
        }
        let Some(value) = of_owner.variables.get(name) else {
            return Ok(false);
        };
        self.followed += 1;
        if self.followed > FOLLOWED_MAX {
            return Err(format!("follows more than {FOLLOWED_MAX} references"));
        }
        if depth == DEPTH_MAX {
            return Ok(false);
        }
        self.append(owner, value, depth + 1, filled)?;
        Ok(true)
    }
}

fn limit(filled: &str) -> Result<(), String> {
    if filled.len() > VALUE_BYTES_MAX {
        let why = format!("is longer than {VALUE_BYTES_MAX} bytes with its references filled in");
        return Err(why);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
