//! Limits of the engine, each with its unit and reason.

/// Grace between SIGTERM and SIGKILL of an instance or task, milliseconds.
pub const GRACE_MS: u64 = 10_000;
/// Grace of a build, milliseconds: a canceled build must be gone quickly.
pub const BUILD_GRACE_MS: u64 = 2_000;
/// How long an instance that left the route table may finish its requests, milliseconds.
pub const DRAIN_LIMIT_MS: u64 = 30_000;
/// A release or build without progress for so long (running time) ends, milliseconds.
pub const DEADLINE_MS: u64 = 15 * 60_000;
/// Longest start-up of an instance whose health check names none, seconds.
pub const START_TIMEOUT_SECS: u64 = 60;
/// Crashes that are answered by an immediate restart.
pub const IMMEDIATE_RESTARTS: u32 = 3;
/// First back-off after the immediate restarts, milliseconds; it doubles.
pub const CRASH_BACKOFF_MS: u64 = 30_000;
/// Longest back-off between restarts, milliseconds.
pub const CRASH_BACKOFF_MAX_MS: u64 = 16 * 60_000;
/// Crashes after which an instance is not started again.
pub const CRASHES_MAX: u32 = 200;
/// Running time after which earlier crashes are forgotten, milliseconds.
pub const CRASH_RESET_MS: u64 = 5 * 60_000;
/// An instance on demand without a request for so long is stopped, milliseconds.
pub const IDLE_LIMIT_MS: u64 = 60_000;
/// Between two words about an instance on demand that the quota has no room for, milliseconds:
/// every request may ask for it.
pub const REFUSAL_PERIOD_MS: u64 = 30_000;
/// Most published versions of one app: each is part of its document.
pub const PUBLISHED_MAX: usize = 500;
/// Most steps of a release.
pub const STEPS_MAX: usize = 100;
/// Most instances of one component.
pub const INSTANCES_MAX: u32 = 10_000;
/// Most unfinished tasks of one app.
pub const TASKS_MAX: usize = 1_000;
/// Most unfinished builds of one app.
pub const BUILDS_MAX: usize = 100;
/// Most unfinished releases of one app (canceled ones that still wind down included).
pub const RELEASES_MAX: usize = 50;
/// Longest reason of a cancel, bytes.
pub const REASON_BYTES_MAX: usize = 256;
/// All of a component's traffic, in 1/10,000.
pub const SHARE_ALL: u16 = 10_000;
/// Version of the app document that this program writes.
pub const DOCUMENT_VERSION: u32 = 1;
