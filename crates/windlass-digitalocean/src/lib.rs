//! The DigitalOcean App Platform v2 dialect: requests to commands, records to views, errors to
//! errors.
//!
//! An app is described by an *app spec*, one document with everything in it: see [`spec`]. What it
//! asks for becomes a deployment in `submit`. Each resource has the same shape: handler (extract,
//! authorise, one call to control, answer) and view (record to wire). It never changes anything
//! itself and knows no other dialect. Start at [`server`] (the router) and `error` (the one form
//! of a refusal).

mod account;
mod alerts;
mod apps;
mod auth;
mod body;
mod catalog;
mod deployments;
mod document;
mod error;
mod health;
pub mod instance_size;
mod instances;
mod logs;
mod once;
mod page;
mod path;
mod place;
mod propose;
mod pushes;
mod query;
mod refused;
pub mod region;
mod restart;
mod rollback;
pub mod server;
pub mod spec;
mod submit;
mod time;
mod urls;
mod webhooks;

pub use pushes::poll;
