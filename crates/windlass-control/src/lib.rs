//! The shell of Windlass: use cases, workers, staging, identity.
//!
//! [`control::Control`] is what dialects and command line call. A use case is one commit through
//! the engine ([`commit`](crate::control::Control)), after which routes are put in force and the
//! app's worker is woken; nothing that matters is kept in memory. No wire format of any dialect
//! is known here.

pub mod archive;
pub mod artifacts;
pub mod blobs;
mod build_events;
mod builds;
pub mod built_sites;
pub mod clock;
pub mod commands;
mod commit;
pub mod control;
mod crash_point;
pub mod error;
mod functions;
pub mod guid;
pub mod history;
pub mod hosts;
pub mod identity;
mod instance_events;
pub mod instances;
pub mod launch;
pub mod listing;
pub mod lists;
mod log_numbers;
pub mod logs;
pub mod numbered_revisions;
mod observe;
pub mod once;
pub mod order_events;
pub mod packages;
pub mod principal;
mod progress;
pub mod restored;
mod retention;
pub mod routes;
mod routing;
pub mod run_name;
mod runtimes;
pub mod secrets;
pub mod services;
pub mod settings;
pub mod sites;
pub mod source_files;
pub mod sources;
pub mod staging;
mod start;
mod states;
pub mod tenancy;
pub mod testing;
mod worker;

pub use commit::Committed;
pub use control::{Control, Extra, Parts};
#[cfg(windlass_fail)]
pub use crash_point::CRASH_POINTS;
pub use error::Error;
pub use settings::ControlSettings;
pub use sources::Sources;
