//! Deployments.

pub(crate) mod request;
pub(crate) mod view;
pub(crate) mod words;
