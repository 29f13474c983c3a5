//! Bodies of domain requests.

use serde_json::{Map, Value};
use windlass_control::tenancy::{MAX_DOMAIN_CHARS, NewDomain};
use windlass_engine::id::OrganizationId;
use windlass_engine::records::Metadata;

use crate::body::Validator;
use crate::error::ApiError;

/// Shortest domain name, characters.
const MIN_DOMAIN_CHARS: usize = 3;
/// Longest label of a domain name, characters.
const MAX_LABEL_CHARS: usize = 63;

pub(super) fn create(body: &Map<String, Value>) -> Result<NewDomain, ApiError> {
    let mut check = Validator::new();
    let allowed = [
        "name",
        "internal",
        "router_group",
        "relationships",
        "metadata",
    ];
    check.known_fields(body, "", &allowed);
    let name = check
        .required_string(body, "name", MIN_DOMAIN_CHARS, MAX_DOMAIN_CHARS)
        .unwrap_or_default();
    if !name.is_empty() {
        name_problems(name, &mut check);
    }
    let internal = match body.get("internal") {
        Some(Value::Null) => false,
        _ => check.optional_bool(body, "internal").unwrap_or(false),
    };
    if body
        .get("router_group")
        .is_some_and(|group| !group.is_null())
    {
        check.add("Router group is not available: there are no TCP router groups");
    }
    let relationships = check.relationships(body, &["organization", "shared_organizations"]);
    if internal && relationships.is_some() {
        check.add("Cannot associate an internal domain with an organization");
    }
    let given = |name: &str| {
        relationships
            .and_then(|all| all.get(name))
            .filter(|v| !v.is_null())
    };
    let organization = given("organization").and_then(|value| {
        check
            .to_one_value(value, "organization", "Relationships Organization")
            .flatten()
    });
    let shared_with = match given("shared_organizations") {
        None => Vec::new(),
        Some(Value::Object(shared)) => check.to_many_body(shared),
        Some(_) => {
            check.add("Relationships Shared organizations must be an object");
            Vec::new()
        }
    };
    if !shared_with.is_empty() && organization.is_none() {
        check.add(
            "Relationships cannot contain shared_organizations without an owning organization.",
        );
    }
    let metadata = check.metadata(body);
    check.finish()?;
    Ok(NewDomain {
        name: name.to_owned(),
        internal,
        organization: organization.map(OrganizationId::from),
        shared_with: shared_with.into_iter().map(OrganizationId::from).collect(),
        metadata: metadata.apply(&Metadata::default())?,
    })
}

fn name_problems(name: &str, check: &mut Validator) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    if !name.split('.').all(label) || !name.bytes().all(plain) {
        check.add("Name does not comply with RFC 1035 standards");
    }
    if !name.contains('.') {
        check.add("Name must contain at least one \".\"");
    }
    if name.split('.').any(|label| label.len() > MAX_LABEL_CHARS) {
        check.add("Name subdomains must each be at most 63 characters");
    }
    if !name.bytes().all(plain) {
        check.add("Name must consist of alphanumeric characters and hyphens");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_wrong_body_has_its_text() {
        for (body, text) in [
            (json!({}), "Name can't be blank"),
            (
                json!({"name": "a"}),
                "Name is too short (minimum is 3 characters)",
            ),
            (
                json!({"name": "abc"}),
                "Name must contain at least one \".\"",
            ),
            (
                json!({"name": format!("{}.org", "a".repeat(64))}),
                "Name subdomains must each be at most 63 characters",
            ),
            (
                json!({"name": "a_b.org"}),
                "Name does not comply with RFC 1035 standards, Name must consist of alphanumeric \
                 characters and hyphens",
            ),
            (
                json!({"name": "-a.org"}),
                "Name does not comply with RFC 1035 standards",
            ),
            (
                json!({"name": "a.org", "internal": 1}),
                "Internal must be a boolean",
            ),
            (
                json!({"name": "a.org", "internal": true,
                       "relationships": {"organization": {"data": {"guid": "g"}}}}),
                "Cannot associate an internal domain with an organization",
            ),
            (
                json!({"name": "a.org",
                       "relationships": {"shared_organizations": {"data": [{"guid": "g"}]}}}),
                "Relationships cannot contain shared_organizations without an owning organization.",
            ),
        ] {
            assert_eq!(
                create(body.as_object().unwrap()).unwrap_err().detail(),
                text
            );
        }
    }
}
