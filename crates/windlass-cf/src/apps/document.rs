//! What only this dialect knows of an app: kept verbatim beside its record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_engine::records::{AppRecord, Metadata};

use super::lifecycle::Lifecycle;

/// The document of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    /// How it is built.
    pub(crate) lifecycle: Lifecycle,
    /// Whether numbered revisions are kept.
    pub(crate) revisions: bool,
    /// Whether SSH would be allowed.
    pub(crate) ssh: bool,
    /// Labels and annotations of processes, by process type.
    pub(crate) process_metadata: BTreeMap<String, Metadata>,
}

impl Default for Document {
    fn default() -> Self {
        Self {
            lifecycle: Lifecycle::default(),
            revisions: true,
            ssh: true,
            process_metadata: BTreeMap::new(),
        }
    }
}

impl Document {
    /// The document of an app; what is missing in it has its default.
    pub(crate) fn of(app: &AppRecord) -> Self {
        serde_json::from_value(app.document.clone()).unwrap_or_default()
    }

    /// As it is kept.
    pub(crate) fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Changes the document of an app.
    pub(crate) fn change(app: &mut AppRecord, change: impl FnOnce(&mut Self)) {
        let mut document = Self::of(app);
        change(&mut document);
        app.document = document.to_value();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_has_its_default() {
        let read: Document = serde_json::from_value(json!({"ssh": false})).unwrap();
        assert_eq!(
            read,
            Document {
                ssh: false,
                ..Document::default()
            }
        );
        let kept = Document::default().to_value();
        assert_eq!(
            serde_json::from_value::<Document>(kept).unwrap(),
            Document::default()
        );
    }
}
