//! What every wire dialect does alike with HTTP, whatever its documents look like: the headers of
//! ours on a cancel, the rest of a body that nobody read, a panic of a handler, the list of a
//! router's endpoints.
//!
//! Nothing here knows a dialect's error form; each turns what comes from here into its own.

pub mod cancel_headers;
pub mod endpoints;
pub mod panics;
pub mod unread;
