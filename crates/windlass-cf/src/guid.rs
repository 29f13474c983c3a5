//! Public identifiers that this dialect derives: processes and sidecars have no id of their own
//! inside Windlass, but clients address them by guid.
//!
//! Each is a version 5 UUID of what it stands for, so it is the same after every restart and in
//! every replica, without a row that could be lost.

use uuid::Uuid;
use windlass_engine::id::{AppId, ComponentName, ReleaseId};

/// The process type that has routes by default and follows the steps of a deployment.
pub(crate) const WEB: &str = "web";

/// Namespace of all derived guids. Never changes: clients keep the guids that come from it.
const NAMESPACE: Uuid = Uuid::from_u128(0x5f1c_9a52_7d0e_4c3b_9e61_2b8a_40d7_c6f3);

/// Guid of an app's first web process, or of its only process of another type.
///
/// Clients rely on the first web process having the guid of its app.
pub(crate) fn process(app: &AppId, component: &ComponentName) -> String {
    if component.as_str() == WEB {
        return app.as_str().to_owned();
    }
    derive(&["process", app.as_str(), component.as_str()])
}

/// Guid of the web process that a deployment started.
pub(crate) fn deployed_web_process(release: &ReleaseId) -> String {
    derive(&["deployed-web-process", release.as_str()])
}

/// Guid of a sidecar.
pub(crate) fn sidecar(app: &AppId, name: &str) -> String {
    derive(&["sidecar", app.as_str(), name])
}

/// UUID of a list of parts. The separator cannot occur in ids, and a name comes last.
fn derive(parts: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, parts.join("\u{0}").as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_web_process_has_the_guid_of_its_app() {
        let app = AppId::from("6e0f8a0e-0000-4000-8000-000000000001");
        assert_eq!(process(&app, &ComponentName::from("web")), app.as_str());
        assert_ne!(process(&app, &ComponentName::from("worker")), app.as_str());
    }

    #[test]
    fn derived_guids_are_fixed_for_ever() {
        let app = AppId::from("a");
        assert_eq!(
            [
                process(&app, &ComponentName::from("worker")),
                deployed_web_process(&ReleaseId::from("r")),
                sidecar(&app, "proxy"),
            ],
            [
                "79cdcd82-888b-580f-97c7-a49a322a80b3".to_owned(),
                "0149427a-76e4-5373-8b64-368e9942f4ce".to_owned(),
                "426643cb-9167-5458-8be7-52eb760b57df".to_owned()
            ]
        );
    }

    #[test]
    fn different_things_have_different_guids() {
        let (one, two) = (AppId::from("a"), AppId::from("b"));
        let worker = ComponentName::from("worker");
        let mut all = vec![
            process(&one, &worker),
            process(&two, &worker),
            process(&one, &ComponentName::from("clock")),
            deployed_web_process(&ReleaseId::from("a")),
            deployed_web_process(&ReleaseId::from("b")),
            sidecar(&one, "worker"),
        ];
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
