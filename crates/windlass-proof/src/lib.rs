//! What shows the promises of Windlass: tools that run the real program with real processes, watch
//! it from outside, and print what they counted. Nothing here is part of the program.

pub mod bench;
pub mod crashes;
pub mod double;
pub mod load;
pub mod programs;
pub mod races;
pub mod rig;
pub mod seed;
pub mod small_disk;
