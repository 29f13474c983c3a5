//! Tasks: one run of a command beside the app.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::configuration::Sidecar;
use crate::id::{ArtifactId, BindingId, CommitNumber, SecretRef, TaskId};
use crate::time::Timestamp;

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its number inside the app, from 1, never reused.
    pub sequence: u64,
    /// Its name.
    pub name: String,
    /// What it runs.
    pub command: String,
    /// User inside the sandbox.
    pub user: Option<String>,
    /// Memory, MiB.
    pub memory_mb: u64,
    /// Disk, MiB.
    pub disk_mb: u64,
    /// Log bytes per second; `None` = unlimited.
    pub log_bytes_per_second: Option<u64>,
    /// Artifact that it runs in.
    pub artifact: ArtifactId,
    /// The app's environment when it was created.
    pub env: BTreeMap<String, SecretRef>,
    /// The app's bindings when it was created.
    pub bindings: BTreeMap<BindingId, SecretRef>,
    /// Sidecars never run beside tasks; kept for the dialects that show them.
    pub sidecars: BTreeMap<String, Sidecar>,
    /// Where it stands.
    pub state: TaskState,
    /// Who canceled it (user name), with which client, why.
    pub cancel: Option<TaskCancel>,
    /// Creation, wall.
    pub created_at: Timestamp,
    /// Last change, wall.
    pub updated_at: Timestamp,
    /// Commit that created it.
    pub created_commit: CommitNumber,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Wanted, not seen running yet.
    Pending,
    /// Runs.
    Running,
    /// Is being ended. From here it always fails.
    Canceling,
    /// Ended well.
    Succeeded,
    /// Did not.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// How a task was canceled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TaskCancel {
    /// Who.
    pub by: String,
    /// With which client.
    pub client: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When, wall.
    pub at: Timestamp,
}

/// Failure reason of a canceled task.
pub const TASK_CANCELED: &str = "task was cancelled";
/// Failure reason of a task that could not be started.
pub const TASK_REFUSED: &str = "Unable to request task to be run";
/// Failure reason of a task whose run was lost.
pub const TASK_UNKNOWN: &str = "Unable to determine completion status";

impl Task {
    /// Whether it is over.
    pub fn is_finished(&self) -> bool {
        matches!(self.state, TaskState::Succeeded | TaskState::Failed { .. })
    }

    /// Whether it counts for the quota of tasks.
    pub fn counts_for_quota(&self) -> bool {
        matches!(self.state, TaskState::Pending | TaskState::Running)
    }
}

impl TaskState {
    /// The word of the record.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed { .. } => "failed",
        }
    }
}
