//! Named points at which a crash test ends control or a shim. They exist only under
//! `--cfg windlass_fail`.

/// Names of the points, in the order in which a run passes them. Those of the driver lie in
/// control, the others in the shim and in the init process below it.
#[cfg(windlass_fail)]
pub const CRASH_POINTS: &[&str] = &[
    "driver-shim-before-spawn",
    "driver-shim-spawned",
    "driver-shim-answered",
    "shim-lock-before",
    "shim-lock-taken",
    "shim-init-made",
    "shim-state-before-rename",
    "shim-state-renamed",
    "shim-listening",
    "shim-go-before",
    "shim-init-before-spawn",
    "shim-init-spawned",
    "shim-go-sent",
    "shim-started",
    "driver-stop-before-send",
    "driver-stop-sent",
    "shim-terminate-before",
    "shim-terminate-sent",
    "shim-init-terminated",
    "shim-kill-before",
    "shim-kill-sent",
    "shim-exit-before-note",
    "shim-exit-noted",
    "driver-exit-noted",
    "driver-lost-before-record",
    "driver-lost-recorded",
    "driver-forget-moved",
];

/// Marks a crash point.
macro_rules! crash_point {
    ($name:literal) => {{
        #[cfg(windlass_fail)]
        fail::fail_point!($name);
    }};
}
pub(crate) use crash_point;
