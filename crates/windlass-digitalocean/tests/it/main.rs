//! The whole dialect over a real control and a real database, without a socket.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test may fail the test"
)]

mod apps;
mod authorisation;
mod cancel;
mod documentation;
mod domains;
mod endpoints;
mod fixed;
mod hostile;
mod logs;
mod pushes;
mod repeats;
mod rollback;
mod world;
