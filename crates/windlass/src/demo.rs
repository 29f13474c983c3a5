//! `windlass demo`: the whole promise on a throw-away Windlass, under load.
//!
//! Everything here looks at Windlass from outside: it starts the program, talks to its API as
//! anybody does, visits the app through the router and counts processes in `/proc`.

pub mod api;
pub mod bits;
pub mod census;
mod failure;
pub mod load;
pub mod platform;
pub mod server;
mod tally;

pub use failure::{Failure, WAIT_LIMIT, WAIT_POLL, wait_for};
