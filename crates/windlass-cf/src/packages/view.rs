//! A package as the wire has it.

use serde_json::{Value, json};
use windlass_engine::records::{Package, PackageState};

use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// The word of a state.
pub(crate) fn state_word(state: &PackageState) -> &'static str {
    match state {
        PackageState::AwaitingUpload => "AWAITING_UPLOAD",
        PackageState::Processing => "PROCESSING_UPLOAD",
        PackageState::Ready => "READY",
        PackageState::Failed { .. } => "FAILED",
        PackageState::Expired => "EXPIRED",
    }
}

/// The whole object.
pub(crate) fn package(urls: &Urls, package: &Package) -> Value {
    let own = format!("/v3/packages/{}", package.id);
    let error = match &package.state {
        PackageState::Failed { error } => json!(error),
        PackageState::AwaitingUpload
        | PackageState::Processing
        | PackageState::Ready
        | PackageState::Expired => Value::Null,
    };
    json!({
        "guid": package.id,
        "created_at": rfc3339(package.stamps.created_at),
        "updated_at": rfc3339(package.stamps.updated_at),
        "type": "bits",
        "data": {
            "error": error,
            "checksum": {"type": "sha256", "value": package.blob},
        },
        "state": state_word(&package.state),
        "relationships": {"app": {"data": {"guid": package.app}}},
        "metadata": metadata::to_wire(&package.metadata),
        "links": {
            "self": urls.href(&own),
            "upload": urls.action(&format!("{own}/upload"), "POST"),
            "download": urls.href(&format!("{own}/download")),
            "app": urls.href(&format!("/v3/apps/{}", package.app)),
        },
    })
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::{AppId, PackageId};
    use windlass_engine::records::{Metadata, Stamps};

    use super::*;

    #[test]
    fn state_words_and_the_error_of_a_failed_one() {
        let states = [
            PackageState::AwaitingUpload,
            PackageState::Processing,
            PackageState::Ready,
            PackageState::Failed {
                error: "no zip".to_owned(),
            },
            PackageState::Expired,
        ];
        let table: Vec<String> = states
            .into_iter()
            .map(|state| {
                let shown = package(
                    &Urls::new("https://api"),
                    &Package {
                        id: PackageId::from("p"),
                        app: AppId::from("a"),
                        state,
                        blob: None,
                        size_bytes: 0,
                        metadata: Metadata::default(),
                        stamps: Stamps::default(),
                    },
                );
                format!("{} {}", shown["state"], shown["data"]["error"])
            })
            .collect();
        assert_eq!(
            table,
            [
                "\"AWAITING_UPLOAD\" null",
                "\"PROCESSING_UPLOAD\" null",
                "\"READY\" null",
                "\"FAILED\" \"no zip\"",
                "\"EXPIRED\" null"
            ]
        );
    }
}
