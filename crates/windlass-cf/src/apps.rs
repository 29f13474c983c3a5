//! Under construction.

pub(crate) mod lifecycle;
pub(crate) mod request;
