//! Named points at which a crash test ends the process. They exist only under
//! `--cfg windlass_fail`.

/// Names of the points, in the order in which a commit passes them.
#[cfg(windlass_fail)]
pub const CRASH_POINTS: &[&str] = &[
    "store-migration-before-commit",
    "store-migration-after-commit",
    "store-group-begun",
    "store-job-done",
    "store-commit-before",
    "store-commit-after",
    "store-answered",
    "store-checkpointed",
    "store-backup-before-rename",
    "store-restore-before-rename",
];

/// Marks a crash point.
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(windlass_fail)]
        fail::fail_point!($name);
    }};
}
pub(crate) use crash_point;
