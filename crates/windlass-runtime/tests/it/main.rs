//! Real shims, real processes.

mod adoption;
mod bench;
mod checks;
mod isolation;
mod launch;
mod limits;
mod logs;
mod survivors;
