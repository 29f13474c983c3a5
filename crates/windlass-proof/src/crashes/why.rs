//! Why nobody passes a point in a phase.

use super::phase::Phase;
use super::point::Point;

/// What a point belongs to, by the beginning of its name, and what does not happen where it is not
/// passed.
const REASONS: &[(&str, &str)] = &[
    ("control-blob-", "nothing is stored in this phase"),
    ("control-cancel-", "no deployment is canceled in this phase"),
    (
        "control-drain-",
        "no instance leaves the traffic in this phase",
    ),
    (
        "link-drain-",
        "no instance leaves the traffic in this phase",
    ),
    (
        "router-drain",
        "no instance leaves the traffic in this phase",
    ),
    ("control-exit-", "no run ends in this phase"),
    ("driver-exit-", "no run ends in this phase"),
    ("shim-exit-", "no run ends in this phase"),
    ("driver-forget-", "no run ends in this phase"),
    ("link-", "no traffic changes in this phase"),
    ("router-applied", "no traffic changes in this phase"),
    ("router-acknowledged", "no traffic changes in this phase"),
    ("driver-stop-", "no run is stopped in this phase"),
    ("shim-terminate-", "no run is stopped in this phase"),
    ("shim-init-terminated", "no run is stopped in this phase"),
    ("shim-kill-", "no run has to be killed in this phase"),
    ("driver-lost-", "no shim was lost that control had to note"),
    ("driver-shim-", "no run starts in this phase"),
    ("shim-", "no run starts in this phase"),
];

/// The reason, if it is known.
pub(super) fn not_passed(point: &Point, phase: Phase) -> &'static str {
    if phase == Phase::Rolling {
        return "the deployment was over before anybody was to die";
    }
    REASONS
        .iter()
        .find(|(start, _)| point.name.starts_with(start))
        .map_or("unknown", |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::super::point::Role;
    use super::*;

    #[test]
    fn the_reason_follows_from_the_point() {
        let reason = |name: &str| {
            let point = Point {
                role: Role::Control,
                name: name.to_owned(),
            };
            not_passed(&point, Phase::Paused)
        };
        assert!(reason("link-drain-acknowledged").contains("leaves"));
        assert!(reason("link-sent").contains("traffic changes"));
        assert_eq!(reason("store-commit-before"), "unknown");
    }
}
