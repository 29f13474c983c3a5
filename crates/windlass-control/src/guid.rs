//! Public identifiers that are derived: processes have no id of their own inside Windlass, but
//! applications and clients are told one.
//!
//! Each is a version 5 UUID of what it stands for, so it is the same after every restart and in
//! every replica, without a row that could be lost.

use uuid::Uuid;
use windlass_engine::id::{AppId, ComponentName, ReleaseId};

/// The process type that has routes by default.
pub const WEB: &str = "web";

/// Namespace of all derived guids. Never changes: clients keep the guids that come from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x5f1c_9a52_7d0e_4c3b_9e61_2b8a_40d7_c6f3);

/// Guid of an app's first web process, or of its only process of another type.
///
/// Clients rely on the first web process having the guid of its app.
pub fn process(app: &AppId, component: &ComponentName) -> String {
    if component.as_str() == WEB {
        return app.as_str().to_owned();
    }
    derive(&["process", app.as_str(), component.as_str()])
}

/// Guid of the web process that a deployment started.
pub fn deployed_web_process(release: &ReleaseId) -> String {
    derive(&["deployed-web-process", release.as_str()])
}

/// UUID of a list of parts. The separator cannot occur in ids, and a name comes last.
pub fn derive(parts: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, parts.join("\u{0}").as_bytes()).to_string()
}
