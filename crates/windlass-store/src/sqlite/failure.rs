//! Translation of SQLite's errors.

use std::path::Path;
use std::sync::Arc;

use rusqlite::ErrorCode;
use rusqlite::ffi::{
    SQLITE_CONSTRAINT_FOREIGNKEY, SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE,
};

use crate::error::{StoreError, Unique};

/// An error outside of any table.
pub(crate) fn database(error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        _ => StoreError::Database {
            source: Arc::new(error),
        },
    }
}

/// An error of the first look into a file.
pub(crate) fn opening(path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreError::Foreign {
            path: path.to_owned(),
        },
        _ => database(error),
    }
}

/// An error of a statement on a table.
pub(crate) fn in_table(table: &'static str, error: rusqlite::Error) -> StoreError {
    if let rusqlite::Error::SqliteFailure(code, text) = &error {
        match code.extended_code {
            SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY => {
                let what = text.as_deref().map_or(Unique::Other, unique);
                return StoreError::Duplicate { what };
            }
            SQLITE_CONSTRAINT_FOREIGNKEY => return StoreError::Referenced { table },
            _ => {}
        }
    }
    database(error)
}

/// Whether the disk failed, so that nobody knows what a commit left behind.
pub(crate) fn is_disk_failure(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Whether another process has the file locked.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

/// What a message such as `UNIQUE constraint failed: spaces.organization, spaces.name` is about.
/// SQLite names columns, or the index where that contains an expression.
fn unique(message: &str) -> Unique {
    let columns = message.rsplit(": ").next().unwrap_or_default();
    match columns {
        "organizations.name" => Unique::OrganizationName,
        "spaces.organization, spaces.name" => Unique::SpaceName,
        "apps.space, apps.name" => Unique::AppName,
        "users.name, users.origin" => Unique::UserName,
        "index 'roles_unique'" => Unique::Role,
        "tokens.sha256" => Unique::TokenDigest,
        "domains.name" => Unique::DomainName,
        "routes.full_host, routes.path" => Unique::RouteAddress,
        "app_hosts.full_host" => Unique::AppHost,
        "service_instances.space, service_instances.name" => Unique::ServiceInstanceName,
        "service_bindings.app, service_bindings.service_instance" => Unique::ServiceBinding,
        "service_bindings.app, service_bindings.name" => Unique::ServiceBindingName,
        "tasks.app, tasks.sequence_id" => Unique::TaskSequence,
        "route_destinations.id" => Unique::DestinationId,
        _ => Unique::Other,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi::{Error, SQLITE_FULL, SQLITE_IOERR_WRITE};

    use super::*;

    #[test]
    fn a_full_disk_is_told_from_one_that_fails() {
        let of = |code| database(rusqlite::Error::SqliteFailure(Error::new(code), None));
        assert!(matches!(of(SQLITE_FULL), StoreError::DiskFull));
        assert!(matches!(
            of(SQLITE_IOERR_WRITE),
            StoreError::Database { .. }
        ));
    }
}
