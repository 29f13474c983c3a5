//! Rows of the audit trail about the life of instances: what happened to an app without anybody
//! asking for it. Only the Cloud Foundry API shows such rows, so only its apps have them.

use serde_json::{Map, Value, json};
use windlass_engine::app::AppState;
use windlass_engine::instance::{ExitReason, Instance, InstancePhase};
use windlass_engine::records::{Actor, AppRecord, AuditEvent, Dialect};

use crate::guid::{self, WEB};
use crate::launch::instance_guid;
use crate::order_events::row;

/// What happened to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Its run ended by itself.
    Crashed,
    /// Its place was lost: it starts at another.
    Rescheduling,
    /// Its readiness check lets it have traffic again.
    Ready,
    /// Its readiness check takes the traffic from it.
    NotReady,
}

impl Turn {
    fn kind(self) -> &'static str {
        match self {
            Self::Crashed => "audit.app.process.crash",
            Self::Rescheduling => "audit.app.process.rescheduling",
            Self::Ready => "audit.app.process.ready",
            Self::NotReady => "audit.app.process.not-ready",
        }
    }

    /// What a commit did to an instance.
    fn of(before: &Instance, after: &Instance) -> Option<Self> {
        use InstancePhase::{Crashed, Running, Starting};

        match (before.phase, after.phase) {
            (
                Running {
                    routable: false, ..
                },
                Running { routable: true, .. },
            ) => Some(Self::Ready),
            (
                Running { routable: true, .. },
                Running {
                    routable: false, ..
                },
            ) => Some(Self::NotReady),
            // The first restarts come at once: the same commit has begun the next run then.
            (Starting | Running { .. }, Crashed { .. } | Starting)
                if after.run > before.run || matches!(after.phase, Crashed { .. }) =>
            {
                let is_lost = after
                    .last_exit
                    .as_ref()
                    .is_some_and(|exit| exit.reason == ExitReason::Lost);
                Some(if is_lost {
                    Self::Rescheduling
                } else {
                    Self::Crashed
                })
            }
            _ => None,
        }
    }
}

/// The rows of a commit. The actor is the process.
pub(crate) fn instance_events(
    record: &AppRecord,
    before: &AppState,
    after: &AppState,
) -> Vec<AuditEvent> {
    if record.dialect != Dialect::CloudFoundry {
        return Vec::new();
    }
    let mut events = Vec::new();
    for instance in after.instances.values() {
        let turn = before
            .instances
            .get(&instance.id)
            .and_then(|old| Some((old, Turn::of(old, instance)?)));
        let Some((old, turn)) = turn else {
            continue;
        };
        let made_by = after
            .revisions
            .get(&instance.revision)
            .and_then(|revision| revision.lineage.as_ref())
            .filter(|_| instance.component.as_str() == WEB);
        let process = made_by.map_or_else(
            || guid::process(&record.id, &instance.component),
            guid::deployed_web_process,
        );
        let process = Actor {
            id: process,
            kind: "process".to_owned(),
            name: instance.component.to_string(),
        };
        let told = data(record, old, instance, turn);
        if turn == Turn::Crashed {
            // The older word for it, which many clients still ask for.
            let app = Actor {
                id: record.id.to_string(),
                kind: "app".to_owned(),
                name: record.name.clone(),
            };
            events.extend(row(record, &app, "app.crash", told.clone()));
        }
        events.extend(row(record, &process, turn.kind(), told));
    }
    events
}

fn data(record: &AppRecord, old: &Instance, instance: &Instance, turn: Turn) -> Value {
    let mut data = Map::new();
    let mut set = |key: &str, value: Value| data.insert(key.to_owned(), value);
    set(
        "instance",
        json!(instance_guid(&record.id, instance.id, old.run)),
    );
    set("index", json!(instance.index));
    if let (Turn::Crashed, Some(exit)) = (turn, &instance.last_exit) {
        set("reason", json!("CRASHED"));
        set("exit_description", json!(exit.describe()));
        set("exit_status", json!(exit.code));
        set("crash_count", json!(instance.crashes));
    }
    Value::Object(data)
}

#[cfg(test)]
mod tests {
    use windlass_engine::id::{InstanceId, RevisionId};
    use windlass_engine::instance::RunExit;
    use windlass_engine::time::{Timestamp, Uptime};

    use super::*;

    fn instance(run: u32, phase: InstancePhase, reason: Option<ExitReason>) -> Instance {
        Instance {
            id: InstanceId(1),
            component: "web".into(),
            revision: RevisionId::from("r"),
            index: 0,
            run,
            phase,
            crashes: 0,
            last_exit: reason.map(RunExit::new),
            since_wall: Timestamp(0),
        }
    }

    #[test]
    fn each_turn_of_an_instance_and_nothing_else() {
        let up = |routable| InstancePhase::Running {
            routable,
            since: Uptime(0),
        };
        let crashed = InstancePhase::Crashed { retry_at: None };
        let first = |phase| instance(1, phase, None);
        let exited = Some(ExitReason::Exited);
        for (before, after, turn) in [
            (first(up(false)), first(up(true)), Some(Turn::Ready)),
            (first(up(true)), first(up(false)), Some(Turn::NotReady)),
            (first(up(true)), first(up(true)), None),
            (first(InstancePhase::Starting), first(up(true)), None),
            (
                first(InstancePhase::Starting),
                first(InstancePhase::Starting),
                None,
            ),
            (
                first(up(true)),
                instance(1, crashed, exited),
                Some(Turn::Crashed),
            ),
            (
                first(InstancePhase::Starting),
                instance(2, InstancePhase::Starting, exited),
                Some(Turn::Crashed),
            ),
            (
                first(up(true)),
                instance(2, InstancePhase::Starting, Some(ExitReason::Lost)),
                Some(Turn::Rescheduling),
            ),
            (
                instance(1, crashed, exited),
                instance(2, InstancePhase::Starting, exited),
                None,
            ),
            (first(up(true)), first(InstancePhase::Stopping), None),
            (
                first(InstancePhase::Restarting),
                instance(2, InstancePhase::Starting, None),
                None,
            ),
        ] {
            assert_eq!(Turn::of(&before, &after), turn, "{before:?} {after:?}");
        }
    }
}
