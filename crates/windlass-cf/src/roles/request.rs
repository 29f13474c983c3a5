//! Bodies of role requests.

use serde_json::{Map, Value};
use windlass_control::tenancy::{is_space_role, role_word};
use windlass_engine::records::RoleKind;

use crate::body::Validator;
use crate::error::ApiError;

/// Longest user name, characters.
const MAX_NAME_CHARS: usize = 255;
const KINDS: [RoleKind; 8] = [
    RoleKind::OrganizationUser,
    RoleKind::OrganizationAuditor,
    RoleKind::OrganizationManager,
    RoleKind::OrganizationBillingManager,
    RoleKind::SpaceAuditor,
    RoleKind::SpaceDeveloper,
    RoleKind::SpaceManager,
    RoleKind::SpaceSupporter,
];

/// Where a role is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// In this organization.
    Organization(String),
    /// In this space.
    Space(String),
}

/// Whose role it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UserReference {
    /// By id.
    Guid(String),
    /// By name, and origin if the client says one.
    Name {
        /// Login name.
        name: String,
        /// Where they are authenticated.
        origin: Option<String>,
    },
}

/// A role to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewRole {
    pub(super) kind: RoleKind,
    pub(super) user: UserReference,
    pub(super) place: Place,
}

pub(super) fn create(body: &Map<String, Value>) -> Result<NewRole, ApiError> {
    let mut check = Validator::new();
    check.known_fields(body, "", &["type", "relationships"]);
    let kind = kind(body, &mut check);
    let relationships = check.relationships(body, &["user", "space", "organization"]);
    if relationships.is_none() && !body.contains_key("relationships") {
        check.add("Relationships 'relationships' is not an object");
    }
    let parts = relationships.and_then(|relationships| {
        let user = user(relationships, &mut check);
        let place = place(relationships, kind, &mut check);
        Some((user?, place?))
    });
    check.finish()?;
    match (kind, parts) {
        (Some(kind), Some((user, place))) => Ok(NewRole { kind, user, place }),
        _ => Err(ApiError::unprocessable("Relationships User can't be blank")),
    }
}

fn kind(body: &Map<String, Value>, check: &mut Validator) -> Option<RoleKind> {
    let word = body.get("type").and_then(Value::as_str);
    let found = word.and_then(|word| KINDS.into_iter().find(|kind| role_word(*kind) == word));
    if found.is_none() {
        let words: Vec<String> = KINDS
            .iter()
            .map(|kind| format!("{:?}", role_word(*kind)))
            .collect();
        check.add(format!(
            "Type must be one of the allowed types [{}]",
            words.join(", ")
        ));
    }
    found
}

fn user(relationships: &Map<String, Value>, check: &mut Validator) -> Option<UserReference> {
    let data = match relationships.get("user") {
        None | Some(Value::Null) => {
            check.add("Relationships User can't be blank");
            return None;
        }
        Some(value) => value.get("data").and_then(Value::as_object),
    };
    let Some(data) = data else {
        check.add("Relationships User must have a username or guid specified");
        return None;
    };
    check.known_fields(data, "Relationships User", &["guid", "username", "origin"]);
    let has = |key: &str| data.contains_key(key);
    if has("guid") && has("username") {
        check.add("Relationships Username cannot be specified when identifying user by guid");
    }
    if has("guid") && has("origin") {
        check.add("Relationships User origin cannot be specified when identifying user by guid");
    }
    if has("origin") && !has("username") {
        check.add("Relationships User origin cannot be specified without specifying the username");
    }
    if !check.is_clean() {
        return None;
    }
    if let Some(guid) = data.get("guid") {
        let guid = check.string_value(guid, "Relationships User Guid", 1, 200)?;
        return Some(UserReference::Guid(guid.to_owned()));
    }
    let Some(name) = data.get("username") else {
        check.add("Relationships User must have a username or guid specified");
        return None;
    };
    let name = check.string_value(name, "Relationships Username", 1, MAX_NAME_CHARS)?;
    let origin = match data.get("origin") {
        None | Some(Value::Null) => None,
        Some(origin) => {
            Some(check.string_value(origin, "Relationships User origin", 1, MAX_NAME_CHARS)?)
        }
    };
    Some(UserReference::Name {
        name: name.to_owned(),
        origin: origin.map(str::to_owned),
    })
}

fn place(
    relationships: &Map<String, Value>,
    kind: Option<RoleKind>,
    check: &mut Validator,
) -> Option<Place> {
    let given = |name: &str| relationships.get(name).filter(|value| !value.is_null());
    let (name, value) = match (given("space"), given("organization")) {
        (None, None) => {
            check.add("Relationships must specify either a space or an organization.");
            return None;
        }
        (Some(_), Some(_)) => {
            check.add("Relationships cannot specify both an organization and a space.");
            return None;
        }
        (Some(space), None) => ("space", space),
        (None, Some(organization)) => ("organization", organization),
    };
    let is_space = name == "space";
    if let Some(kind) = kind.filter(|kind| is_space_role(*kind) != is_space) {
        let (this, other) = if is_space {
            ("Space", "organization")
        } else {
            ("Organization", "space")
        };
        check.add(format!(
            "Relationships {this} cannot be provided with the {other} role type: '{}'.",
            role_word(kind)
        ));
        return None;
    }
    let label = if is_space {
        "Relationships Space"
    } else {
        "Relationships Organization"
    };
    let guid = check.to_one_value(value, name, label)?;
    let Some(guid) = guid else {
        check.add(format!("{label} can't be blank"));
        return None;
    };
    Some(if is_space {
        Place::Space(guid)
    } else {
        Place::Organization(guid)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(kind: &str, user: &Value, place: &str) -> Value {
        json!({
            "type": kind,
            "relationships": {"user": {"data": user}, place: {"data": {"guid": "g"}}},
        })
    }

    #[test]
    fn both_ways_to_name_a_user() {
        let by_guid = body("space_developer", &json!({"guid": "u"}), "space");
        assert_eq!(
            create(by_guid.as_object().unwrap()).unwrap(),
            NewRole {
                kind: RoleKind::SpaceDeveloper,
                user: UserReference::Guid("u".to_owned()),
                place: Place::Space("g".to_owned()),
            }
        );
        let by_name = body(
            "organization_user",
            &json!({"username": "anna", "origin": "uaa"}),
            "organization",
        );
        assert_eq!(
            create(by_name.as_object().unwrap()).unwrap().user,
            UserReference::Name {
                name: "anna".to_owned(),
                origin: Some("uaa".to_owned())
            }
        );
    }

    #[test]
    fn every_wrong_body_has_its_text() {
        let types = "Type must be one of the allowed types [\"organization_user\", \
                     \"organization_auditor\", \"organization_manager\", \
                     \"organization_billing_manager\", \"space_auditor\", \"space_developer\", \
                     \"space_manager\", \"space_supporter\"]";
        for (body, text) in [
            (body("boss", &json!({"guid": "u"}), "space"), types),
            (
                json!({"type": "space_auditor"}),
                "Relationships 'relationships' is not an object",
            ),
            (
                body(
                    "space_auditor",
                    &json!({"guid": "u", "username": "x"}),
                    "space",
                ),
                "Relationships Username cannot be specified when identifying user by guid",
            ),
            (
                body("space_auditor", &json!({"origin": "x"}), "space"),
                "Relationships User origin cannot be specified without specifying the username",
            ),
            (
                body("space_auditor", &json!({}), "space"),
                "Relationships User must have a username or guid specified",
            ),
            (
                body("space_auditor", &json!("u"), "space"),
                "Relationships User must have a username or guid specified",
            ),
            (
                body("organization_user", &json!({"guid": "u"}), "space"),
                "Relationships Space cannot be provided with the organization role type: \
                 'organization_user'.",
            ),
            (
                body("space_auditor", &json!({"guid": "u"}), "organization"),
                "Relationships Organization cannot be provided with the space role type: \
                 'space_auditor'.",
            ),
            (
                json!({"type": "space_auditor", "relationships": {"user": {"data": {"guid": "u"}}}}),
                "Relationships must specify either a space or an organization.",
            ),
        ] {
            assert_eq!(
                create(body.as_object().unwrap()).unwrap_err().detail(),
                text
            );
        }
    }
}
