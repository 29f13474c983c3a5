//! The Windlass program: supervisor, roles and command line in one binary.
//!
//! This crate wires the others together and decides nothing about apps. Start from [`cli`] (what a
//! person types), [`supervisor`] (`windlass up`) and [`roles`] (what it starts).

pub mod admin_api;
pub mod api_server;
pub mod backup;
pub mod ca;
pub mod cli;
#[cfg(windlass_fail)]
pub mod crash;
mod crash_point;
pub mod demo;
pub mod first_start;
pub mod handover;
pub mod key_file;
pub mod layout;
pub mod outlive;
pub mod output;
pub mod private_file;
pub mod program;
pub mod public_address;
pub mod reload_check;
pub mod restore;
pub mod role_link;
pub mod roles;
pub mod settings;
pub mod static_server;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
pub mod unix_socket;
