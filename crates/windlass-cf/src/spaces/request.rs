//! Bodies of space requests.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use windlass_control::tenancy::{NewSpace, SpacePatch};
use windlass_engine::id::OrganizationId;
use windlass_engine::records::{Metadata, Space};

use crate::body::Validator;
use crate::error::ApiError;

/// Longest name, characters.
const MAX_NAME_CHARS: usize = 255;

pub(super) fn create(body: &Map<String, Value>) -> Result<NewSpace, ApiError> {
    let mut check = Validator::new();
    check.known_fields(body, "", &["name", "relationships", "metadata"]);
    let name = check
        .required_string(body, "name", 1, MAX_NAME_CHARS)
        .unwrap_or_default();
    check.printable_name(name);
    let relationships = check.relationships(body, &["organization"]);
    let organization = check
        .required_to_one(relationships, "organization")
        .unwrap_or_default();
    let metadata = check.metadata(body);
    check.finish()?;
    Ok(NewSpace {
        organization: OrganizationId::from(organization),
        name: name.to_owned(),
        metadata: metadata.apply(&Metadata::default())?,
    })
}

pub(super) fn update(body: &Map<String, Value>, old: &Space) -> Result<SpacePatch, ApiError> {
    let mut check = Validator::new();
    check.known_fields(body, "", &["name", "metadata"]);
    let name = body
        .contains_key("name")
        .then(|| check.required_string(body, "name", 1, MAX_NAME_CHARS))
        .flatten();
    check.printable_name(name.unwrap_or_default());
    let metadata = check.metadata(body);
    check.finish()?;
    Ok(SpacePatch {
        name: name.map(str::to_owned),
        metadata: (!metadata.is_empty())
            .then(|| metadata.apply(&old.metadata))
            .transpose()?,
        features: BTreeMap::new(),
    })
}

pub(super) fn feature(body: &Map<String, Value>, name: &str) -> Result<SpacePatch, ApiError> {
    let mut check = Validator::new();
    check.known_fields(body, "", &["enabled"]);
    let enabled = check.optional_bool(body, "enabled");
    if !body.contains_key("enabled") {
        check.add("Enabled must be a boolean");
    }
    check.finish()?;
    let features = enabled
        .map(|enabled| (name.to_owned(), enabled))
        .into_iter()
        .collect();
    Ok(SpacePatch {
        features,
        ..SpacePatch::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_body_has_its_text() {
        let form = "Relationships Organization must be structured like this: \"organization: \
                    {\"data\": {\"guid\": \"valid-guid\"}}\"";
        for (body, text) in [
            (
                json!({"name": "s"}),
                "Relationships Organization can't be blank",
            ),
            (
                json!({"name": "s", "relationships": {"organization": 1}}),
                form,
            ),
            (
                json!({"relationships": {"organization": {"data": {"guid": "g"}}}}),
                "Name can't be blank",
            ),
            (
                json!({"name": "s", "x": 1, "relationships": {"organization": {"data": {"guid": "g"}}}}),
                "Unknown field(s): 'x'",
            ),
        ] {
            assert_eq!(
                create(body.as_object().unwrap()).unwrap_err().detail(),
                text
            );
        }
        for body in [
            json!({}),
            json!({"enabled": null}),
            json!({"enabled": "yes"}),
        ] {
            let error = feature(body.as_object().unwrap(), "ssh").unwrap_err();
            assert_eq!(error.detail(), "Enabled must be a boolean");
        }
    }
}
