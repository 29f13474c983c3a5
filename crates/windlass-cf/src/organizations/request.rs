//! Bodies of organization requests.

use serde_json::{Map, Value};
use windlass_control::tenancy::{NewOrganization, OrganizationPatch};
use windlass_engine::records::{Metadata, Organization, RoleKind};

use crate::body::Validator;
use crate::error::ApiError;

/// Longest name, characters.
const MAX_NAME_CHARS: usize = 255;

/// What somebody becomes who creates an organization without being an administrator.
pub(super) const CREATOR_ROLES: [RoleKind; 2] =
    [RoleKind::OrganizationUser, RoleKind::OrganizationManager];

pub(super) fn create(body: &Map<String, Value>) -> Result<NewOrganization, ApiError> {
    let mut check = Validator::new();
    check.known_fields(body, "", &["name", "suspended", "metadata"]);
    let name = check
        .required_string(body, "name", 1, MAX_NAME_CHARS)
        .unwrap_or_default();
    check.printable_name(name);
    let suspended = check.optional_bool(body, "suspended").unwrap_or(false);
    let metadata = check.metadata(body);
    check.finish()?;
    Ok(NewOrganization {
        name: name.to_owned(),
        suspended,
        metadata: metadata.apply(&Metadata::default())?,
        ..NewOrganization::default()
    })
}

pub(super) fn update(
    body: &Map<String, Value>,
    old: &Organization,
) -> Result<OrganizationPatch, ApiError> {
    let mut check = Validator::new();
    check.known_fields(body, "", &["name", "suspended", "metadata"]);
    let name = body
        .contains_key("name")
        .then(|| check.required_string(body, "name", 1, MAX_NAME_CHARS))
        .flatten();
    check.printable_name(name.unwrap_or_default());
    let suspended = check.optional_bool(body, "suspended");
    let metadata = check.metadata(body);
    check.finish()?;
    Ok(OrganizationPatch {
        name: name.map(str::to_owned),
        suspended,
        quota: None,
        metadata: (!metadata.is_empty())
            .then(|| metadata.apply(&old.metadata))
            .transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_body_has_its_text() {
        for (body, text) in [
            (json!({}), "Name can't be blank"),
            (json!({"name": null}), "Name can't be blank"),
            (json!({"name": 5}), "Name must be a string"),
            (
                json!({"name": ""}),
                "Name is too short (minimum is 1 character)",
            ),
            (json!({"name": "  "}), "Name can't be blank"),
            (
                json!({"name": "a\nb"}),
                "Name must not contain escaped characters",
            ),
            (
                json!({"name": "x".repeat(256)}),
                "Name is too long (maximum is 255 characters)",
            ),
            (
                json!({"name": "o", "suspended": "no"}),
                "Suspended must be a boolean",
            ),
            (json!({"name": "o", "size": 1}), "Unknown field(s): 'size'"),
            (
                json!({"name": 5, "metadata": 1}),
                "Name must be a string, Metadata must be an object",
            ),
        ] {
            let error = create(body.as_object().unwrap()).unwrap_err();
            assert_eq!(error.detail(), text);
        }
        let good = json!({"name": "ö x", "suspended": false, "metadata": {"labels": {"a": "b"}}});
        let new = create(good.as_object().unwrap()).unwrap();
        assert_eq!((new.name.as_str(), new.metadata.labels.len()), ("ö x", 1));
    }
}
