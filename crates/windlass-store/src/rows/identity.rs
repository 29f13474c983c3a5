//! Users, roles, tokens, signing keys.

use std::collections::BTreeMap;

use windlass_engine::id::{KeyId, RoleId, SpaceId, TokenId, UserId};
use windlass_engine::records::{Role, SigningKey, Token, User};

use super::words;
use crate::cell::{Cell, Cells};
use crate::column::Column;
use crate::error::StoreError;
use crate::table::{Row, Sealed, Table, fold, from_document, stamps, to_document};

static USERS: Table = Table {
    name: "users",
    columns: &[
        Column::Id,
        Column::Name,
        Column::Origin,
        Column::IsClient,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: true,
    labeled: true,
};

impl Sealed for User {}

impl Row for User {
    type Id = UserId;
    const TABLE: &'static Table = &USERS;

    fn key(id: &UserId) -> &str {
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
            Cell::from(self.origin.as_str()),
            Cell::from(self.is_client),
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

static ROLES: Table = Table {
    name: "roles",
    columns: &[
        Column::Id,
        Column::Kind,
        Column::User,
        Column::Organization,
        Column::Space,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for Role {}

impl Row for Role {
    type Id = RoleId;
    const TABLE: &'static Table = &ROLES;

    fn key(id: &RoleId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(words::role_kind(self.kind)),
            Cell::from(self.user.as_str()),
            Cell::from(self.organization.as_str()),
            Cell::maybe_text(self.space.as_ref().map(SpaceId::as_str)),
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

static TOKENS: Table = Table {
    name: "tokens",
    columns: &[
        Column::Id,
        Column::Kind,
        Column::User,
        Column::Name,
        Column::Sha256,
        Column::ExpiresAt,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for Token {}

impl Row for Token {
    type Id = TokenId;
    const TABLE: &'static Table = &TOKENS;

    fn key(id: &TokenId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::from(words::token_kind(self.kind)),
            Cell::from(self.user.as_str()),
            Cell::from(self.name.as_str()),
            Cell::from(self.sha256.as_str()),
            Cell::maybe_time(self.expires_at),
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

static SIGNING_KEYS: Table = Table {
    name: "signing_keys",
    columns: &[
        Column::Id,
        Column::RetiredAt,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::CreatedCommit,
        Column::Document,
    ],
    via: &[],
    folds_names: false,
    labeled: false,
};

impl Sealed for SigningKey {}

impl Row for SigningKey {
    type Id = KeyId;
    const TABLE: &'static Table = &SIGNING_KEYS;

    fn key(id: &KeyId) -> &str {
        id.as_str()
    }

    fn own_key(&self) -> &str {
        self.id.as_str()
    }

    fn cells(&self) -> Result<Vec<Cell>, StoreError> {
        let [created_at, updated_at, created_commit] = stamps(&self.stamps);
        Ok(vec![
            Cell::from(self.id.as_str()),
            Cell::maybe_time(self.retired_at),
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
