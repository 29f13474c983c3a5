//! Packages, artifacts, builds, numbered revisions, services.

use std::collections::BTreeMap;

use windlass_engine::id::{
    ArtifactId, BindingId, BuildId, NumberedRevisionId, PackageId, ReleaseId, ServiceInstanceId,
};
use windlass_engine::records::{
    Artifact, BuildRecord, NumberedRevision, Package, ServiceBinding, ServiceInstance,
};

use super::{VIA_APP, VIA_SPACE, words};
use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::table::{Row, Sealed, Table, from_document, stamps, to_document};

static PACKAGES: Table = Table {
    name: "packages",
    columns: &[
        Column::Id,
        Column::App,
        Column::State,
        Column::Blob,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: true,
};

impl Sealed for Package {}

impl Row for Package {
    type Id = PackageId;
    const TABLE: &'static Table = &PACKAGES;

    fn key(id: &PackageId) -> &str {
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
            Cell::from(words::package_state(&self.state)),
            Cell::maybe_text(self.blob.as_deref()),
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

static ARTIFACTS: Table = Table {
    name: "artifacts",
    columns: &[
        Column::Id,
        Column::App,
        Column::Package,
        Column::Build,
        Column::State,
        Column::Blob,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: true,
};

impl Sealed for Artifact {}

impl Row for Artifact {
    type Id = ArtifactId;
    const TABLE: &'static Table = &ARTIFACTS;

    fn key(id: &ArtifactId) -> &str {
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
            Cell::maybe_text(self.package.as_ref().map(PackageId::as_str)),
            Cell::maybe_text(self.build.as_ref().map(BuildId::as_str)),
            Cell::from(words::artifact_state(&self.state)),
            Cell::maybe_text(self.blob.as_deref()),
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

static BUILDS: Table = Table {
    name: "builds",
    columns: &[
        Column::Id,
        Column::App,
        Column::Package,
        Column::State,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: true,
};

impl Sealed for BuildRecord {}

impl Row for BuildRecord {
    type Id = BuildId;
    const TABLE: &'static Table = &BUILDS;

    fn key(id: &BuildId) -> &str {
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
            Cell::maybe_text(self.package.as_ref().map(PackageId::as_str)),
            Cell::from(words::build_state(&self.state)),
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

static NUMBERED_REVISIONS: Table = Table {
    name: "numbered_revisions",
    columns: &[
        Column::Id,
        Column::App,
        Column::Number,
        Column::Artifact,
        Column::Release,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: true,
};

impl Sealed for NumberedRevision {}

impl Row for NumberedRevision {
    type Id = NumberedRevisionId;
    const TABLE: &'static Table = &NUMBERED_REVISIONS;

    fn key(id: &NumberedRevisionId) -> &str {
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
            Cell::Int(i64::from(self.number)),
            Cell::maybe_text(self.artifact.as_ref().map(ArtifactId::as_str)),
            Cell::maybe_text(self.release.as_ref().map(ReleaseId::as_str)),
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

static SERVICE_INSTANCES: Table = Table {
    name: "service_instances",
    columns: &[
        Column::Id,
        Column::Space,
        Column::Name,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_SPACE,
    folds_names: false,
    labeled: true,
};

impl Sealed for ServiceInstance {}

impl Row for ServiceInstance {
    type Id = ServiceInstanceId;
    const TABLE: &'static Table = &SERVICE_INSTANCES;

    fn key(id: &ServiceInstanceId) -> &str {
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
            Cell::from(self.name.as_str()),
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

static SERVICE_BINDINGS: Table = Table {
    name: "service_bindings",
    columns: &[
        Column::Id,
        Column::App,
        Column::ServiceInstance,
        Column::Name,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: VIA_APP,
    folds_names: false,
    labeled: true,
};

impl Sealed for ServiceBinding {}

impl Row for ServiceBinding {
    type Id = BindingId;
    const TABLE: &'static Table = &SERVICE_BINDINGS;

    fn key(id: &BindingId) -> &str {
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
            Cell::from(self.service_instance.as_str()),
            Cell::maybe_text(self.name.as_deref()),
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
