//! The audit trail and durable operations.

use windlass_engine::id::{AuditEventId, OperationId, OrganizationId, SpaceId};
use windlass_engine::records::{AuditEvent, Operation};

use super::words;
use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::table::{Row, Sealed, Table, from_document, stamps, to_document};

static AUDIT_EVENTS: Table = Table {
    name: "audit_events",
    columns: &[
        Column::Id,
        Column::Kind,
        Column::Actor,
        Column::Target,
        Column::TargetKind,
        Column::Space,
        Column::Organization,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for AuditEvent {}

impl Row for AuditEvent {
    type Id = AuditEventId;
    const TABLE: &'static Table = &AUDIT_EVENTS;

    fn key(id: &AuditEventId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.kind.as_str()),
            Cell::from(self.actor.id.as_str()),
            Cell::from(self.target.id.as_str()),
            Cell::from(self.target.kind.as_str()),
            Cell::maybe_text(self.space.as_ref().map(SpaceId::as_str)),
            Cell::maybe_text(self.organization.as_ref().map(OrganizationId::as_str)),
            created_at,
            updated_at,
            created_commit,
            to_document(self)?,
        ])
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}

static OPERATIONS: Table = Table {
    name: "operations",
    columns: &[
        Column::Id,
        Column::Kind,
        Column::Subject,
        Column::State,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for Operation {}

impl Row for Operation {
    type Id = OperationId;
    const TABLE: &'static Table = &OPERATIONS;

    fn key(id: &OperationId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.kind.as_str()),
            Cell::from(self.subject.as_str()),
            Cell::from(words::operation_state(&self.state)),
            created_at,
            updated_at,
            created_commit,
            to_document(self)?,
        ])
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}
