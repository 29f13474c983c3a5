//! Real shims, real processes.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod adoption;
mod bench;
mod checks;
#[cfg(windlass_test)]
mod clock;
mod disk;
mod isolation;
mod launch;
mod limits;
mod logs;
mod neighbours;
mod ordinary;
mod promises;
mod survivors;
