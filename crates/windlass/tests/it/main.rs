//! End-to-end tests: the real program, real processes, real requests.
//!
//! Each test has a Windlass of its own on ports that the system chose. `WINDLASS_BINARY` names
//! another build of the program, as `./dev test` does with the release build.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test may fail the test"
)]

mod adoption;
mod backup;
mod canary;
#[cfg(windlass_test)]
mod clock;
mod commands;
#[cfg(windlass_fail)]
mod crash_points;
mod digitalocean;
mod functions;
mod gate;
mod git_deployments;
mod keys;
mod kills;
mod languages;
mod limits;
mod program;
mod releases;
mod reload;
mod short_base;
mod survivors;
mod tasks;
mod tenants;
mod updown;
mod vercel;
mod world;
