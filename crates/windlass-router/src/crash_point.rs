//! Named points at which a crash test ends control or a router. They exist only under
//! `--cfg windlass_fail`.

/// Names of the points, in the order in which a change of the table passes them. The first two lie
/// in control, the others in the router.
#[cfg(windlass_fail)]
pub const CRASH_POINTS: &[&str] = &[
    "link-appended",
    "link-sent",
    "router-applied",
    "router-acknowledged",
];

/// Marks a crash point.
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(windlass_fail)]
        fail::fail_point!($name);
    }};
}
pub(crate) use crash_point;
