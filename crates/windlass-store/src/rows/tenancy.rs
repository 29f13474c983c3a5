//! Organizations, spaces, apps.

use std::collections::BTreeMap;

use windlass_engine::id::{AppId, OrganizationId, SpaceId};
use windlass_engine::records::{AppRecord, Organization, Space};

use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::table::{Row, Sealed, Table, fold, from_document, stamps, to_document};

static ORGANIZATIONS: Table = Table {
    name: "organizations",
    columns: &[
        Column::Id,
        Column::Name,
        Column::Suspended,
        Column::Deleting,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: true,
    labeled: true,
};

impl Sealed for Organization {}

impl Row for Organization {
    type Id = OrganizationId;
    const TABLE: &'static Table = &ORGANIZATIONS;

    fn key(id: &OrganizationId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::Text(fold(&self.name)),
            Cell::from(self.suspended),
            Cell::from(self.deleting),
            created_at,
            updated_at,
            created_commit,
            to_document(self)?,
        ])
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.metadata.labels)
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}

static SPACES: Table = Table {
    name: "spaces",
    columns: &[
        Column::Id,
        Column::Organization,
        Column::Name,
        Column::Deleting,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: true,
    labeled: true,
};

impl Sealed for Space {}

impl Row for Space {
    type Id = SpaceId;
    const TABLE: &'static Table = &SPACES;

    fn key(id: &SpaceId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.organization.as_str()),
            Cell::Text(fold(&self.name)),
            Cell::from(self.deleting),
            created_at,
            updated_at,
            created_commit,
            to_document(self)?,
        ])
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.metadata.labels)
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}

static APPS: Table = Table {
    name: "apps",
    columns: &[
        Column::Id,
        Column::Organization,
        Column::Space,
        Column::Name,
        Column::Dialect,
        Column::Deleted,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: true,
    labeled: true,
};

impl Sealed for AppRecord {}

impl Row for AppRecord {
    type Id = AppId;
    const TABLE: &'static Table = &APPS;

    fn key(id: &AppId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.organization.as_str()),
            Cell::from(self.space.as_str()),
            Cell::Text(fold(&self.name)),
            Cell::from(self.dialect.as_str()),
            Cell::from(self.deleted),
            created_at,
            updated_at,
            created_commit,
            to_document(self)?,
        ])
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.metadata.labels)
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}
