//! The Windlass program.

fn main() {}
