//! The DigitalOcean App Platform v2 dialect: requests to commands, records to views, errors to
//! errors.
//!
//! An app is described by an *app spec*, one document with everything in it: see [`spec`].

pub mod instance_size;
pub mod region;
pub mod spec;
