//! Named points at which a crash test ends control. They exist only under `--cfg windlass_fail`.

/// Names of the points, in the order in which a cancel passes them.
#[cfg(windlass_fail)]
pub const CRASH_POINTS: &[&str] = &[
    "control-cancel-committed",
    "control-cancel-published",
    "control-cancel-acknowledged",
    "control-worker-ensured",
];

/// Marks a crash point.
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(windlass_fail)]
        fail::fail_point!($name);
    }};
}
pub(crate) use crash_point;
