//! Domains as the wire has them.

use serde_json::{Map, Value, json};
use windlass_control::identity::Grants;
use windlass_engine::id::OrganizationId;
use windlass_engine::records::Domain;

use crate::links::{Urls, to_many, to_one};
use crate::{metadata, time};

/// A domain as a caller with these rights sees it.
pub(crate) fn domain(row: &Domain, urls: &Urls, grants: &Grants) -> Value {
    let path = format!("/v3/domains/{}", row.id);
    let mut links = Map::new();
    links.insert("self".to_owned(), urls.href(&path));
    links.insert(
        "route_reservations".to_owned(),
        urls.href(&format!("{path}/route_reservations")),
    );
    if let Some(organization) = &row.organization {
        let owner = format!("/v3/organizations/{organization}");
        links.insert("organization".to_owned(), urls.href(&owner));
        let shares = format!("{path}/relationships/shared_organizations");
        links.insert("shared_organizations".to_owned(), urls.href(&shares));
    }
    let organization = row.organization.as_ref().map(OrganizationId::as_str);
    json!({
        "guid": row.id.as_str(),
        "created_at": time::rfc3339(row.stamps.created_at),
        "updated_at": time::rfc3339(row.stamps.updated_at),
        "name": row.name,
        "internal": row.internal,
        "router_group": null,
        "supported_protocols": ["http"],
        "metadata": metadata::to_wire(&row.metadata),
        "relationships": {
            "organization": to_one(organization),
            "shared_organizations": to_many(visible_shares(row, grants)),
        },
        "links": links,
    })
}

/// Organizations that a domain is shared with, as far as the caller sees them: who shares it does
/// not learn by it who the others are.
pub(super) fn visible_shares<'a>(
    row: &'a Domain,
    grants: &Grants,
) -> impl Iterator<Item = &'a str> {
    let seen = grants.visible_organizations();
    let is_seen = move |id: &&OrganizationId| seen.as_ref().is_none_or(|seen| seen.contains(*id));
    row.shared_with
        .iter()
        .filter(is_seen)
        .map(OrganizationId::as_str)
}
