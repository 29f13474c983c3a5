//! Under construction.

pub(crate) mod request;
pub(crate) mod view;
