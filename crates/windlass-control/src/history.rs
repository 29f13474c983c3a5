//! What lists and dialects see of releases and tasks: the engine's own state of each, kept beyond
//! it, together with what only the dialects need.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_engine::app::AppState;
use windlass_engine::id::{AppId, ArtifactId, ComponentName, NumberedRevisionId, RevisionId};
use windlass_engine::plan::Plan;
use windlass_engine::records::{Metadata, Stamps};
use windlass_engine::release::{Outcome, Release, ReleaseState};
use windlass_engine::strategy::Gate;
use windlass_engine::task::{Task, TaskState};
use windlass_engine::time::Timestamp;
use windlass_store::{ReleaseRow, StoreError, TaskRow, Tx};

mod marks;

pub use marks::{ComponentMarks, Marks};

/// A release with everything that is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// Whose.
    pub app: AppId,
    /// The engine's own.
    pub release: Release,
    /// Artifact of the base.
    pub base_artifact: Option<ArtifactId>,
    /// Artifact of the target.
    pub target_artifact: Option<ArtifactId>,
    /// Artifacts of the target's components that have their own.
    #[serde(default)]
    pub target_artifacts: BTreeMap<ComponentName, ArtifactId>,
    /// Shares in force, by component and version, in 1/10,000.
    pub shares: BTreeMap<ComponentName, BTreeMap<RevisionId, u16>>,
    /// Routable and desired instances of the target and the base, by component.
    pub instances: BTreeMap<ComponentName, InstanceCounts>,
    /// What a restoring release waits for, in words.
    pub waits_for: Option<String>,
    /// When it entered its stages, and how far its components came.
    #[serde(default)]
    pub marks: Marks,
    /// What only its dialect needs.
    pub detail: ReleaseDetail,
}

/// Instances of a component during a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InstanceCounts {
    /// Of the target, all.
    pub target: u32,
    /// Of the target, routable.
    pub target_routable: u32,
    /// Of the base, all.
    pub base: u32,
    /// Of the base, routable.
    pub base_routable: u32,
}

/// What only the dialect of a release needs. Set at creation; metadata may change later.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ReleaseDetail {
    /// Labels and annotations.
    pub metadata: Metadata,
    /// Options as the client gave them.
    pub options: Value,
    /// Numbered revision that it belongs to.
    pub numbered_revision: Option<(NumberedRevisionId, u32)>,
    /// Whether it made processes of its own (not on a stopped app).
    pub has_new_processes: bool,
    /// Whether it goes back to an earlier revision.
    pub is_rollback: bool,
    /// Host names that the app shall have with it, besides its own and its routes.
    #[serde(default)]
    pub hosts: BTreeSet<String>,
}

/// A task with everything that is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Whose.
    pub app: AppId,
    /// The engine's own.
    pub task: Task,
    /// Labels and annotations.
    pub metadata: Metadata,
}

/// Words of a release for filters: stored state, `ACTIVE` or `FINALIZED`, reason.
pub fn release_words(release: &Release) -> (&'static str, &'static str, &'static str) {
    match &release.state {
        ReleaseState::Pending | ReleaseState::Building => ("DEPLOYING", "ACTIVE", "DEPLOYING"),
        ReleaseState::RollingOut { step } => {
            let pauses = release
                .steps
                .get(*step)
                .is_some_and(|step| step.gate == Gate::Manual);
            (
                if pauses { "PREPAUSED" } else { "DEPLOYING" },
                "ACTIVE",
                "DEPLOYING",
            )
        }
        ReleaseState::Paused { .. } => ("PAUSED", "ACTIVE", "PAUSED"),
        ReleaseState::Restoring { .. } => ("CANCELING", "ACTIVE", "CANCELING"),
        ReleaseState::Finalized { outcome } => match outcome {
            Outcome::Deployed => ("DEPLOYED", "FINALIZED", "DEPLOYED"),
            Outcome::Canceled(_) | Outcome::Failed(_) => ("CANCELED", "FINALIZED", "CANCELED"),
            Outcome::Superseded { while_paused: true } => ("CANCELED", "FINALIZED", "SUPERSEDED"),
            Outcome::Superseded {
                while_paused: false,
            } => ("DEPLOYED", "FINALIZED", "SUPERSEDED"),
        },
    }
}

/// The word of a task for filters.
pub fn task_word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Pending => "PENDING",
        TaskState::Running => "RUNNING",
        TaskState::Canceling => "CANCELING",
        TaskState::Succeeded => "SUCCEEDED",
        TaskState::Failed { .. } => "FAILED",
    }
}

impl ReleaseRecord {
    /// Reads a stored one.
    pub fn from_row(row: &ReleaseRow) -> Result<Self, StoreError> {
        serde_json::from_str(&row.document).map_err(|e| StoreError::Damaged {
            table: "releases",
            text: e.to_string(),
        })
    }

    /// The row of it.
    pub fn to_row(&self) -> Result<ReleaseRow, StoreError> {
        let (state, value, reason) = release_words(&self.release);
        Ok(ReleaseRow {
            id: self.release.id.clone(),
            app: self.app.clone(),
            state: state.to_owned(),
            status_value: value.to_owned(),
            status_reason: Some(reason.to_owned()),
            finished: self.release.is_finalized(),
            stamps: Stamps {
                created_at: self.release.created_at,
                updated_at: self.release.updated_at,
                created_commit: self.release.created_commit,
            },
            labels: self.detail.metadata.labels.clone(),
            document: to_json("releases", self)?,
        })
    }
}

impl TaskRecord {
    /// Reads a stored one.
    pub fn from_row(row: &TaskRow) -> Result<Self, StoreError> {
        serde_json::from_str(&row.document).map_err(|e| StoreError::Damaged {
            table: "tasks",
            text: e.to_string(),
        })
    }

    /// The row of it.
    pub fn to_row(&self) -> Result<TaskRow, StoreError> {
        Ok(TaskRow {
            id: self.task.id.clone(),
            app: self.app.clone(),
            sequence_id: self.task.sequence,
            name: self.task.name.clone(),
            state: task_word(&self.task.state).to_owned(),
            stamps: Stamps {
                created_at: self.task.created_at,
                updated_at: self.task.updated_at,
                created_commit: self.task.created_commit,
            },
            labels: self.metadata.labels.clone(),
            document: to_json("tasks", self)?,
        })
    }
}

/// Writes the rows of all releases and tasks of a state; what did not change is not written.
pub(crate) fn put_history(
    tx: &mut Tx<'_>,
    before: &AppState,
    after: &AppState,
    plan: &Plan,
    wall: Timestamp,
) -> Result<(), StoreError> {
    for release in &after.releases {
        let known: Option<ReleaseRow> = tx.get(&release.id)?;
        let (detail, mut marks, artifacts) = match &known {
            Some(row) => {
                let record = ReleaseRecord::from_row(row)?;
                (
                    record.detail,
                    record.marks,
                    Some((
                        record.base_artifact,
                        record.target_artifact,
                        record.target_artifacts,
                    )),
                )
            }
            None => (ReleaseDetail::default(), Marks::default(), None),
        };
        marks.note(after, release, wall);
        let (base_artifact, target_artifact, target_artifacts) =
            artifacts.unwrap_or_else(|| artifacts_of(after, release));
        let record = ReleaseRecord {
            app: after.app.clone(),
            shares: shares_of(plan),
            instances: counts_of(after, release),
            waits_for: waits_for(after, release),
            release: release.clone(),
            base_artifact,
            target_artifact,
            target_artifacts,
            marks,
            detail,
        };
        let row = record.to_row()?;
        if known
            .as_ref()
            .is_none_or(|known| known.document != row.document)
        {
            tx.put(&row)?;
        }
    }
    for task in &after.tasks {
        if before.task(&task.id) == Some(task) {
            continue;
        }
        let metadata = match tx.get::<TaskRow>(&task.id)? {
            Some(row) => TaskRecord::from_row(&row)?.metadata,
            None => Metadata::default(),
        };
        let record = TaskRecord {
            app: after.app.clone(),
            task: task.clone(),
            metadata,
        };
        tx.put(&record.to_row()?)?;
    }
    Ok(())
}

/// Artifacts of base, target, and the target's components.
fn artifacts_of(
    state: &AppState,
    release: &Release,
) -> (
    Option<ArtifactId>,
    Option<ArtifactId>,
    BTreeMap<ComponentName, ArtifactId>,
) {
    let configuration = |id: &RevisionId| state.revisions.get(id).map(|r| &r.configuration);
    let base = release.base.as_ref().and_then(configuration);
    let target = configuration(&release.target);
    let own = target
        .into_iter()
        .flat_map(|target| &target.components)
        .filter_map(|(name, config)| Some((name.clone(), config.artifact.clone()?)))
        .collect();
    (
        base.and_then(|base| base.artifact.clone()),
        target.and_then(|target| target.artifact.clone()),
        own,
    )
}

fn shares_of(plan: &Plan) -> BTreeMap<ComponentName, BTreeMap<RevisionId, u16>> {
    plan.routes
        .iter()
        .map(|(component, versions)| {
            let shares = versions
                .iter()
                .map(|version| (version.revision.clone(), version.share))
                .collect();
            (component.clone(), shares)
        })
        .collect()
}

fn counts_of(state: &AppState, release: &Release) -> BTreeMap<ComponentName, InstanceCounts> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    state
        .components()
        .into_iter()
        .map(|component| {
            let mut counts = InstanceCounts {
                target: count(state.serving(&release.target, &component).count()),
                target_routable: state.routable(&release.target, &component),
                ..InstanceCounts::default()
            };
            if let Some(base) = &release.base {
                counts.base = count(state.serving(base, &component).count());
                counts.base_routable = state.routable(base, &component);
            }
            (component, counts)
        })
        .collect()
}

/// What a release that is being put back still waits for.
fn waits_for(state: &AppState, release: &Release) -> Option<String> {
    if !release.is_restoring() {
        return None;
    }
    if let Some(base) = release.base.as_ref().filter(|_| !release.relieved) {
        for component in state.components() {
            let (up, needed) = (
                state.routable(base, &component),
                state.needed(release, &component),
            );
            if up < needed {
                return Some(format!(
                    "{up} of {needed} instances of the base of {component}"
                ));
            }
        }
    }
    let left = state
        .instances
        .values()
        .filter(|i| i.revision == release.target)
        .count();
    if left > 0 {
        return Some(format!("{left} instances of the target to end"));
    }
    let unsafe_yet = release
        .restore
        .as_ref()
        .is_some_and(|restore| !restore.safe);
    unsafe_yet.then(|| "the router".to_owned())
}

fn to_json(table: &'static str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Unwritable {
        table,
        text: e.to_string(),
    })
}
