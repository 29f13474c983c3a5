//! Feature flags, kept answers, secrets.

use windlass_engine::id::SecretRef;
use windlass_engine::records::{FeatureFlag, IdempotencyRow, SecretValue};

use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::table::{Row, Sealed, Table, from_document, to_document};

static FEATURE_FLAGS: Table = Table {
    name: "feature_flags",
    columns: &[Column::Id, Column::Document],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for FeatureFlag {}

impl Row for FeatureFlag {
    type Id = str;
    const TABLE: &'static Table = &FEATURE_FLAGS;

    fn key(id: &str) -> &str {
        id
    }

    fn own_key(&self) -> &str {
        &self.name
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        Ok(vec![Cell::from(self.name.as_str()), to_document(self)?])
    }

    fn decode(cells: Cells) -> Result<Self, StoreError> {
        from_document(cells)
    }
}

static IDEMPOTENCY: Table = Table {
    name: "idempotency",
    columns: &[
        Column::Id,
        Column::Status,
        Column::Body,
        Column::Delivered,
        Column::ExpiresAt,
    ],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for IdempotencyRow {}

/// Stored in columns only: the body is bytes, which JSON would blow up.
impl Row for IdempotencyRow {
    type Id = str;
    const TABLE: &'static Table = &IDEMPOTENCY;
    const SELECT: &'static [Column] = IDEMPOTENCY.columns;

    fn key(id: &str) -> &str {
        id
    }

    fn own_key(&self) -> &str {
        &self.key
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        Ok(vec![
            Cell::from(self.key.as_str()),
            Cell::Int(i64::from(self.status)),
            Cell::Bytes(self.body.clone()),
            Cell::from(self.delivered),
            Cell::from(self.expires_at),
        ])
    }

    fn decode(mut cells: Cells) -> Result<Self, StoreError> {
        let key = cells.text()?;
        let status = cells.int()?;
        Ok(Self {
            key,
            status: u16::try_from(status).map_err(|_| cells.damaged("status out of range"))?,
            body: cells.bytes()?,
            delivered: cells.truth()?,
            expires_at: cells.time()?,
        })
    }
}

static SECRETS: Table = Table {
    name: "secrets",
    columns: &[Column::Id, Column::Ciphertext, Column::CreatedAt],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for SecretValue {}

impl Row for SecretValue {
    type Id = SecretRef;
    const TABLE: &'static Table = &SECRETS;
    const SELECT: &'static [Column] = SECRETS.columns;

    fn key(id: &SecretRef) -> &str {
        &id.0
    }

    fn own_key(&self) -> &str {
        &self.reference.0
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        Ok(vec![
            Cell::from(self.reference.0.as_str()),
            Cell::from(self.ciphertext.as_str()),
            Cell::from(self.created_at),
        ])
    }

    fn decode(mut cells: Cells) -> Result<Self, StoreError> {
        Ok(Self {
            reference: SecretRef(cells.text()?),
            ciphertext: cells.text()?,
            created_at: cells.time()?,
        })
    }
}
