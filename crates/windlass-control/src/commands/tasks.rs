//! Running and canceling tasks.

use std::time::Duration;

use windlass_engine::id::{AppId, TaskId};
use windlass_engine::input::{CancelTaskCommand, Input, RunTaskCommand};
use windlass_engine::records::Metadata;
use windlass_engine::rejection::Rejection;
use windlass_engine::task::TaskState;
use windlass_store::{TaskRow, Tx};

use super::Caller;
use super::apps::{live_app, put_app};
use crate::commit::{apply, write};
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;
use crate::history::TaskRecord;
use crate::observe::to_exit;
use crate::run_name::RunName;

/// How long the answer to a new task waits to show it running, milliseconds.
const START_WAIT_MS: u64 = 500;

impl Control {
    /// Runs a task. Its number is given out here, in the same commit.
    ///
    /// # Errors
    /// [`Error::Rejected`] without an artifact or quota, [`Error::NotFound`].
    pub async fn run_task(
        &self,
        app: &AppId,
        mut command: RunTaskCommand,
        metadata: Metadata,
        extra: Extra,
    ) -> Result<TaskRecord, Error> {
        let id = command.task.clone();
        let settings = self.commit_settings().clone();
        let owner = app.clone();
        let control = self.clone();
        let committed = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                let mut record = live_app(tx, &owner)?;
                record.last_task_sequence += 1;
                command.sequence = record.last_task_sequence;
                put_app(tx, &record)?;
                let task = command.task.clone();
                let committed = apply(tx, &owner, &Input::RunTask(command), Some(&settings))?;
                change_metadata(tx, &task, metadata)?;
                put_audit(tx, extra.audit)?;
                Ok(committed)
            })
            .await?;
        let mut hints = self.store().hints();
        self.act(&committed);
        // Usually the task runs within milliseconds, and the answer shows it.
        let started = async {
            loop {
                let record = self.task(&id)?;
                if record.task.state != TaskState::Pending {
                    return Ok(record);
                }
                if hints.next().await.is_none() {
                    return self.task(&id);
                }
            }
        };
        match tokio::time::timeout(Duration::from_millis(START_WAIT_MS), started).await {
            Ok(record) => record,
            Err(_) => self.task(&id),
        }
    }

    /// Cancels a task. An exit that already lies on disk is taken in first.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it is over, [`Error::NotFound`].
    pub async fn cancel_task(
        &self,
        id: &TaskId,
        reason: Option<String>,
        caller: &Caller,
        extra: Extra,
    ) -> Result<TaskRecord, Error> {
        let app = self.task(id)?.app;
        let run = RunName::Task(id.clone());
        if let Some(exit) = self.driver().exit_on_disk(&run.to_string()).await {
            self.run_ended(&run, to_exit(&exit)).await?;
        }
        let input = Input::CancelTask(CancelTaskCommand {
            task: id.clone(),
            by: caller.name.clone(),
            client: caller.client.clone(),
            reason,
        });
        let owned = id.clone();
        let done = self
            .commit_with(&app, input, extra, move |tx, _| {
                let row: TaskRow = tx.get(&owned)?.ok_or(Error::NotFound { what: "task" })?;
                Ok(TaskRecord::from_row(&row)?)
            })
            .await;
        match done {
            Ok((_, record)) => Ok(record),
            Err(Error::Rejected(Rejection::UnknownTask(_))) => {
                let state = self.task(id)?.task.state;
                Err(Rejection::TaskNotCancelable { state }.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Changes labels and annotations of a task.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_task(&self, id: &TaskId, metadata: Metadata) -> Result<TaskRecord, Error> {
        let id = id.clone();
        write(self.store(), move |tx| change_metadata(tx, &id, metadata)).await
    }
}

fn change_metadata(tx: &mut Tx<'_>, id: &TaskId, metadata: Metadata) -> Result<TaskRecord, Error> {
    let row: TaskRow = tx.get(id)?.ok_or(Error::NotFound { what: "task" })?;
    let mut record = TaskRecord::from_row(&row)?;
    record.metadata = metadata;
    tx.put(&record.to_row()?)?;
    Ok(record)
}
