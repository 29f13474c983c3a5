//! The Vercel dialect: requests to commands, records to views, errors to errors.
//!
//! A team of this API is an organization with its oldest space, a project is an app, a deployment
//! is a build and the revision that comes of it. Each resource has the same shape: handler
//! (extract, authorise, one call to control, answer) and view (record to wire). It never changes
//! anything itself and knows no other dialect. Start at [`server`] (the router, and how paths of
//! any version lead to it) and `error` (the one form of a refusal).

mod aliases;
mod auth;
mod body;
mod checks;
mod deployments;
mod document;
mod env;
mod error;
mod files;
mod host;
mod ids;
mod once;
mod page;
mod path;
mod place;
mod projects;
mod promotions;
mod query;
mod rolling_releases;
mod runtime_logs;
pub mod server;
pub mod sites;
mod teams;
mod time;
mod tokens;
mod user;
