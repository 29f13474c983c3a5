//! Events of the engine: what happened, in the order of commits, never changed.

use serde_json::Value;
use windlass_engine::id::{AppId, CommitNumber, OrganizationId};
use windlass_engine::time::Timestamp;

use crate::error::StoreError;
use crate::reader::Reader;
use crate::sqlite::in_table;
use crate::tx::Tx;

const TABLE: &str = "events";
const COLUMNS: &str =
    "commit_no, seq, app, organization, subject_kind, subject_id, at, kind, text, data";

/// An event that a commit adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The app, when it concerns one.
    pub app: Option<AppId>,
    /// The organization, when it concerns one.
    pub organization: Option<OrganizationId>,
    /// Kind of what it happened to (`release`, `task`, `build`, `instance`, …).
    pub subject_kind: String,
    /// Id of what it happened to.
    pub subject: String,
    /// When.
    pub at: Timestamp,
    /// Type word.
    pub kind: String,
    /// For people; no secrets.
    pub text: String,
    /// Details; no secrets.
    pub data: Value,
}

/// Place of an event in the order of all events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventPosition {
    /// Commit.
    pub commit: CommitNumber,
    /// Number inside the commit, from 0.
    pub seq: u32,
}

impl EventPosition {
    /// The place behind all events of a commit.
    pub fn after(commit: CommitNumber) -> Self {
        Self {
            commit,
            seq: u32::MAX,
        }
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place.
    pub position: EventPosition,
    /// What it says.
    pub event: NewEvent,
}

/// Which events, in their order, or the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQuery {
    /// Only later ones than this.
    pub after: Option<EventPosition>,
    /// Only of this app.
    pub app: Option<AppId>,
    /// Only of this organization.
    pub organization: Option<OrganizationId>,
    /// Only of the subject with this id.
    pub subject: Option<String>,
    /// Whether the newest comes first.
    pub newest_first: bool,
    /// Most events.
    pub limit: u32,
}

impl EventQuery {
    /// The next `limit` events of everything.
    pub fn after(after: Option<EventPosition>, limit: u32) -> Self {
        Self {
            after,
            app: None,
            organization: None,
            subject: None,
            newest_first: false,
            limit,
        }
    }
}

impl Reader<'_> {
    /// Events that a query asks for.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<EventRow>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM events WHERE TRUE");
        let mut values: Vec<&dyn rusqlite::ToSql> = Vec::new();
        let after = query.after.map(|after| (after.commit.0, after.seq));
        if let Some((commit, seq)) = &after {
            sql.push_str(" AND (commit_no, seq) > (?, ?)");
            values.push(commit);
            values.push(seq);
        }
        let app = query.app.as_ref().map(AppId::as_str);
        let organization = query.organization.as_ref().map(OrganizationId::as_str);
        if let Some(app) = &app {
            sql.push_str(" AND app = ?");
            values.push(app);
        }
        if let Some(organization) = &organization {
            sql.push_str(" AND organization = ?");
            values.push(organization);
        }
        if let Some(subject) = &query.subject {
            sql.push_str(" AND subject_id = ?");
            values.push(subject);
        }
        sql.push_str(if query.newest_first {
            " ORDER BY commit_no DESC, seq DESC LIMIT ?"
        } else {
            " ORDER BY commit_no, seq LIMIT ?"
        });
        values.push(&query.limit);
        let mut rows = Vec::new();
        for (row, data) in self.rows(TABLE, &sql, values.as_slice(), read)? {
            let data = serde_json::from_str(&data).map_err(|e| StoreError::Damaged {
                table: TABLE,
                text: e.to_string(),
            })?;
            rows.push(EventRow {
                event: NewEvent { data, ..row.event },
                ..row
            });
        }
        Ok(rows)
    }
}

impl Tx<'_> {
    /// Adds an event to this commit.
    pub fn append_event(&mut self, event: &NewEvent) -> Result<EventPosition, StoreError> {
        let position = EventPosition {
            commit: self.commit_number(),
            seq: self.next_event,
        };
        let run = |tx: &Self| {
            tx.connection
                .prepare_cached(
                    "INSERT INTO events (commit_no, seq, app, organization, subject_kind,
                     subject_id, at, kind, text, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute((
                    position.commit.0,
                    position.seq,
                    event.app.as_ref().map(AppId::as_str),
                    event.organization.as_ref().map(OrganizationId::as_str),
                    &event.subject_kind,
                    &event.subject,
                    event.at.0,
                    &event.kind,
                    &event.text,
                    event.data.to_string(),
                ))
        };
        run(self).map_err(|e| in_table(TABLE, e))?;
        self.next_event += 1;
        if let Some(app) = &event.app {
            self.touch(app);
        }
        Ok(position)
    }

    /// Deletes at most `limit` events from before `end`. Says how many.
    pub fn delete_events_before(&mut self, end: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.execute(
            TABLE,
            "DELETE FROM events WHERE (commit_no, seq) IN
             (SELECT commit_no, seq FROM events WHERE at < ? ORDER BY at LIMIT ?)",
            (end.0, limit),
        )
    }
}

/// Reads all but the details, which come beside it as text.
fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(EventRow, String)> {
    let position = EventPosition {
        commit: CommitNumber(row.get(0)?),
        seq: row.get(1)?,
    };
    let event = NewEvent {
        app: row.get::<_, Option<String>>(2)?.map(AppId),
        organization: row.get::<_, Option<String>>(3)?.map(OrganizationId),
        subject_kind: row.get(4)?,
        subject: row.get(5)?,
        at: Timestamp(row.get(6)?),
        kind: row.get(7)?,
        text: row.get(8)?,
        data: Value::Null,
    };
    Ok((EventRow { position, event }, row.get(9)?))
}
