//! Organizations as the wire has them.

use serde_json::{Value, json};
use windlass_control::tenancy::OrganizationCounts;
use windlass_engine::records::Organization;

use crate::links::{Urls, to_one};
use crate::{metadata, quotas, time};

pub(crate) fn organization(row: &Organization, urls: &Urls) -> Value {
    let path = format!("/v3/organizations/{}", row.id);
    let quota = quotas::guid(&row.id);
    json!({
        "guid": row.id.as_str(),
        "created_at": time::rfc3339(row.stamps.created_at),
        "updated_at": time::rfc3339(row.stamps.updated_at),
        "name": row.name,
        "suspended": row.suspended,
        "relationships": { "quota": to_one(Some(&quota)) },
        "metadata": metadata::to_wire(&row.metadata),
        "links": {
            "self": urls.href(&path),
            "domains": urls.href(&format!("{path}/domains")),
            "default_domain": urls.href(&format!("{path}/domains/default")),
            "quota": urls.href(&format!("/v3/organization_quotas/{quota}")),
        },
    })
}

pub(super) fn usage_summary(row: &Organization, counts: &OrganizationCounts, urls: &Urls) -> Value {
    let path = format!("/v3/organizations/{}", row.id);
    json!({
        "usage_summary": {
            "started_instances": counts.usage.instances,
            "memory_in_mb": counts.usage.memory_mb,
            "per_app_tasks": counts.usage.tasks,
            "routes": counts.routes,
            "domains": counts.domains,
            "service_instances": counts.service_instances,
            "reserved_ports": 0,
            "service_keys": 0,
        },
        "links": {
            "self": urls.href(&format!("{path}/usage_summary")),
            "organization": urls.href(&path),
        },
    })
}

pub(super) fn no_isolation_segment(guid: &str, urls: &Urls) -> Value {
    let path = format!("/v3/organizations/{guid}/relationships/default_isolation_segment");
    json!({ "data": null, "links": { "self": urls.href(&path) } })
}
