//! The wire of the Cloud Foundry dialect over a real control, store and engine.
#![expect(clippy::expect_used, reason = "a test that can't go on says where")]

mod bad_input;
mod deletion;
mod domains;
mod login;
mod organizations;
mod rest;
mod roles;
mod spaces;
mod users;
mod world;
