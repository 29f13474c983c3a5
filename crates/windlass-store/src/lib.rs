//! Durable state of Windlass: one database, one writer, many readers.
//!
//! [`Store::write`] runs a closure inside the only writer, so load, decide and save are one step
//! that nobody can come between; closures that wait together share one synced commit.
//! [`Store::read`] gives a closure one consistent snapshot. The store keeps what it is given: it
//! never decides whether something is allowed.

mod app_state;
mod backup;
mod cell;
mod column;
mod contents;
mod counts;
mod crash_point;
mod error;
mod event;
mod hints;
mod ledger;
mod options;
mod pool;
mod query;
mod reader;
mod rows;
mod sqlite;
mod store;
mod table;
pub mod testing;
mod tx;
mod writer;

pub use app_state::AppStateRow;
pub use cell::Cell;
pub use column::Column;
#[cfg(windlass_fail)]
pub use crash_point::CRASH_POINTS;
pub use error::{StoreError, Unique, WriteError};
pub use event::{EventPosition, EventQuery, EventRow, NewEvent};
pub use hints::{Hint, Hints};
pub use ledger::{PORT_REST_MS, Port, Usage};
pub use options::OpenOptions;
pub use query::{Filter, ListPage, ListQuery, Order, Page, Requirement};
pub use reader::Reader;
pub use rows::{EngineRevisionRow, ReleaseRow, TaskRow, words};
pub use store::{Rehearsal, Store};
pub use table::{Row, Table};
pub use tx::Tx;
