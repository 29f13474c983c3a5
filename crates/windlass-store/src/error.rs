//! What can go wrong with the store.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use windlass_engine::id::{AppId, RowRevision};

use crate::column::Column;

/// Something that must be unique and is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unique {
    /// Name of an organization that is not being deleted.
    OrganizationName,
    /// Name of a space inside its organization.
    SpaceName,
    /// Name of an app inside its space.
    AppName,
    /// Name of a user inside its origin.
    UserName,
    /// A role of a user at one place.
    Role,
    /// Digest of a token.
    TokenDigest,
    /// Name of a domain.
    DomainName,
    /// Host and path of a route.
    RouteAddress,
    /// Host name of an app.
    AppHost,
    /// Name of a service instance inside its space.
    ServiceInstanceName,
    /// A binding of an app to a service instance.
    ServiceBinding,
    /// Name of a binding inside its app.
    ServiceBindingName,
    /// Number of a task inside its app.
    TaskSequence,
    /// Id of a route destination.
    DestinationId,
    /// Another constraint of the database: a defect of the caller.
    Other,
}

/// Why the store could not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Something unique is taken.
    #[error("{what:?} is taken already")]
    Duplicate {
        /// What is taken.
        what: Unique,
    },
    /// The row of an app is at another revision than the caller saw.
    #[error("app {app} is at row revision {found:?}, not {expected:?}; load it again")]
    Conflict {
        /// The app.
        app: AppId,
        /// What the caller saw; `None` = no row.
        expected: Option<RowRevision>,
        /// What there is; `None` = no row.
        found: Option<RowRevision>,
    },
    /// A row is still referred to by others, or refers to one that isn't there.
    #[error("rows of {table} refer to rows that would be missing; delete or create those first")]
    Referenced {
        /// Table of the change.
        table: &'static str,
    },
    /// A query names a column that the table does not have.
    #[error("table {table} can't be queried by {column:?}")]
    UnknownColumn {
        /// Table.
        table: &'static str,
        /// Column.
        column: Column,
    },
    /// The database was written by a newer Windlass.
    #[error(
        "the database {path} has schema version {found}, this windlass knows only up to {known}; \
         start the newer windlass that wrote it, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file belongs to something else.
    #[error("{path} is not a database of windlass; give the path of one, or of a new file")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process has the database open.
    #[error("{path} is in use by another process; stop it with `windlass down` first")]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// A stored row can't be read.
    #[error("a row of {table} can't be read: {text}; restore a backup")]
    Damaged {
        /// Table.
        table: &'static str,
        /// What is wrong.
        text: String,
    },
    /// The integrity check found damage.
    #[error("the database is damaged: {text}; restore a backup")]
    Corrupt {
        /// What the check said, shortened.
        text: String,
    },
    /// A row can't be made into JSON.
    #[error("a row of {table} can't be written as JSON: {text}")]
    Unwritable {
        /// Table.
        table: &'static str,
        /// Why.
        text: String,
    },
    /// The writer has too much waiting.
    #[error("the writer of the database has too much to do; try again later")]
    Overloaded,
    /// The writer has ended.
    #[error("the database is closed")]
    Closed,
    /// The disk failed during a commit: what lies on it is unknown until the next start.
    #[error("the disk failed during a commit; check it and start again")]
    DiskFailed,
    /// There is no room on the disk; nothing was changed.
    #[error("the disk is full: nothing was changed; make room and try again")]
    DiskFull,
    /// The closure of the caller panicked; nothing of it was kept.
    #[error("a change of the database panicked and was undone")]
    Panicked,
    /// A file could not be used.
    #[error("can't {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: Arc<std::io::Error>,
    },
    /// Anything else that the database says.
    #[error("the database answered: {source}")]
    Database {
        /// Its error.
        source: Arc<dyn Error + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Overloaded | Self::InUse { .. } | Self::DiskFull)
    }

    /// An error of a file.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>, e: std::io::Error) -> Self {
        Self::File {
            action,
            path: path.into(),
            source: Arc::new(e),
        }
    }
}

/// Why [`Store::write`](crate::Store::write) did not commit.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError<E> {
    /// The closure said no; nothing of it was kept.
    #[error("{0}")]
    Refused(E),
    /// The store failed. Except after [`StoreError::DiskFailed`] nothing was kept.
    #[error(transparent)]
    Store(StoreError),
}

impl<E: From<StoreError>> WriteError<E> {
    /// The closure's error type for both cases.
    pub fn flatten(self) -> E {
        match self {
            Self::Refused(error) => error,
            Self::Store(error) => error.into(),
        }
    }
}
