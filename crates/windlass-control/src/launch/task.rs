//! How a task is started.

use windlass_engine::app::AppState;
use windlass_engine::id::TaskId;
use windlass_engine::records::AppRecord;
use windlass_runtime::{Command, LaunchSpec, ProcessSpec, RunKind};

use super::environment::Run;
use super::{Common, limits};
use crate::control::Control;
use crate::error::Error;
use crate::run_name::RunName;
use crate::staging::launch_command;

impl Control {
    pub(super) async fn task_spec(
        &self,
        state: &AppState,
        record: &AppRecord,
        id: &TaskId,
        name: &RunName,
    ) -> Result<LaunchSpec, Error> {
        let task = state.task(id).ok_or(Error::NotFound { what: "task" })?;
        let artifact = self.artifact(&task.artifact)?;
        let directories = self
            .lay_out(&record.id, &artifact, self.run_dir(&name.to_string()))
            .await?;
        let run = Run {
            memory_mb: task.memory_mb,
            sidecar_memory_mb: 0,
            disk_mb: task.disk_mb,
            instance: None,
        };
        let env = self.environment(record, &task.env, &task.bindings, &directories, &run)?;
        let command = launch_command(&directories, &task.command);
        let mut argv = vec![command.program];
        argv.extend(command.arguments);
        let process = ProcessSpec {
            name: task.name.clone(),
            command: Command::Argv(argv),
            env,
            working_dir: "app".into(),
            memory_mb: None,
        };
        let common = Common {
            record,
            name,
            generation: state.plan_generation.0,
            kind: RunKind::Task,
            index: 0,
            source_type: format!("APP/TASK/{}", source_name(&task.name)),
            grace_ms: state.settings.grace_ms,
            limits: limits(task.memory_mb, task.disk_mb, task.log_bytes_per_second),
        };
        self.spec(common, vec![process])
    }
}

/// The name of a task as part of a log's source type, which must not hold blanks.
fn source_name(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_whitespace() || letter == '/' {
                '_'
            } else {
                letter
            }
        })
        .take(100)
        .collect()
}
