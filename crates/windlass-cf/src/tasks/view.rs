//! A task as the wire has it.

use serde_json::{Map, Value, json};
use windlass_engine::id::AppId;
use windlass_engine::records::Metadata;
use windlass_engine::task::{Task, TaskState};

use super::request::USER;
use crate::links::Urls;
use crate::metadata;
use crate::time::rfc3339;

/// Longest `result.failure_reason`, characters.
const MAX_FAILURE_CHARS: usize = 4_096;

/// Whether the command is part of the answer. Global lists never show it, nor do answers to
/// callers who may not see secrets, save the answer to a cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Shown.
    Shown,
    /// Left out, key and all.
    Hidden,
}

impl Command {
    /// Shown to who may see secrets.
    pub(crate) fn for_secret_reader(reads_secrets: bool) -> Self {
        if reads_secrets {
            Self::Shown
        } else {
            Self::Hidden
        }
    }
}

/// The word of a state.
pub(crate) fn state_word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Pending => "PENDING",
        TaskState::Running => "RUNNING",
        TaskState::Canceling => "CANCELING",
        TaskState::Succeeded => "SUCCEEDED",
        TaskState::Failed { .. } => "FAILED",
    }
}

/// The whole object.
pub(crate) fn task(
    urls: &Urls,
    app: &AppId,
    task: &Task,
    metadata: &Metadata,
    command: Command,
) -> Value {
    let own = format!("/v3/tasks/{}", task.id);
    let mut wire = Map::new();
    let mut set = |key: &str, value: Value| wire.insert(key.to_owned(), value);
    set("guid", json!(task.id));
    set("created_at", json!(rfc3339(task.created_at)));
    set("updated_at", json!(rfc3339(task.updated_at)));
    set("sequence_id", json!(task.sequence));
    set("name", json!(task.name));
    if command == Command::Shown {
        set("command", json!(task.command));
    }
    set("user", json!(task.user.as_deref().unwrap_or(USER)));
    set("state", json!(state_word(&task.state)));
    set("memory_in_mb", json!(task.memory_mb));
    set("disk_in_mb", json!(task.disk_mb));
    set(
        "log_rate_limit_in_bytes_per_second",
        log_rate(task.log_bytes_per_second),
    );
    set(
        "result",
        json!({"failure_reason": failure_reason(&task.state)}),
    );
    set("droplet_guid", json!(task.artifact));
    set("relationships", json!({"app": {"data": {"guid": app}}}));
    set("metadata", metadata::to_wire(metadata));
    set(
        "links",
        json!({
            "self": urls.href(&own),
            "app": urls.href(&format!("/v3/apps/{app}")),
            "cancel": urls.action(&format!("{own}/actions/cancel"), "POST"),
            "droplet": urls.href(&format!("/v3/droplets/{}", task.artifact)),
        }),
    );
    Value::Object(wire)
}

/// A log rate in bytes per second; -1 = unlimited.
pub(crate) fn log_rate(bytes_per_second: Option<u64>) -> Value {
    bytes_per_second.map_or_else(|| json!(-1), |rate| json!(rate))
}

fn failure_reason(state: &TaskState) -> Option<String> {
    match state {
        TaskState::Failed { reason } => Some(reason.chars().take(MAX_FAILURE_CHARS).collect()),
        TaskState::Pending | TaskState::Running | TaskState::Canceling | TaskState::Succeeded => {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_engine::id::{ArtifactId, CommitNumber, TaskId};
    use windlass_engine::time::Timestamp;

    use super::*;

    fn example(state: TaskState) -> Task {
        Task {
            id: TaskId::from("t"),
            sequence: 3,
            name: "migrate".to_owned(),
            command: "rake db:migrate".to_owned(),
            user: None,
            memory_mb: 64,
            disk_mb: 128,
            log_bytes_per_second: None,
            artifact: ArtifactId::from("d"),
            env: BTreeMap::new(),
            bindings: BTreeMap::new(),
            sidecars: BTreeMap::new(),
            state,
            cancel: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(1_000),
            created_commit: CommitNumber(1),
        }
    }

    fn show(state: TaskState, command: Command) -> Value {
        let urls = Urls::new("https://api");
        task(
            &urls,
            &AppId::from("a"),
            &example(state),
            &Metadata::default(),
            command,
        )
    }

    #[test]
    fn state_words() {
        let words: Vec<&str> = [
            TaskState::Pending,
            TaskState::Running,
            TaskState::Canceling,
            TaskState::Succeeded,
            TaskState::Failed {
                reason: String::new(),
            },
        ]
        .iter()
        .map(state_word)
        .collect();
        assert_eq!(
            words,
            ["PENDING", "RUNNING", "CANCELING", "SUCCEEDED", "FAILED"]
        );
    }

    #[test]
    fn a_whole_task() {
        let failed = TaskState::Failed {
            reason: "task was cancelled".to_owned(),
        };
        assert_eq!(
            show(failed, Command::Shown),
            json!({
                "guid": "t",
                "created_at": "1970-01-01T00:00:00Z",
                "updated_at": "1970-01-01T00:00:01Z",
                "sequence_id": 3,
                "name": "migrate",
                "command": "rake db:migrate",
                "user": "vcap",
                "state": "FAILED",
                "memory_in_mb": 64,
                "disk_in_mb": 128,
                "log_rate_limit_in_bytes_per_second": -1,
                "result": {"failure_reason": "task was cancelled"},
                "droplet_guid": "d",
                "relationships": {"app": {"data": {"guid": "a"}}},
                "metadata": {"labels": {}, "annotations": {}},
                "links": {
                    "self": {"href": "https://api/v3/tasks/t"},
                    "app": {"href": "https://api/v3/apps/a"},
                    "cancel": {"href": "https://api/v3/tasks/t/actions/cancel", "method": "POST"},
                    "droplet": {"href": "https://api/v3/droplets/d"}
                }
            })
        );
    }

    #[test]
    fn a_hidden_command_has_no_key_and_result_is_always_an_object() {
        let shown = show(TaskState::Running, Command::Hidden);
        assert_eq!(shown.get("command"), None);
        assert_eq!(shown["result"], json!({"failure_reason": null}));
    }
}
