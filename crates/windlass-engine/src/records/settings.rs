//! Switches, idempotency, secret values.

use serde::{Deserialize, Serialize};

use crate::id::SecretRef;
use crate::time::Timestamp;

/// A switch of the whole installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureFlag {
    /// Its name.
    pub name: String,
    /// Whether it is on.
    pub enabled: bool,
    /// Text shown to who is refused.
    pub custom_error_message: Option<String>,
    /// When it was changed.
    pub updated_at: Option<Timestamp>,
}

/// The answer to a request, kept so that its repeat gets the same one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRow {
    /// Digest of (token, method, path, body), or of the client's own request id.
    pub key: String,
    /// Status of the answer.
    pub status: u16,
    /// Body of the answer.
    pub body: Vec<u8>,
    /// Whether the answer reached its client.
    pub delivered: bool,
    /// When the row ends.
    pub expires_at: Timestamp,
}

/// An encrypted value: key id, nonce and ciphertext as one text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretValue {
    /// Keyed digest of the plain value.
    pub reference: SecretRef,
    /// `<key id>:<base64 of nonce and ciphertext>`.
    pub ciphertext: String,
    /// When it was first stored.
    pub created_at: Timestamp,
}
