//! One behaviour suite for every backend: each test takes the backend as its parameter.

#![expect(
    clippy::unwrap_used,
    reason = "these are tests; clippy takes only the functions marked as tests for such"
)]
#![allow(
    clippy::redundant_closure_for_method_calls,
    reason = "the method alone is not general enough over the lifetime of the reader"
)]

mod app_state;
mod backend;
mod backup;
mod contents;
mod crash;
#[cfg(windlass_fail)]
mod crash_points;
mod events;
mod fixtures;
mod group;
mod hints;
mod labels;
mod ledgers;
mod lists;
mod migrations;
mod tables;
mod unique;
