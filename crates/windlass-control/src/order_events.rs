//! Rows of the audit trail of orders to deployments and tasks, whoever gives them: a client of the
//! API or the command line. They are written in the commit of the order.

use serde_json::{Value, json};
use windlass_engine::configuration::Key;
use windlass_engine::id::AuditEventId;
use windlass_engine::records::{Actor, AppRecord, AuditEvent, Dialect, Stamps, Target};
use windlass_engine::task::Task;

use crate::commands::cancel_deployment::Told;
use crate::history::ReleaseRecord;

/// Stands for the command of a task.
const HIDDEN: &str = "[PRIVATE DATA HIDDEN]";

/// Rows of a cancel: the cancel itself, and the droplet that came back with it.
pub fn deployment_canceled(app: &AppRecord, actor: &Actor, told: &Told<'_>) -> Vec<AuditEvent> {
    let restore = told.record.release.restore.as_ref();
    let mut data = deployment(told.record);
    if let Some(reason) = restore.and_then(|restore| restore.reason.as_ref()) {
        data["reason"] = json!(reason);
    }
    let mut events = row(app, actor, "audit.app.deployment.cancel", data);
    let is_mapped =
        told.is_first && restore.is_some_and(|restore| restore.restored.contains(&Key::Artifact));
    if let (true, Some(droplet)) = (is_mapped, &told.record.base_artifact) {
        let data = json!({"request": {"droplet_guid": droplet}});
        events.extend(row(app, actor, "audit.app.droplet.mapped", data));
    }
    events
}

/// The row of a continue.
pub fn deployment_continued(
    app: &AppRecord,
    actor: &Actor,
    record: &ReleaseRecord,
) -> Vec<AuditEvent> {
    let kind = "audit.app.deployment.continue";
    row(app, actor, kind, deployment(record))
}

/// The row of a cancel of a task.
pub fn task_canceled(
    app: &AppRecord,
    actor: &Actor,
    task: &Task,
    reason: Option<&str>,
) -> Vec<AuditEvent> {
    let mut data = json!({
        "task_guid": task.id,
        "request": {
            "name": task.name,
            "memory_in_mb": task.memory_mb,
            "command": HIDDEN,
        },
    });
    if let Some(reason) = reason {
        data["reason"] = json!(reason);
    }
    row(app, actor, "audit.app.task.cancel", data)
}

fn deployment(record: &ReleaseRecord) -> Value {
    json!({"deployment_guid": record.release.id, "droplet_guid": record.target_artifact})
}

/// One row about an app; none where the dialect of the app has no such trail.
pub(crate) fn row(app: &AppRecord, actor: &Actor, kind: &str, data: Value) -> Vec<AuditEvent> {
    if app.dialect != Dialect::CloudFoundry {
        return Vec::new();
    }
    vec![AuditEvent {
        id: AuditEventId::new(uuid::Uuid::new_v4().to_string()),
        kind: kind.to_owned(),
        actor: actor.clone(),
        target: Target {
            id: app.id.to_string(),
            kind: "app".to_owned(),
            name: app.name.clone(),
        },
        data,
        space: Some(app.space.clone()),
        organization: Some(app.organization.clone()),
        stamps: Stamps::default(),
    }]
}
