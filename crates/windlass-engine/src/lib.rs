//! The domain of Windlass: ids, records, and the pure engine.
//!
//! No async, no I/O, no clock and no randomness here: `transition` is the only code that changes
//! anything, and `plan` says what should run. Everything else in Windlass makes the plan true.

pub mod id;
pub mod records;
pub mod time;
