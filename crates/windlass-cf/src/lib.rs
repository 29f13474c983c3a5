//! The Cloud Foundry v3 dialect: requests to commands, records to views, errors to errors.
//!
//! Each resource has the same shape: handler (extract, authorise, one call to control, answer),
//! request (checks in the dialect's own words), view (records to wire). It never changes anything
//! itself and knows no other dialect. Start at `server` (the router) and `error` (the one form of
//! a refusal).

pub mod body;
pub mod error;
pub mod links;
pub mod metadata;
pub mod page;
pub mod percent;
pub mod query;
pub mod time;
