//! Service instances and bindings as the wire has them.

use serde_json::{Value, json};
use windlass_engine::records::{ServiceBinding, ServiceInstance, Stamps};

use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// What is asked of a user-provided service is done at once.
fn last_operation(stamps: Stamps) -> Value {
    let kind = if stamps.updated_at == stamps.created_at {
        "create"
    } else {
        "update"
    };
    json!({
        "type": kind,
        "state": "succeeded",
        "description": "Operation succeeded",
        "created_at": rfc3339(stamps.updated_at),
        "updated_at": rfc3339(stamps.updated_at),
    })
}

/// An instance.
pub(super) fn instance(urls: &Urls, row: &ServiceInstance) -> Value {
    let own = format!("/v3/service_instances/{}", row.id);
    let of_it = format!("service_instance_guids={}", row.id);
    json!({
        "guid": row.id,
        "created_at": rfc3339(row.stamps.created_at),
        "updated_at": rfc3339(row.stamps.updated_at),
        "name": row.name,
        "type": "user-provided",
        "tags": row.tags,
        "last_operation": last_operation(row.stamps),
        "syslog_drain_url": row.syslog_drain_url,
        "route_service_url": row.route_service_url,
        "relationships": {"space": {"data": {"guid": row.space}}},
        "metadata": metadata::to_wire(&row.metadata),
        "links": {
            "self": urls.href(&own),
            "space": urls.href(&format!("/v3/spaces/{}", row.space)),
            "credentials": urls.href(&format!("{own}/credentials")),
            "service_credential_bindings":
                urls.href(&format!("/v3/service_credential_bindings?{of_it}")),
            "service_route_bindings": urls.href(&format!("/v3/service_route_bindings?{of_it}")),
        },
    })
}

/// A binding.
pub(super) fn binding(urls: &Urls, row: &ServiceBinding) -> Value {
    let own = format!("/v3/service_credential_bindings/{}", row.id);
    json!({
        "guid": row.id,
        "created_at": rfc3339(row.stamps.created_at),
        "updated_at": rfc3339(row.stamps.updated_at),
        "name": row.name,
        "type": "app",
        "last_operation": last_operation(Stamps {
            updated_at: row.stamps.created_at,
            ..row.stamps
        }),
        "relationships": {
            "app": {"data": {"guid": row.app}},
            "service_instance": {"data": {"guid": row.service_instance}},
        },
        "metadata": metadata::to_wire(&row.metadata),
        "links": {
            "self": urls.href(&own),
            "details": urls.href(&format!("{own}/details")),
            "app": urls.href(&format!("/v3/apps/{}", row.app)),
            "service_instance":
                urls.href(&format!("/v3/service_instances/{}", row.service_instance)),
        },
    })
}
