//! Organizations, spaces, apps as rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{AppId, CommitNumber, OrganizationId, SpaceId};
use crate::time::Timestamp;

/// Creation and change of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Stamps {
    /// Wall time of creation.
    pub created_at: Timestamp,
    /// Wall time of the last change.
    pub updated_at: Timestamp,
    /// Commit that created the row: orders rows of equal time.
    pub created_commit: CommitNumber,
}

/// Labels and annotations that users hang on a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Metadata {
    /// Selectable key/value pairs.
    pub labels: BTreeMap<String, String>,
    /// Free key/value pairs.
    pub annotations: BTreeMap<String, String>,
}

/// Name of the wire API that owns an organization's apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// Cloud Foundry v3.
    CloudFoundry,
    /// `DigitalOcean` App Platform v2.
    DigitalOcean,
    /// Vercel.
    Vercel,
}

impl Dialect {
    /// The word of the record and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CloudFoundry => "cloud-foundry",
            Self::DigitalOcean => "digitalocean",
            Self::Vercel => "vercel",
        }
    }
}

/// Upper limits of an organization. `None` = unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Quota {
    /// Memory of all instances and tasks, MiB.
    pub memory_mb: Option<u64>,
    /// Instances of all apps.
    pub instances: Option<u32>,
    /// Pending and running tasks.
    pub tasks: Option<u32>,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// Unique name.
    pub name: String,
    /// Whether writes by its members are refused.
    pub suspended: bool,
    /// Whether its deletion is under way; its name is free from that commit on.
    pub deleting: bool,
    /// Its limits.
    pub quota: Quota,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Creation and change.
    pub stamps: Stamps,
}

/// A space of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Space {
    /// Its id.
    pub id: SpaceId,
    /// Where it lies.
    pub organization: OrganizationId,
    /// Name, unique in the organization.
    pub name: String,
    /// Whether its deletion is under way.
    pub deleting: bool,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Dialect features by name (Cloud Foundry: `ssh`).
    pub features: BTreeMap<String, bool>,
    /// Creation and change.
    pub stamps: Stamps,
}

/// An app as its dialect and the tenancy see it. What runs is the engine's `AppState`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRecord {
    /// Its id.
    pub id: AppId,
    /// Where it lies.
    pub organization: OrganizationId,
    /// Where it lies.
    pub space: SpaceId,
    /// Name, unique in the space.
    pub name: String,
    /// Owner of the app's wire form.
    pub dialect: Dialect,
    /// Whether it is deleted: its name is free, the row outlives it for its records.
    pub deleted: bool,
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Verbatim document of the dialect; neither engine nor control reads it.
    pub document: Value,
    /// Last task number given out (never reused).
    pub last_task_sequence: u64,
    /// Last number of a numbered revision (never reused before 9999).
    pub last_revision_number: u32,
    /// Creation and change.
    pub stamps: Stamps,
}
