//! Ids as this API writes them. Those of projects, deployments and variables are made here; those
//! of teams are the organization's with another face.

use windlass_engine::id::OrganizationId;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters behind the prefix of an id.
const LENGTH: usize = 28;
/// Characters of the ids of variables and checks.
const VARIABLE_LENGTH: usize = 16;
/// Characters that tell the hosts of a project's deployments apart.
const HOST_LENGTH: usize = 9;

/// A new id of a project.
pub(crate) fn project() -> String {
    format!("prj_{}", random(62, LENGTH))
}

/// A new id of a deployment.
pub(crate) fn deployment() -> String {
    format!("dpl_{}", random(62, LENGTH))
}

/// A new id of an environment variable.
pub(crate) fn variable() -> String {
    random(62, VARIABLE_LENGTH)
}

/// A new id of a check.
pub(crate) fn check() -> String {
    format!("check_{}", random(62, VARIABLE_LENGTH))
}

/// What a new host has of its own: small letters and digits.
pub(crate) fn host_part() -> String {
    random(36, HOST_LENGTH).to_ascii_lowercase()
}

/// The id of a team.
pub(crate) fn team(organization: &OrganizationId) -> String {
    let plain: String = organization
        .as_str()
        .chars()
        .filter(|letter| *letter != '-')
        .collect();
    format!("team_{plain}")
}

/// The organization behind the id of a team, if it has the form of one.
pub(crate) fn organization(team: &str) -> Option<OrganizationId> {
    let plain = team.strip_prefix("team_")?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if plain.len() != 32 || !plain.bytes().all(is_hex) {
        return None;
    }
    let parts = [
        &plain[..8],
        &plain[8..12],
        &plain[12..16],
        &plain[16..20],
        &plain[20..],
    ];
    Some(OrganizationId::new(parts.join("-")))
}

/// Whether a text has the form of an id with this prefix.
pub(crate) fn is(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (1..=64).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Random characters: the first `base` of the alphabet.
fn random(base: u128, length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        let mut number = uuid::Uuid::new_v4().as_u128();
        // Ten characters of a random number of 122 bits are as good as random.
        for _ in 0..10 {
            let place = usize::try_from(number % base).unwrap_or(0);
            text.push(char::from(LETTERS[place]));
            number /= base;
        }
    }
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_lead_back_to_their_organization() {
        let id = OrganizationId::from("3f5b2f9f-b62f-497e-9980-1bda11e879c3");
        assert_eq!(team(&id), "team_3f5b2f9fb62f497e99801bda11e879c3");
        assert_eq!(organization(&team(&id)), Some(id));
        for bad in [
            "",
            "team_",
            "3f5b2f9fb62f497e99801bda11e879c3",
            "team_3F5B2F9FB62F497E99801BDA11E879C3",
            "team_é5b2f9fb62f497e99801bda11e879c3",
        ] {
            assert_eq!(organization(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_have_their_form() {
        assert_eq!(project().len(), 32);
        assert!(is("prj_", &project()));
        assert!(!is("prj_", "prj_"));
        assert!(!is("prj_", "prj_a/b"));
        assert_ne!(variable(), variable());
        let part = host_part();
        assert_eq!(part.len(), 9);
        assert!(
            part.bytes()
                .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        );
    }
}
