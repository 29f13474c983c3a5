//! What every wire dialect does alike with HTTP, whatever its documents look like: the headers of
//! ours on a cancel, who sends a request, paths, queries and JSON bodies, the rest of a body that nobody read, the count of a
//! token's requests, whether an answer was delivered, a panic of a handler, the list of a router's
//! endpoints.
//!
//! Nothing here knows a dialect's error form; each turns what comes from here into its own.

pub mod bearer;
pub mod cancel_headers;
pub mod delivery;
pub mod endpoints;
pub mod json;
pub mod panics;
pub mod path_params;
pub mod query;
pub mod rate;
pub mod unread;
