//! A sidecar as the wire has it.

use serde_json::{Value, json};
use windlass_engine::configuration::Sidecar;
use windlass_engine::id::AppId;
use windlass_engine::records::Stamps;

use crate::guid;
use crate::time::rfc3339;

/// The whole object. Sidecars are part of their app's configuration and have its times.
pub(crate) fn sidecar(app: &AppId, name: &str, sidecar: &Sidecar, stamps: Stamps) -> Value {
    json!({
        "guid": guid::sidecar(app, name),
        "name": name,
        "command": sidecar.command,
        "process_types": sidecar.components,
        "memory_in_mb": sidecar.memory_mb,
        "origin": if sidecar.from_user { "user" } else { "buildpack" },
        "relationships": {"app": {"data": {"guid": app}}},
        "created_at": rfc3339(stamps.created_at),
        "updated_at": rfc3339(stamps.updated_at),
    })
}
