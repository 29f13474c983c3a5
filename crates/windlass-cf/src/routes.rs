//! Under construction.

pub(crate) mod destinations;
pub(crate) mod request;
