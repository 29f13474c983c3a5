//! Named points at which a crash test ends the supervisor or `windlass restore`. They exist only
//! under `--cfg windlass_fail`.

/// Names of the points: those of a role's life, those of the end, then those of a restore.
#[cfg(windlass_fail)]
pub(crate) const CRASH_POINTS: &[&str] = &[
    "supervisor-role-before-start",
    "supervisor-sockets-handed-over",
    "supervisor-role-started",
    "supervisor-role-ready",
    "supervisor-role-reaped",
    "supervisor-orphans-ended",
    "supervisor-end-before-signal",
    "supervisor-end-signaled",
    "restore-backup-read",
    "restore-runs-ended",
    "restore-database-replaced",
];

/// Marks a crash point.
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(windlass_fail)]
        fail::fail_point!($name);
    }};
}
pub(crate) use crash_point;
