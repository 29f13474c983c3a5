//! Tests of the engine as a whole.

#[path = "../../examples/model/check.rs"]
mod check;
mod documents;
mod model;
