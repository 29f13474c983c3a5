//! The engine's history: releases, tasks, revisions. Their documents are opaque to the store.

use std::collections::BTreeMap;

use windlass_engine::id::{AppId, CommitNumber, ReleaseId, RevisionId, TaskId};
use windlass_engine::records::Stamps;
use windlass_engine::time::Timestamp;

use super::VIA_APP;
use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::table::{Row, Sealed, Table, fold, stamps};

/// A release as the lists see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its id.
    pub id: ReleaseId,
    /// Whose.
    pub app: AppId,
    /// State word.
    pub state: String,
    /// `ACTIVE` or `FINALIZED`.
    pub status_value: String,
    /// Reason beside it.
    pub status_reason: Option<String>,
    /// Whether it has its outcome: retention may take it.
    pub finished: bool,
    /// Creation and change.
    pub stamps: Stamps,
    /// Selectable labels.
    pub labels: BTreeMap<String, String>,
    /// The whole record as JSON.
    pub document: String,
}

static RELEASES: Table = Table {
    name: "releases",
    columns: &[
        Column::Id,
        Column::App,
        Column::State,
        Column::StatusValue,
        Column::StatusReason,
        Column::Finished,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Labels,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: true,
};

impl Sealed for ReleaseRow {}

impl Row for ReleaseRow {
    type Id = ReleaseId;
    const TABLE: &'static Table = &RELEASES;
    const SELECT: &'static [Column] = RELEASES.columns;

    fn key(id: &ReleaseId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.app.as_str()),
            Cell::from(self.state.as_str()),
            Cell::from(self.status_value.as_str()),
            Cell::maybe_text(self.status_reason.as_deref()),
            Cell::from(self.finished),
            created_at,
            updated_at,
            created_commit,
            labels_cell(&RELEASES, &self.labels)?,
            Cell::from(self.document.as_str()),
        ])
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.labels)
    }

    fn decode(mut cells: Cells) -> Result<Self, StoreError> {
        Ok(Self {
            id: ReleaseId(cells.text()?),
            app: AppId(cells.text()?),
            state: cells.text()?,
            status_value: cells.text()?,
            status_reason: cells.maybe_text()?,
            finished: cells.truth()?,
            stamps: read_stamps(&mut cells)?,
            labels: read_labels(&mut cells)?,
            document: cells.text()?,
        })
    }
}

/// A task as the lists see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskRow {
    /// Its id.
    pub id: TaskId,
    /// Whose.
    pub app: AppId,
    /// Number inside the app.
    pub sequence_id: u64,
    /// Name; filters ignore case.
    pub name: String,
    /// State word.
    pub state: String,
    /// Creation and change.
    pub stamps: Stamps,
    /// Selectable labels.
    pub labels: BTreeMap<String, String>,
    /// The whole record as JSON.
    pub document: String,
}

static TASKS: Table = Table {
    name: "tasks",
    columns: &[
        Column::Id,
        Column::App,
        Column::SequenceId,
        Column::Name,
        Column::DisplayName,
        Column::State,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Labels,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: true,
    labeled: true,
};

impl Sealed for TaskRow {}

impl Row for TaskRow {
    type Id = TaskId;
    const TABLE: &'static Table = &TASKS;
    const SELECT: &'static [Column] = &[
        Column::Id,
        Column::App,
        Column::SequenceId,
        Column::DisplayName,
        Column::State,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Labels,
        Column::Document,
    ];

    fn key(id: &TaskId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.app.as_str()),
            Cell::number(self.sequence_id),
            Cell::Text(fold(&self.name)),
            Cell::from(self.name.as_str()),
            Cell::from(self.state.as_str()),
            created_at,
            updated_at,
            created_commit,
            labels_cell(&TASKS, &self.labels)?,
            Cell::from(self.document.as_str()),
        ])
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.labels)
    }

    fn decode(mut cells: Cells) -> Result<Self, StoreError> {
        Ok(Self {
            id: TaskId(cells.text()?),
            app: AppId(cells.text()?),
            sequence_id: cells.number()?,
            name: cells.text()?,
            state: cells.text()?,
            stamps: read_stamps(&mut cells)?,
            labels: read_labels(&mut cells)?,
            document: cells.text()?,
        })
    }
}

/// A revision of the engine, kept beyond the app state that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineRevisionRow {
    /// Its id.
    pub id: RevisionId,
    /// Whose.
    pub app: AppId,
    /// When it was made.
    pub created_at: Timestamp,
    /// In which commit.
    pub created_commit: CommitNumber,
    /// The whole revision as JSON.
    pub document: String,
}

static ENGINE_REVISIONS: Table = Table {
    name: "engine_revisions",
    columns: &[
        Column::Id,
        Column::App,
        Column::CreatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: false,
};

impl Sealed for EngineRevisionRow {}

impl Row for EngineRevisionRow {
    type Id = RevisionId;
    const TABLE: &'static Table = &ENGINE_REVISIONS;
    const SELECT: &'static [Column] = ENGINE_REVISIONS.columns;

    fn key(id: &RevisionId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.app.as_str()),
            Cell::from(self.created_at),
            Cell::number(self.created_commit.0),
            Cell::from(self.document.as_str()),
        ])
    }

    fn decode(mut cells: Cells) -> Result<Self, StoreError> {
        Ok(Self {
            id: RevisionId(cells.text()?),
            app: AppId(cells.text()?),
            created_at: cells.time()?,
            created_commit: CommitNumber(cells.number()?),
            document: cells.text()?,
        })
    }
}

fn labels_cell(
    table: &'static Table,
    labels: &BTreeMap<String, String>,
) -> Result<Cell, StoreError> {
    serde_json::to_string(labels)
        .map(Cell::Text)
        .map_err(|e| StoreError::Unwritable {
            table: table.name,
            text: e.to_string(),
        })
}

fn read_labels(cells: &mut Cells) -> Result<BTreeMap<String, String>, StoreError> {
    let text = cells.text()?;
    serde_json::from_str(&text).map_err(|e| cells.damaged(&e.to_string()))
}

fn read_stamps(cells: &mut Cells) -> Result<Stamps, StoreError> {
    Ok(Stamps {
        created_at: cells.time()?,
        updated_at: cells.time()?,
        created_commit: CommitNumber(cells.number()?),
    })
}
