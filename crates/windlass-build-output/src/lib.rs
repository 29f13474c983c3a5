//! A built site in the Build Output layout (version 3): what its files mean and
//! what a request to it leads to. Pure: no I/O, no clock; whoever serves the
//! site says through [`Files`] what is there.
//!
//! ```text
//! config.json     routes and overrides    → [`Site::parse`]
//! static/         files, served as they are
//! functions/      NAME.func/.vc-config.json → [`Function::parse`]
//! ```
//!
//! A site is somebody else's input. Everything that it can make grow is
//! bounded: routes, patterns, steps of a pattern, rewritten paths, headers. What
//! is not served here is refused by [`Site::parse`], [`Function::parse`] and
//! [`check_layout`], with the file and the reason, so that a build fails and not
//! a request.

mod condition;
mod config;
mod error;
mod evaluate;
mod function;
mod layout;
mod path_pattern;
mod pattern;
mod project_file;
mod query;
mod request;
mod route;
mod template;

pub use config::Site;
pub use error::{OutputError, Problem};
pub use evaluate::{Decision, Files};
pub use function::{Function, Launcher};
pub use layout::check_layout;
pub use project_file::config_of_project;
pub use request::SiteRequest;
