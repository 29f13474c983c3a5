//! The clock by which every role of Windlass measures spans that mean something: deadlines, grace,
//! health checks, holds, drains, back-offs.
//!
//! It is the monotonic clock of the machine: [`thread`] and [`task`] are names for what `std` and
//! tokio have. Only under `--cfg windlass_test` is there more: a file in the data directory says
//! how many milliseconds have passed beyond those that really have, every reading adds them, and
//! every wait looks at the clock again and again, so that a test of the real program can let hours
//! pass at once in all its processes.
//!
//! The wall clock ([`wall`]) is that of the machine too; in test builds the same file lets it jump,
//! forward and back, while the spans go on.
//!
//! What stays on the machine's clock in test builds too, used from `std` and tokio directly:
//! - limits of work that another process or the kernel is doing (connecting, handshakes, the launch
//!   of a shim, messages on internal sockets, acknowledgements of the router, the ending of a shim
//!   that does not obey): an hour that passes at once would end it although nothing is wrong;
//! - pauses of at most some seconds between tries, looks and samples: nobody waits for them;
//! - measurements (latencies, CPU shares, log lines): they must stay true.

#[cfg(not(windlass_test))]
mod machine;
#[cfg(windlass_test)]
mod moved;

#[cfg(not(windlass_test))]
pub use machine::{follow, offset, task, thread, wall};
#[cfg(windlass_test)]
pub use moved::{FILE, WALL_AT, follow, offset, task, thread, wall};
