//! Under construction.

pub(crate) mod request;
