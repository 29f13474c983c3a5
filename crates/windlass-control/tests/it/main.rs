//! Use cases over a real store, a real engine and a driver that runs nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test may fail the test"
)]

mod cancel;
mod loss;
mod once;
mod progress;
mod runs;
mod sites;
mod tasks;
mod whole;
mod world;
