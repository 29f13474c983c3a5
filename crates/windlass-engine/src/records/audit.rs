//! The audit trail and durable operations.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tenancy::Stamps;
use crate::id::{AuditEventId, OperationId, OrganizationId, SpaceId};

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Id of the user, or the name of the process that acted.
    pub id: String,
    /// `user`, `uaa_client`, `process`, `system`.
    pub kind: String,
    /// Name for people.
    pub name: String,
}

/// What it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Id.
    pub id: String,
    /// Kind (`app`, `space`, …).
    pub kind: String,
    /// Name for people.
    pub name: String,
}

/// One row of the audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// Its id.
    pub id: AuditEventId,
    /// Type word, for example `audit.app.deployment.cancel`.
    pub kind: String,
    /// Who.
    pub actor: Actor,
    /// To what.
    pub target: Target,
    /// Details, never secrets.
    pub data: Value,
    /// Where, when it concerns one.
    pub space: Option<SpaceId>,
    /// Where, when it concerns one.
    pub organization: Option<OrganizationId>,
    /// When.
    pub stamps: Stamps,
}

/// State of a durable operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Going on.
    Processing,
    /// Done.
    Complete,
    /// Ended with errors: code, title, detail each.
    Failed {
        /// The errors in the dialect's own form.
        errors: Vec<Value>,
    },
}

/// Something long that a dialect shows as a job (deletion, applying a manifest).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// What it does, for example `app.delete`.
    pub kind: String,
    /// Id of what it is done to.
    pub subject: String,
    /// Where it stands.
    pub state: OperationState,
    /// Creation and change.
    pub stamps: Stamps,
}
