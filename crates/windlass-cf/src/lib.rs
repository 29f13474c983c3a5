//! The Cloud Foundry v3 dialect: requests to commands, records to views, errors to errors.
//!
//! Each resource has the same shape: handler (extract, authorise, one call to control, answer),
//! request (checks in the dialect's own words), view (records to wire). It never changes anything
//! itself and knows no other dialect. Start at `server` (the router) and `error` (the one form of
//! a refusal).

mod apps;
mod audit_events;
pub mod auth;
pub mod body;
mod buildpacks;
mod builds;
mod checks;
mod deployments;
mod disk;
mod domains;
mod droplets;
pub mod error;
mod feature_flags;
mod guid;
#[doc(hidden)]
pub mod hostile;
mod info;
mod jobs;
pub mod links;
mod log_cache;
mod manifests;
pub mod metadata;
mod not_offered;
mod organizations;
mod packages;
pub mod page;
pub mod path;
pub mod percent;
mod processes;
pub mod query;
mod quotas;
mod revisions;
mod roles;
mod root;
mod routes;
pub mod server;
mod services;
mod sidecars;
mod spaces;
mod stacks;
mod tasks;
pub mod time;
mod uaa;
mod users;
