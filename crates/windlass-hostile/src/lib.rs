//! What strangers send, and what must hold whatever it is.
//!
//! Each module has one `check`: it takes any bytes, hands them to the product and panics when a
//! promise is broken. The same functions are called by the fuzz targets (`fuzz/`, `./dev fuzz`) and
//! by the tests of this crate, which send the kept corpus and a bounded number of mutations of it.
//! Beside "no panic" each has properties of its own: see the modules.

// A broken promise is told by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]
// Names that strangers chose are told escaped.
#![allow(clippy::unnecessary_debug_formatting)]

pub mod app_spec;
pub mod bodies;
pub mod corpus;
mod feed;
pub mod framing;
pub mod manifest;
pub mod multipart;
pub mod mutation;
pub mod procfile;
pub mod route_table;
pub mod site;
pub mod token;
mod world;
pub mod zip;

/// Something that is fed with any bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its fuzz target and of its directory in `corpus/`.
    pub name: &'static str,
    /// Panics when a promise is broken.
    pub check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 12] = [
    target("app_spec", app_spec::check),
    target("bodies_cf", bodies::check_cf),
    target("bodies_digitalocean", bodies::check_digitalocean),
    target("bodies_vercel", bodies::check_vercel),
    target("framing", framing::check),
    target("manifest", manifest::check),
    target("multipart", multipart::check),
    target("procfile", procfile::check),
    target("route_table", route_table::check),
    target("site", site::check),
    target("token", token::check),
    target("zip", zip::check),
];

const fn target(name: &'static str, check: fn(&[u8])) -> Target {
    Target { name, check }
}
