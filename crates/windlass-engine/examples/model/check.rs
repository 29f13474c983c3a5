//! The model: worlds, their steps, what must always hold, and the search.

mod fingerprint;
mod node;
mod properties;
mod search;
mod worlds;

pub(crate) use search::{Found, search};
pub(crate) use worlds::World;
