//! The data plane of Windlass: `windlass router` and control's link to it.
//!
//! The router is a process of its own. It proxies client connections to the
//! instances of applications by host, path, method and header, divides the
//! requests of a component between its versions by exact shares, and goes on
//! serving from its table file when control is gone.
//!
//! Two programs use this crate:
//!
//! * the router process calls [`run`] with a [`RouterConfig`];
//! * control holds a [`RouterLink`], publishes [`Change`]s through it and waits
//!   until every router that lives has acknowledged them.
//!
//! The rule that makes an acknowledgement sound: control appends a change to
//! the table file *before* it sends it, and a router announces itself
//! ([`presence`]) *before* it reads that file. So a router either is seen by
//! control and has to acknowledge, or it reads the change from the file.

#[doc(hidden)]
pub mod hostile;
pub mod link;
pub mod presence;
pub mod protocol;
pub mod table;
pub mod table_file;

mod acceptor;
mod access_log;
mod compiled;
mod config;
mod control_client;
mod counters;
mod crash_point;
mod framing;
mod guard;
mod idle;
mod matching;
mod metrics;
mod pick;
mod pool;
mod proxy;
mod published;
mod run;
mod schedule;
mod shards;
mod switcher;
mod tls;
mod upstream;
mod upstreams;
mod worker;

pub use config::{
    AccessLogSettings, CertificateFiles, Issue, IssuedCertificate, Issuer, Limits, RouterConfig,
    TlsListener,
};
#[cfg(windlass_fail)]
pub use crash_point::CRASH_POINTS;
pub use link::{Acknowledgement, LinkError, MissingRouter, RouterEvent, RouterLink, RouterStatus};
pub use run::{RouterError, run, run_until};
pub use table::{
    AnswerHeader, AnswerKind, Change, Delta, Destination, Group, GroupId, HeaderMatch, HostRoutes,
    IngressAnswer, IngressRule, Pins, Position, RequestHeader, RouteRule, Split, Table, TargetKind,
    Upstream, UpstreamId, Version, VersionId,
};
pub use table_file::{Durability, TableFileError, TableWriter, read_table};
pub use tls::TlsError;
