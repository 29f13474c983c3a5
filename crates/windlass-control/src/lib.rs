//! Under construction.

pub mod archive;
pub mod blobs;
pub mod error;
pub mod identity;
pub mod principal;
pub mod secrets;
pub mod staging;
pub mod tenancy;
