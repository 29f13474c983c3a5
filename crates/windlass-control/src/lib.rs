//! Under construction.

pub mod archive;
pub mod blobs;
