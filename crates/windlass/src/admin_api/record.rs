//! The record of a deployment and of a task, as the command line shows them.

use serde_json::{Map, Value, json};
use windlass_control::history::{InstanceCounts, ReleaseRecord, TaskRecord};
use windlass_engine::configuration::Key;
use windlass_engine::id::ComponentName;
use windlass_engine::records::AppRecord;
use windlass_engine::release::{Outcome, Release, ReleaseState};
use windlass_engine::strategy::Weight;
use windlass_engine::task::TaskState;
use windlass_store::EventRow;

use super::events;
use super::query::stamp;

/// A deployment in one line of a list.
pub(super) fn summary(record: &ReleaseRecord, app: Option<&AppRecord>) -> Value {
    let release = &record.release;
    json!({
        "id": release.id,
        "dialect": app.map(|app| app.dialect.as_str()),
        "app": app_name(record, app),
        "state": release.state_word(),
        "outcome": outcome(release),
        "strategy": release.strategy.as_str(),
        "created_at": stamp(release.created_at),
    })
}

/// The whole record. Its fields are a promise: programs read them.
pub(super) fn deployment(
    record: &ReleaseRecord,
    app: Option<&AppRecord>,
    trail: &[EventRow],
) -> Value {
    let release = &record.release;
    let restore = release.restore.as_ref();
    let canceled = restore.map(|restore| {
        json!({
            "by": restore.by,
            "client": restore.client,
            "reason": restore.reason,
            "at": stamp(restore.at),
        })
    });
    let keys = |keys: Option<&Vec<Key>>| -> Vec<String> {
        keys.into_iter()
            .flatten()
            .map(ToString::to_string)
            .collect()
    };
    let instances = |of: fn(&InstanceCounts) -> (u32, u32)| -> Map<String, Value> {
        let count = |(component, counts): (&ComponentName, &InstanceCounts)| {
            let (all, routable) = of(counts);
            let counts = json!({ "all": all, "routable": routable });
            (component.to_string(), counts)
        };
        record.instances.iter().map(count).collect()
    };
    json!({
        "id": release.id,
        "dialect": app.map(|app| app.dialect.as_str()),
        "app": app_name(record, app),
        "state": release.state_word(),
        "outcome": outcome(release),
        "base": release.base.as_ref().map(|revision| json!({
            "revision": revision,
            "artifact": record.base_artifact,
            "scale": release.base_scale,
            "instances": instances(|counts| (counts.base, counts.base_routable)),
            "note": restore.and_then(|restore| restore.note.clone()),
        })),
        "target": {
            "revision": release.target,
            "artifact": record.target_artifact,
            "scale": release.target_scale,
            "strategy": release.strategy.as_str(),
            "instances": instances(|counts| (counts.target, counts.target_routable)),
            "error": release.error,
        },
        "steps": steps(release),
        "shares": shares(record),
        "cancel": canceled,
        "time_to_safe_ms": restore.and_then(|restore| restore.time_to_safe_us).map(milliseconds),
        "waits_for": record.waits_for,
        "restored": keys(restore.map(|restore| &restore.restored)),
        "not_restored": keys(restore.map(|restore| &restore.not_restored)),
        "not_undone": restore.map(|restore| restore.not_undone.clone()).unwrap_or_default(),
        "cleanup": cleanup(release),
        "events": trail.iter().map(events::event).collect::<Vec<_>>(),
    })
}

fn app_name(record: &ReleaseRecord, app: Option<&AppRecord>) -> String {
    app.map_or_else(|| record.app.to_string(), |app| app.name.clone())
}

/// A task.
pub(super) fn task(record: &TaskRecord, app: Option<&AppRecord>) -> Value {
    let task = &record.task;
    let reason = match &task.state {
        TaskState::Failed { reason } => Some(reason.clone()),
        TaskState::Pending | TaskState::Running | TaskState::Canceling | TaskState::Succeeded => {
            None
        }
    };
    json!({
        "id": task.id,
        "app": app.map_or_else(|| record.app.to_string(), |app| app.name.clone()),
        "name": task.name,
        "sequence": task.sequence,
        "state": task.state.as_str(),
        "reason": reason,
        "cancel": task.cancel.as_ref().map(|cancel| json!({
            "by": cancel.by,
            "client": cancel.client,
            "reason": cancel.reason,
            "at": stamp(cancel.at),
        })),
        "created_at": stamp(task.created_at),
        "updated_at": stamp(task.updated_at),
    })
}

/// The outcome once it is reached; `null` while it is only fixed.
fn outcome(release: &Release) -> Option<&'static str> {
    match &release.state {
        ReleaseState::Finalized { outcome } => Some(outcome.as_str()),
        ReleaseState::Pending
        | ReleaseState::Building
        | ReleaseState::RollingOut { .. }
        | ReleaseState::Paused { .. }
        | ReleaseState::Restoring { .. } => None,
    }
}

fn steps(release: &Release) -> Vec<Value> {
    let now = release.step_index();
    let deployed = matches!(release.outcome(), Some(Outcome::Deployed));
    let row = |(index, step): (usize, &windlass_engine::strategy::Step)| {
        let state = match now {
            _ if deployed => "done",
            Some(current) if index < current => "done",
            Some(current) if index == current => "current",
            Some(_) => "pending",
            None => "left",
        };
        let weight = match &step.weight {
            // What was asked for is whole percent; what is in force is in 1/10,000.
            Weight::Share(share) => json!(share / 100),
            Weight::ByInstances | Weight::ByStepTotal => json!("by instances"),
        };
        json!({ "step": index + 1, "weight": weight, "gate": step.gate, "state": state })
    };
    release.steps.iter().enumerate().map(row).collect()
}

/// Shares in force in 1/10,000: per component those of target, base and leaving versions.
fn shares(record: &ReleaseRecord) -> Value {
    let mut components = Map::new();
    for (component, versions) in &record.shares {
        let (mut target, mut base, mut leaving) = (0_u32, 0_u32, 0_u32);
        for (revision, share) in versions {
            let place = if *revision == record.release.target {
                &mut target
            } else if Some(revision) == record.release.base.as_ref() {
                &mut base
            } else {
                &mut leaving
            };
            *place += u32::from(*share);
        }
        components.insert(
            component.to_string(),
            json!({ "target": target, "base": base, "leaving": leaving }),
        );
    }
    Value::Object(components)
}

fn cleanup(release: &Release) -> String {
    match (
        release.is_finalized() || release.is_restoring(),
        release.cleanup_left,
    ) {
        (false, _) => "not begun".to_owned(),
        (true, 0) => "done".to_owned(),
        (true, left) => format!("{left} still running"),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "52 bits of microseconds are 142 years"
)]
fn milliseconds(micros: u64) -> f64 {
    micros as f64 / 1000.0
}
