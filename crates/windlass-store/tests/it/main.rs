//! One behaviour suite for every backend: each test takes the backend as its parameter.

mod app_state;
mod backend;
mod backup;
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
