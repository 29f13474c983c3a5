//! Public identifiers that this dialect derives: processes and sidecars have no id of their own
//! inside Windlass, but clients address them by guid.
//!
//! Each is a version 5 UUID of what it stands for, so it is the same after every restart and in
//! every replica, without a row that could be lost.

pub(crate) use windlass_control::guid::{WEB, deployed_web_process, process};

use windlass_control::guid::derive;
use windlass_engine::id::AppId;

/// Guid of a sidecar.
pub(crate) fn sidecar(app: &AppId, name: &str) -> String {
    derive(&["sidecar", app.as_str(), name])
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::{ComponentName, ReleaseId};

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
