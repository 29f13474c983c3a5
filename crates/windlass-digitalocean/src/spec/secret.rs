//! Secret variables: plain once, sealed from then on.
//!
//! A variable of type SECRET is submitted in plain text and shown as `EV[1:…]`. The sealed text
//! stays the same while the value does: it may be sent back, and the plain value may be sent again,
//! without a change.

use serde::Deserialize;
use serde_json::Value;
use windlass_control::secrets::{Secrets, SecretsError};
use windlass_engine::id::AppId;

use super::Spec;
use super::error::SpecError;
use super::path::Path;
use super::wire::{AppSpec, VariableSpec, VariableType};

const BEFORE: &str = "EV[1:";
const AFTER: &str = "]";
/// Between the app's id and the value: neither ids nor values have it.
const SEPARATOR: char = '\0';

const NOT_OURS: &str =
    "is no encrypted value that was given out for this app: send the plain value again";
const NEEDS_SECRET: &str = "an encrypted value needs the type SECRET";

/// Seals and opens the secrets of one app.
///
/// The app's id is part of what is encrypted: a sealed text that was copied from another app opens
/// nothing.
#[derive(Debug, Clone)]
pub struct Vault {
    secrets: Secrets,
    app: AppId,
}

/// Why a spec can't be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The spec is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The values can't be encrypted.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

impl Vault {
    /// That of an app, which need not exist yet.
    pub fn new(secrets: Secrets, app: AppId) -> Self {
        Self { secrets, app }
    }

    fn seal(&self, plain: &str) -> Result<String, SecretsError> {
        let text = format!("{}{SEPARATOR}{plain}", self.app);
        let sealed = self.secrets.encrypt(text.as_bytes())?;
        Ok(format!("{BEFORE}{sealed}{AFTER}"))
    }

    /// The plain value of a sealed text; `None` = it is none of this app's.
    pub fn open(&self, sealed: &str) -> Option<String> {
        let sealed = sealed.strip_prefix(BEFORE)?.strip_suffix(AFTER)?;
        let text = self.secrets.decrypt_text(sealed).ok()?;
        let (app, plain) = text.split_once(SEPARATOR)?;
        (app == self.app.as_str()).then(|| plain.to_owned())
    }
}

/// A checked spec without plain secrets: this is what is stored and shown.
#[derive(Clone)]
pub struct SealedSpec {
    document: Value,
    app: AppSpec,
}

impl SealedSpec {
    /// Takes a document that was sealed before. It is not checked again: rules may have become
    /// stricter since.
    ///
    /// # Errors
    /// A document that has another form than a spec.
    pub fn stored(document: Value) -> Result<Self, SpecError> {
        let app = AppSpec::deserialize(&document)
            .map_err(|error| SpecError::unreadable(super::error::shown(&error.to_string())))?;
        Ok(Self { document, app })
    }

    /// The spec as it was submitted, with sealed secrets.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The members of the spec.
    pub fn app(&self) -> &AppSpec {
        &self.app
    }
}

impl Spec {
    /// Seals the secrets. `before` are earlier specs of the same app, the newest first: a value that
    /// is the same as there keeps its sealed text.
    ///
    /// # Errors
    /// [`SealError::Spec`] for a sealed text that is none of this app's.
    pub fn seal(self, before: &[&SealedSpec], vault: &Vault) -> Result<SealedSpec, SealError> {
        let Self { mut document, app } = self;
        let known: Vec<(Place<'_>, &VariableSpec)> = before
            .iter()
            .flat_map(|spec| variables(&spec.app))
            .collect();
        for (place, variable) in variables(&app) {
            let Some(sealed) = sealed(&place, variable, &known, vault)? else {
                continue;
            };
            let pointer = format!("{}/envs/{}/value", place.pointer, place.index);
            if let Some(value) = document.pointer_mut(&pointer) {
                *value = Value::String(sealed);
            }
        }
        Ok(SealedSpec::stored(document)?)
    }
}

/// Where a variable stands.
struct Place<'a> {
    /// JSON pointer of what has the variables.
    pointer: String,
    /// The list and position of its component; `None` = the app's own variables.
    list: Option<(&'static str, usize)>,
    /// Name of its component, empty for the app's own.
    component: &'a str,
    /// Position in the list of variables.
    index: usize,
}

fn variables(app: &AppSpec) -> impl Iterator<Item = (Place<'_>, &VariableSpec)> {
    let own = app.envs.iter().enumerate().map(|(index, variable)| {
        let place = Place {
            pointer: String::new(),
            list: None,
            component: "",
            index,
        };
        (place, variable)
    });
    let of_components = app.components().flat_map(|placed| {
        let base = placed.component.base();
        base.envs.iter().enumerate().map(move |(index, variable)| {
            let place = Place {
                pointer: format!("/{}/{}", placed.list, placed.index),
                list: Some((placed.list, placed.index)),
                component: &base.name,
                index,
            };
            (place, variable)
        })
    });
    own.chain(of_components)
}

/// The text that takes the place of a value; `None` = it stays as it is.
fn sealed(
    place: &Place<'_>,
    variable: &VariableSpec,
    known: &[(Place<'_>, &VariableSpec)],
    vault: &Vault,
) -> Result<Option<String>, SealError> {
    let is_sealed = variable.value.starts_with(BEFORE);
    match variable.kind {
        VariableType::General if is_sealed => Err(place.wrong(NEEDS_SECRET).into()),
        VariableType::General => Ok(None),
        VariableType::Secret if variable.value.is_empty() => Ok(None),
        VariableType::Secret if is_sealed => match vault.open(&variable.value) {
            Some(_) => Ok(None),
            None => Err(place.wrong(NOT_OURS).into()),
        },
        VariableType::Secret => {
            let unchanged = known.iter().find(|(other, before)| {
                other.component == place.component
                    && before.key == variable.key
                    && vault.open(&before.value).as_ref() == Some(&variable.value)
            });
            match unchanged {
                Some((_, before)) => Ok(Some(before.value.clone())),
                None => Ok(Some(vault.seal(&variable.value)?)),
            }
        }
    }
}

impl Place<'_> {
    fn wrong(&self, why: &str) -> SpecError {
        let at = |owner: &Path<'_>| {
            let envs = owner.member("envs");
            let variable = envs.index(self.index);
            SpecError::new(&variable.member("value"), why)
        };
        match self.list {
            None => at(&Path::ROOT),
            Some((list, index)) => {
                let list = Path::ROOT.member(list);
                at(&list.index(index))
            }
        }
    }
}

#[cfg(test)]
mod tests;
