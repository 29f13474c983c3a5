//! The Cloud Foundry v3 dialect: requests to commands, records to views, errors to errors.
//!
//! Each resource has the same shape: handler (extract, authorise, one call to control, answer),
//! request (checks in the dialect's own words), view (records to wire). It never changes anything
//! itself and knows no other dialect. Start at `server` (the router) and `error` (the one form of
//! a refusal).

mod audit_events;
pub mod auth;
pub mod body;
mod buildpacks;
mod domains;
pub mod error;
mod feature_flags;
mod info;
mod jobs;
pub mod links;
pub mod metadata;
mod organizations;
pub mod page;
pub mod path;
pub mod percent;
pub mod query;
mod quotas;
mod roles;
mod root;
pub mod server;
mod spaces;
mod stacks;
pub mod time;
mod uaa;
mod users;
