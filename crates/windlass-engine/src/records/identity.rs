//! Users, roles, tokens, signing keys.

use serde::{Deserialize, Serialize};

use super::tenancy::{Metadata, Stamps};
use crate::id::{KeyId, OrganizationId, RoleId, SpaceId, TokenId, UserId};
use crate::time::Timestamp;

/// Origin of users that log in with a password of ours.
pub const PASSWORD_ORIGIN: &str = "uaa";

/// What a user may do everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminScope {
    /// Nothing beyond roles.
    None,
    /// Everything.
    Admin,
    /// Sees everything, changes nothing.
    AdminReadOnly,
    /// Sees everything but secrets, changes nothing.
    GlobalAuditor,
}

/// A person or a machine that calls an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Unique login name (per origin).
    pub name: String,
    /// Where it is authenticated.
    pub origin: String,
    /// Argon2 hash (PHC text); `None` = cannot log in with a password.
    pub password_hash: Option<String>,
    /// Whether it is an OAuth client (client credentials) instead of a person.
    pub is_client: bool,
    /// Rights beyond roles.
    pub admin: AdminScope,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// What a role allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleKind {
    /// Member of an organization.
    OrganizationUser,
    /// Reads an organization.
    OrganizationAuditor,
    /// Manages an organization.
    OrganizationManager,
    /// Manages its billing.
    OrganizationBillingManager,
    /// Reads a space.
    SpaceAuditor,
    /// Develops in a space.
    SpaceDeveloper,
    /// Manages a space.
    SpaceManager,
    /// Operates apps of a space without changing them.
    SpaceSupporter,
}

/// A role of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// What it allows.
    pub kind: RoleKind,
    /// Whose it is.
    pub user: UserId,
    /// The organization (always: for space roles the space's).
    pub organization: OrganizationId,
    /// The space, for space roles.
    pub space: Option<SpaceId>,
    /// Creation and change.
    pub stamps: Stamps,
}

/// What a stored token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Bearer token made by `windlass token create`.
    Api,
    /// Refresh token of the OAuth2 token endpoint.
    Refresh,
}

/// A random token; only its hash is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it is for.
    pub kind: TokenKind,
    /// Whose it is.
    pub user: UserId,
    /// Name that the user gave.
    pub name: String,
    /// SHA-256 of the token, hex.
    pub sha256: String,
    /// When it ends; `None` = never.
    pub expires_at: Option<Timestamp>,
    /// Creation and change.
    pub stamps: Stamps,
}

/// A key that signs access tokens. It is honoured until its tokens end, also after rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKey {
    /// Its id (`kid`).
    pub id: KeyId,
    /// Private key (PEM), encrypted with the key file.
    pub private_encrypted: String,
    /// Public key (PEM).
    pub public_pem: String,
    /// When it ceased to sign; `None` = signs.
    pub retired_at: Option<Timestamp>,
    /// Creation and change.
    pub stamps: Stamps,
}
