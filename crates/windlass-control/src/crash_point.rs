//! Named points at which a crash test ends control. They exist only under `--cfg windlass_fail`.

/// Names of the points: those of a blob, those of the start of control, and then in the order in
/// which a cancel passes them.
#[cfg(windlass_fail)]
pub const CRASH_POINTS: &[&str] = &[
    "control-blob-before-rename",
    "control-blob-renamed",
    "control-adopted",
    "control-begun",
    "control-cancel-committed",
    "control-cancel-published",
    "control-cancel-acknowledged",
    "control-worker-ensured",
    "control-drain-before-commit",
    "control-drain-committed",
    "control-exit-before-commit",
    "control-exit-committed",
];

/// Marks a crash point.
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(windlass_fail)]
        fail::fail_point!($name);
    }};
}
pub(crate) use crash_point;
