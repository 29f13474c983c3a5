//! End-to-end tests: the real program, real processes, real requests.
//!
//! Each test has a Windlass of its own on ports that the system chose. `WINDLASS_BINARY` names
//! another build of the program, as `./dev test` does with the release build.

mod canary;
mod world;
