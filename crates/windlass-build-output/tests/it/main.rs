//! Sites as they are written, and what requests to them lead to.

#![allow(clippy::unwrap_used)]

mod bounds;
mod project;
mod refuse;
mod routes;
mod routing;
mod site;
