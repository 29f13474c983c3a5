//! Domains and routes.

use std::collections::BTreeMap;

use windlass_engine::id::{AppHostId, DomainId, OrganizationId, RouteId};
use windlass_engine::records::{AppHost, Destination, Domain, Route};

use super::VIA_APP;
use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::table::{Row, Sealed, Side, Table, Via, fold, from_document, stamps, to_document};

static DOMAINS: Table = Table {
    name: "domains",
    columns: &[
        Column::Id,
        Column::Name,
        Column::Internal,
        Column::Organization,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[(Column::SharedWith, Via::Shares)],
    folds_names: true,
    labeled: true,
};

impl Sealed for Domain {}

impl Row for Domain {
    type Id = DomainId;
    const TABLE: &'static Table = &DOMAINS;

    fn key(id: &DomainId) -> &str {
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
            Cell::from(self.internal),
            Cell::maybe_text(self.organization.as_ref().map(OrganizationId::as_str)),
            created_at,
            updated_at,
            created_commit,
            to_document(self)?,
        ])
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.metadata.labels)
    }

    fn side(&self) -> Option<Side> {
        Some(Side::Shares(
            self.shared_with.iter().map(ToString::to_string).collect(),
        ))
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}

static ROUTES: Table = Table {
    name: "routes",
    columns: &[
        Column::Id,
        Column::Space,
        Column::Domain,
        Column::Host,
        Column::Path,
        Column::FullHost,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[
        (Column::Organization, Via::Space),
        (Column::App, Via::Destinations),
    ],
    folds_names: false,
    labeled: true,
};

impl Sealed for Route {}

impl Row for Route {
    type Id = RouteId;
    const TABLE: &'static Table = &ROUTES;

    fn key(id: &RouteId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(self.space.as_str()),
            Cell::from(self.domain.as_str()),
            Cell::from(self.host.as_str()),
            Cell::from(self.path.as_str()),
            Cell::from(self.full_host.as_str()),
            created_at,
            updated_at,
            created_commit,
            to_document(self)?,
        ])
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(&self.metadata.labels)
    }

    fn side(&self) -> Option<Side> {
        let pair = |d: &Destination| (d.id.to_string(), d.app.to_string());
        Some(Side::Destinations(
            self.destinations.iter().map(pair).collect(),
        ))
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}

static APP_HOSTS: Table = Table {
    name: "app_hosts",
    columns: &[
        Column::Id,
        Column::App,
        Column::Domain,
        Column::FullHost,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: false,
};

impl Sealed for AppHost {}

impl Row for AppHost {
    type Id = AppHostId;
    const TABLE: &'static Table = &APP_HOSTS;

    fn key(id: &AppHostId) -> &str {
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
            Cell::maybe_text(self.domain.as_ref().map(DomainId::as_str)),
            Cell::from(self.full_host.as_str()),
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
