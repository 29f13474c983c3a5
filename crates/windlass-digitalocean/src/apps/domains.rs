//! The domains of an app object.

use serde_json::{Value, json};
use windlass_control::history::ReleaseRecord;
use windlass_engine::id::AppId;

use crate::document::Detail;
use crate::error::ApiResult;
use crate::server::DoState;
use crate::spec::secret::SealedSpec;

/// The domains of the app's spec, in its order. They lead to the app from the commit that made its
/// newest deployment; what they lead to is there once a deployment is active.
pub(super) fn list(
    state: &DoState,
    app: &AppId,
    spec: &Value,
    is_active: bool,
) -> ApiResult<Vec<Value>> {
    let Some(specs) = spec.get("domains").and_then(Value::as_array) else {
        return Ok(Vec::new());
    };
    let hosts = state.control.hosts_of(app)?;
    let id = |spec: &Value| {
        let name = crate::spec::host(spec.get("domain")?.as_str()?);
        let host = hosts.iter().find(|host| host.full_host == name)?;
        Some(host.id.clone())
    };
    let domain = |spec: &Value| match id(spec) {
        Some(id) if is_active => json!({"id": id, "phase": "ACTIVE", "spec": spec}),
        Some(id) => json!({"id": id, "phase": "PENDING", "spec": spec}),
        // It went with the domain above it.
        None => json!({"phase": "ERROR", "spec": spec}),
    };
    Ok(specs.iter().map(domain).collect())
}

/// The host that stands for what a deployment serves.
pub(super) fn live(active: &ReleaseRecord, default_host: &str) -> String {
    let spec = Detail::of(active).and_then(|detail| SealedSpec::stored(detail.spec).ok());
    spec.map_or_else(
        || default_host.to_owned(),
        |spec| spec.primary_host(default_host),
    )
}
