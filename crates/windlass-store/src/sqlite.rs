//! The SQLite backend: connections, statements, migrations.

pub(crate) mod connection;
pub(crate) mod failure;
pub(crate) mod migrate;
pub(crate) mod statement;
mod upsert;
mod value;

pub(crate) use connection::{Access, open};
pub(crate) use failure::{database, in_table};
pub(crate) use statement::{LabelWay, Statement};
pub(crate) use upsert::upsert;
