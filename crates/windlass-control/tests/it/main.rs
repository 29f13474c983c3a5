//! Use cases over a real store, a real engine and a driver that runs nothing.

mod cancel;
mod loss;
mod tasks;
mod world;
