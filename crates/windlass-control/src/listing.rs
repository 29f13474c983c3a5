//! What a list asks for. Dialects build these from their own parameters; the store runs them.

pub use windlass_store::{Cell, Column, Filter, ListPage, ListQuery, Order, Page, Requirement};
