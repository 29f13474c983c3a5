//! What strangers send, tried by tests: the kept corpus, and a bounded number of mutations of it.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod framing;
mod replay;
