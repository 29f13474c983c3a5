//! Roles as the wire has them.

use serde_json::{Map, Value, json};
use windlass_control::tenancy::role_word;
use windlass_engine::records::Role;

use crate::links::{Urls, to_one};
use crate::time;

pub(super) fn role(row: &Role, urls: &Urls) -> Value {
    let space = row.space.as_ref().map(windlass_engine::id::SpaceId::as_str);
    // A role of a space has no organization on the wire.
    let organization = space.is_none().then_some(row.organization.as_str());
    let mut links = Map::new();
    links.insert(
        "self".to_owned(),
        urls.href(&format!("/v3/roles/{}", row.id)),
    );
    links.insert(
        "user".to_owned(),
        urls.href(&format!("/v3/users/{}", row.user)),
    );
    if let Some(space) = space {
        links.insert(
            "space".to_owned(),
            urls.href(&format!("/v3/spaces/{space}")),
        );
    }
    if let Some(organization) = organization {
        let path = format!("/v3/organizations/{organization}");
        links.insert("organization".to_owned(), urls.href(&path));
    }
    json!({
        "guid": row.id.as_str(),
        "created_at": time::rfc3339(row.stamps.created_at),
        "updated_at": time::rfc3339(row.stamps.updated_at),
        "type": role_word(row.kind),
        "relationships": {
            "user": to_one(Some(row.user.as_str())),
            "space": to_one(space),
            "organization": to_one(organization),
        },
        "links": links,
    })
}
