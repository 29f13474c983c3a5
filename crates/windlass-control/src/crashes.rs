//! The crash of an instance as the audit trail tells it.

use serde_json::json;
use windlass_engine::app::AppState;
use windlass_engine::event::Event;
use windlass_engine::id::AuditEventId;
use windlass_engine::input::{Input, Observation};
use windlass_engine::records::{Actor, AppRecord, AuditEvent, Stamps, Target};
use windlass_engine::time::Now;

use crate::{guid, launch};

/// Word of the engine's event.
const CRASHED: &str = "crashed";

/// The row for an exit that the engine took for a crash; `None` for every other input. It is part
/// of the commit that takes the exit in, so that a crash is told once, whatever is repeated.
pub(crate) fn row(
    record: &AppRecord,
    before: &AppState,
    input: &Input,
    events: &[Event],
    now: Now,
) -> Option<AuditEvent> {
    let Input::Observe(Observation::InstanceExited {
        instance,
        run,
        exit,
    }) = input
    else {
        return None;
    };
    if !events.iter().any(|event| event.kind == CRASHED) {
        return None;
    }
    let id = *instance;
    let instance = before.instances.get(&id)?;
    Some(AuditEvent {
        id: AuditEventId::new(uuid::Uuid::new_v4().to_string()),
        kind: "audit.app.process.crash".to_owned(),
        actor: Actor {
            id: guid::process(&record.id, &instance.component),
            kind: "process".to_owned(),
            name: instance.component.to_string(),
        },
        target: Target {
            id: record.id.to_string(),
            kind: "app".to_owned(),
            name: record.name.clone(),
        },
        data: json!({
            "instance": launch::instance_guid(&record.id, id, *run),
            "index": instance.index,
            "reason": "CRASHED",
            "exit_description": exit.describe(),
        }),
        space: Some(record.space.clone()),
        organization: Some(record.organization.clone()),
        stamps: Stamps {
            created_at: now.wall,
            updated_at: now.wall,
            created_commit: now.commit,
        },
    })
}
