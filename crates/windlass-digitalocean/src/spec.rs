//! App specs: read, checked, and translated to plain values.
//!
//! [`Spec::parse`] reads JSON or YAML strictly: what is unknown, wrong, or can't be run is refused
//! with the name of the field. [`Spec::seal`] makes of it a [`secret::SealedSpec`], which has no
//! plain secrets: that is what is stored and shown. [`secret::SealedSpec::translate`] turns it into
//! plain values, for which nothing else of this module has to be known.

mod binding;
mod canary;
mod check;
mod error;
mod language;
mod path;
pub mod routing;
mod rules;
pub mod schema;
pub mod secret;
pub mod translate;
pub mod wire;

use serde::Deserialize;
use serde_json::Value;

pub use error::SpecError;
use path::Path;
pub(crate) use rules::host;
use wire::AppSpec;

/// Most bytes of a spec.
pub const SPEC_BYTES_MAX: usize = 1024 * 1024;

/// How a spec is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As JSON.
    Json,
    /// As YAML.
    Yaml,
}

/// A checked spec.
#[derive(Clone)]
pub struct Spec {
    document: Value,
    app: AppSpec,
}

impl Spec {
    /// Reads and checks a spec.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &[u8], format: Format) -> Result<Self, SpecError> {
        Self::check(read(text, format)?)
    }

    /// Checks a spec that is JSON already, such as a member of a request.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(mut document: Value) -> Result<Self, SpecError> {
        drop_nulls(&mut document);
        check::object(&document, schema::APP, &Path::ROOT)?;
        let app = AppSpec::deserialize(&document)
            .map_err(|error| SpecError::unreadable(error::shown(&error.to_string())))?;
        rules::check(&app)?;
        Ok(Self { document, app })
    }

    /// The spec as it was submitted, order kept; members that are `null` are left out.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The members of the spec.
    pub fn app(&self) -> &AppSpec {
        &self.app
    }
}

/// Reads a document as JSON.
fn read(text: &[u8], format: Format) -> Result<Value, SpecError> {
    if text.len() > SPEC_BYTES_MAX {
        let why = format!("larger than {SPEC_BYTES_MAX} bytes");
        return Err(SpecError::unreadable(why));
    }
    let wrong = |error: &dyn std::fmt::Display| {
        SpecError::unreadable(format!(
            "can't be read: {}",
            error::shown(&error.to_string())
        ))
    };
    match format {
        Format::Json => serde_json::from_slice(text).map_err(|error| wrong(&error)),
        Format::Yaml => {
            let text = std::str::from_utf8(text).map_err(|error| wrong(&error))?;
            serde_saphyr::from_str(text).map_err(|error| wrong(&error))
        }
    }
}

/// A member that is `null` was not given.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, value| !value.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(entries) => entries.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
