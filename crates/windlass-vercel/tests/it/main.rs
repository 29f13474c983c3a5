//! The whole dialect over a real control and a real database, without a socket.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test may fail the test"
)]

mod authorisation;
mod checks;
mod deployments;
mod documentation;
mod domains;
mod endpoints;
mod env;
mod files;
mod git;
mod identity;
mod projects;
mod promotions;
mod rolling_releases;
mod world;
