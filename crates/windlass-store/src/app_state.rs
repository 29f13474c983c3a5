//! The state of each app, which the engine reads and writes as one document.

use rusqlite::OptionalExtension;
use windlass_engine::id::{AppId, RowRevision};

use crate::error::StoreError;
use crate::reader::Reader;
use crate::sqlite::in_table;
use crate::tx::Tx;

const TABLE: &str = "app_states";

/// The engine's document of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppStateRow {
    /// The app.
    pub app: AppId,
    /// Grows with each commit of the row.
    pub row_revision: RowRevision,
    /// When the app wants to be looked at again, uptime in milliseconds.
    pub wake_at: Option<i64>,
    /// Whether anything runs or is to run: such apps are loaded at the start.
    pub active: bool,
    /// The state as JSON.
    pub document: String,
}

impl Reader<'_> {
    /// The state of an app.
    pub fn app_state(&self, app: &AppId) -> Result<Option<AppStateRow>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT app, row_revision, wake_at, active, document FROM app_states WHERE app = ?",
            )
            .and_then(|mut statement| statement.query_row([app.as_str()], read).optional())
            .map_err(|e| in_table(TABLE, e))
    }

    /// The row revision of an app's state, without its document.
    pub fn app_row_revision(&self, app: &AppId) -> Result<Option<RowRevision>, StoreError> {
        let sql = "SELECT row_revision FROM app_states WHERE app = ?";
        Ok(self
            .one::<u64>(TABLE, sql, [app.as_str()])?
            .map(RowRevision))
    }

    /// States of active apps in the order of their ids, at most `limit`, beginning after `after`.
    pub fn active_app_states(
        &self,
        after: Option<&AppId>,
        limit: u32,
    ) -> Result<Vec<AppStateRow>, StoreError> {
        self.rows(
            TABLE,
            "SELECT app, row_revision, wake_at, active, document FROM app_states
             WHERE active = TRUE AND app > ? ORDER BY app LIMIT ?",
            (after.map_or("", AppId::as_str), limit),
            read,
        )
    }

    /// Apps in the order of their ids, active or not, at most `limit`, beginning after `after`.
    pub fn apps_with_state(
        &self,
        after: Option<&AppId>,
        limit: u32,
    ) -> Result<Vec<AppId>, StoreError> {
        let sql = "SELECT app FROM app_states WHERE app > ? ORDER BY app LIMIT ?";
        let apps = self.column::<String>(TABLE, sql, (after.map_or("", AppId::as_str), limit))?;
        Ok(apps.into_iter().map(AppId).collect())
    }

    /// Apps whose wake-up time has come at `uptime_ms`, the longest waiting first.
    pub fn due_apps(&self, uptime_ms: i64, limit: u32) -> Result<Vec<AppId>, StoreError> {
        let sql = "SELECT app FROM app_states WHERE wake_at <= ? ORDER BY wake_at, app LIMIT ?";
        let apps = self.column::<String>(TABLE, sql, (uptime_ms, limit))?;
        Ok(apps.into_iter().map(AppId).collect())
    }

    /// The earliest wake-up time of all apps, uptime in milliseconds.
    pub fn next_wake(&self) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT wake_at FROM app_states WHERE wake_at IS NOT NULL
                   ORDER BY wake_at LIMIT 1";
        self.one(TABLE, sql, [])
    }
}

/// The row of a revision is replaced, and no other.
#[cfg(not(windlass_mutant = "revision_unchecked"))]
const UPDATE: &str = "UPDATE app_states SET row_revision = ?, wake_at = ?, active = ?, document = ?
     WHERE app = ? AND row_revision = ?";
/// Wrong on purpose: whatever is there is replaced.
#[cfg(windlass_mutant = "revision_unchecked")]
const UPDATE: &str = "UPDATE app_states SET row_revision = ?, wake_at = ?, active = ?, document = ?
     WHERE app = ? AND row_revision <> -1 - ?";

impl Tx<'_> {
    /// Stores the state of an app if its row still is at `expected` (`None` = there is no row).
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is not.
    pub fn put_app_state(
        &mut self,
        expected: Option<RowRevision>,
        row: &AppStateRow,
    ) -> Result<(), StoreError> {
        let changed = match expected {
            Some(expected) => self.execute(
                TABLE,
                UPDATE,
                (
                    row.row_revision.0,
                    row.wake_at,
                    row.active,
                    &row.document,
                    row.app.as_str(),
                    expected.0,
                ),
            )?,
            None => self.execute(
                TABLE,
                "INSERT INTO app_states (app, row_revision, wake_at, active, document)
                 VALUES (?, ?, ?, ?, ?) ON CONFLICT (app) DO NOTHING",
                (
                    row.app.as_str(),
                    row.row_revision.0,
                    row.wake_at,
                    row.active,
                    &row.document,
                ),
            )?,
        };
        if changed == 0 {
            let found = self.app_row_revision(&row.app)?;
            return Err(StoreError::Conflict {
                app: row.app.clone(),
                expected,
                found,
            });
        }
        self.touch(&row.app);
        Ok(())
    }

    /// Deletes the state of an app. Says whether there was one.
    pub fn delete_app_state(&mut self, app: &AppId) -> Result<bool, StoreError> {
        self.touch(app);
        Ok(self.execute(
            TABLE,
            "DELETE FROM app_states WHERE app = ?",
            [app.as_str()],
        )? > 0)
    }
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<AppStateRow> {
    Ok(AppStateRow {
        app: AppId(row.get(0)?),
        row_revision: RowRevision(row.get(1)?),
        wake_at: row.get(2)?,
        active: row.get(3)?,
        document: row.get(4)?,
    })
}
