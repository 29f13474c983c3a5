//! Tasks: PENDING, RUNNING, CANCELING, then over for ever. From CANCELING a task always fails.

use super::Work;
use crate::event::Subject;
use crate::id::TaskId;
use crate::input::{CancelTaskCommand, RunTaskCommand};
use crate::instance::{ExitReason, RunExit};
use crate::limits;
use crate::rejection::Rejection;
use crate::task::{TASK_CANCELED, TASK_REFUSED, TASK_UNKNOWN, Task, TaskCancel, TaskState};
use crate::time::Timestamp;

impl Work {
    pub(super) fn run_task(&mut self, command: &RunTaskCommand) -> Result<(), Rejection> {
        if self.state.tasks.len() >= limits::TASKS_MAX {
            return Err(Rejection::LimitExceeded {
                what: "unfinished tasks",
                limit: limits::TASKS_MAX as u64,
            });
        }
        if self.state.task(&command.task).is_some() {
            // The same input once more.
            return Ok(());
        }
        let configuration = &self.state.configuration;
        let artifact = command
            .artifact
            .clone()
            .or_else(|| configuration.artifact.clone())
            .ok_or(Rejection::NoArtifact)?;
        let task = Task {
            id: command.task.clone(),
            sequence: command.sequence,
            name: command.name.clone(),
            command: command.command.clone(),
            user: command.user.clone(),
            memory_mb: command.memory_mb,
            disk_mb: command.disk_mb,
            log_bytes_per_second: command.log_bytes_per_second,
            artifact,
            env: configuration.env.clone(),
            bindings: configuration.bindings.clone(),
            sidecars: std::collections::BTreeMap::new(),
            state: TaskState::Pending,
            cancel: None,
            created_at: self.now.wall,
            updated_at: self.now.wall,
            created_commit: self.now.commit,
        };
        self.tell_task(
            &task.id,
            "created",
            format!("task {} was created", task.sequence),
        );
        self.state.tasks.push(task);
        Ok(())
    }

    pub(super) fn cancel_task(&mut self, command: &CancelTaskCommand) -> Result<(), Rejection> {
        let now = self.now;
        let Some(task) = self
            .state
            .tasks
            .iter_mut()
            .find(|task| task.id == command.task)
        else {
            return Err(Rejection::UnknownTask(command.task.clone()));
        };
        match &task.state {
            TaskState::Pending | TaskState::Running => {
                task.state = TaskState::Canceling;
                task.updated_at = now.wall;
                task.cancel = Some(TaskCancel {
                    by: command.by.clone(),
                    client: command.client.clone(),
                    reason: command.reason.clone(),
                    at: now.wall,
                });
                self.tell_task(
                    &command.task,
                    "canceling",
                    format!("canceled by {}", command.by),
                );
                Ok(())
            }
            TaskState::Canceling => Ok(()),
            TaskState::Succeeded | TaskState::Failed { .. } => Err(Rejection::TaskNotCancelable {
                state: task.state.clone(),
            }),
        }
    }

    pub(super) fn cancel_all_tasks(&mut self, by: &str) {
        let open: Vec<TaskId> = self
            .state
            .tasks
            .iter()
            .filter(|task| !task.is_finished())
            .map(|task| task.id.clone())
            .collect();
        for task in open {
            let command = CancelTaskCommand {
                task,
                by: by.to_owned(),
                client: None,
                reason: Some("deleted".to_owned()),
            };
            // Unfinished tasks can always be canceled.
            let canceled = self.cancel_task(&command);
            debug_assert!(canceled.is_ok(), "an unfinished task can be canceled");
        }
    }

    pub(super) fn task_started(&mut self, id: &TaskId) {
        let wall = self.now.wall;
        if let Some(task) = self.state.tasks.iter_mut().find(|task| task.id == *id)
            && task.state == TaskState::Pending
        {
            task.state = TaskState::Running;
            task.updated_at = wall;
            self.tell_task(id, "running", "the task runs");
        }
    }

    pub(super) fn task_exited(&mut self, id: &TaskId, exit: &RunExit) {
        let wall = self.now.wall;
        let Some(task) = self.state.tasks.iter_mut().find(|task| task.id == *id) else {
            return;
        };
        if task.is_finished() {
            return;
        }
        if exit.reason == ExitReason::Lost || task.state == TaskState::Canceling {
            end_lost(task, wall);
        } else {
            let refused =
                task.state == TaskState::Pending && exit.reason == ExitReason::LaunchFailed;
            task.updated_at = wall;
            task.state = if exit.is_success() {
                TaskState::Succeeded
            } else if refused {
                TaskState::Failed {
                    reason: TASK_REFUSED.to_owned(),
                }
            } else {
                TaskState::Failed {
                    reason: format!("APP/TASK/{}: {}", task.name, exit.describe()),
                }
            };
        }
        self.tell_task_end(id);
    }

    /// Ends the tasks that ran when the machine went down.
    pub(super) fn lose_tasks(&mut self) {
        let wall = self.now.wall;
        let mut lost = Vec::new();
        for task in &mut self.state.tasks {
            // A pending task whose run was asked for is reported by its directory before this.
            if matches!(task.state, TaskState::Running | TaskState::Canceling) {
                end_lost(task, wall);
                lost.push(task.id.clone());
            }
        }
        for id in &lost {
            self.tell_task_end(id);
        }
    }

    /// Each task has one end, and it is told once.
    fn tell_task_end(&mut self, id: &TaskId) {
        let Some(task) = self.state.tasks.iter().find(|task| task.id == *id) else {
            return;
        };
        let (kind, text) = match &task.state {
            TaskState::Succeeded => ("succeeded", "the task ended well".to_owned()),
            TaskState::Failed { reason } => ("failed", reason.clone()),
            TaskState::Pending | TaskState::Running | TaskState::Canceling => return,
        };
        self.tell_task(id, kind, text);
    }

    fn tell_task(&mut self, id: &TaskId, kind: &'static str, text: impl Into<String>) {
        self.tell(Subject::Task(id.clone()), kind, text);
    }
}

/// Ends a task of which nothing is known but that nothing of it runs.
fn end_lost(task: &mut Task, wall: Timestamp) {
    let reason = if task.state == TaskState::Canceling {
        TASK_CANCELED
    } else {
        TASK_UNKNOWN
    };
    task.state = TaskState::Failed {
        reason: reason.to_owned(),
    };
    task.updated_at = wall;
}
