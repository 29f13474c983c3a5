//! Spaces as the wire has them.

use serde_json::{Value, json};
use windlass_engine::records::Space;

use crate::links::{Urls, to_one};
use crate::{metadata, time};

/// The only feature of spaces.
pub(super) const SSH: &str = "ssh";

pub(crate) fn space(row: &Space, urls: &Urls) -> Value {
    let path = format!("/v3/spaces/{}", row.id);
    json!({
        "guid": row.id.as_str(),
        "created_at": time::rfc3339(row.stamps.created_at),
        "updated_at": time::rfc3339(row.stamps.updated_at),
        "name": row.name,
        "relationships": {
            "organization": to_one(Some(row.organization.as_str())),
            "quota": to_one(None),
        },
        "metadata": metadata::to_wire(&row.metadata),
        "links": {
            "self": urls.href(&path),
            "organization": urls.href(&format!("/v3/organizations/{}", row.organization)),
            "features": urls.href(&format!("{path}/features")),
            "apply_manifest": urls.action(&format!("{path}/actions/apply_manifest"), "POST"),
        },
    })
}

/// The switch is kept for clients that set it; there is no SSH access yet.
pub(super) fn ssh_feature(space: &Space) -> Value {
    json!({
        "name": SSH,
        "description": "Enable SSHing into apps in the space.",
        "enabled": space.features.get(SSH).copied().unwrap_or(false),
    })
}

pub(super) fn no_isolation_segment(guid: &str, urls: &Urls) -> Value {
    let path = format!("/v3/spaces/{guid}/relationships/isolation_segment");
    json!({ "data": null, "links": { "self": urls.href(&path) } })
}
