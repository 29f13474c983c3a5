//! Named points at which a crash test ends control or a router. They exist only under
//! `--cfg windlass_fail`.

/// Names of the points, in the order in which a change of the table passes them. Those of the
/// link lie in control, the others in the router.
#[cfg(windlass_fail)]
pub const CRASH_POINTS: &[&str] = &[
    "link-before-append",
    "link-appended",
    "link-sent",
    "link-drain-acknowledged",
    "router-file-read",
    "router-greeted",
    "router-applied",
    "router-acknowledged",
    "router-drained",
    "router-drain-reported",
];

/// Marks a crash point.
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(windlass_fail)]
        fail::fail_point!($name);
    }};
}
pub(crate) use crash_point;
