//! Use cases that change what an app does: one file each, named after it.
//!
//! Each is: read what is needed, one commit through the engine, routes in force, worker woken,
//! answer. Rights are judged by the dialect before it calls.

pub mod apps;
pub mod builds;
pub mod cancel_deployment;
pub mod checks;
pub mod continue_deployment;
pub mod delete_app;
pub mod deploy;
pub mod deploy_whole;
pub mod edit_app;
mod room;
pub mod run_app;
pub mod site;
pub mod tasks;

use windlass_engine::id::ReleaseId;
use windlass_store::{ReleaseRow, TaskRow, Tx};

use crate::control::Control;
use crate::error::Error;
use crate::history::{ReleaseRecord, TaskRecord};

/// Who gives a command, for the record.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// User name.
    pub name: String,
    /// Client program.
    pub client: Option<String>,
}

impl From<&crate::principal::Principal> for Caller {
    fn from(principal: &crate::principal::Principal) -> Self {
        Self {
            name: principal.user.name.clone(),
            client: Some(principal.client.clone()),
        }
    }
}

/// A release as of the commit that is being made.
pub(crate) fn recorded(tx: &mut Tx<'_>, id: &ReleaseId) -> Result<ReleaseRecord, Error> {
    let row: ReleaseRow = tx.get(id)?.ok_or(Error::NotFound { what: "deployment" })?;
    Ok(ReleaseRecord::from_row(&row)?)
}

impl Control {
    /// A release as it is recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn release(&self, id: &ReleaseId) -> Result<ReleaseRecord, Error> {
        let row: Option<ReleaseRow> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(id)?))?;
        let row = row.ok_or(Error::NotFound { what: "deployment" })?;
        Ok(ReleaseRecord::from_row(&row)?)
    }

    /// A task as it is recorded.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn task(&self, id: &windlass_engine::id::TaskId) -> Result<TaskRecord, Error> {
        let row: Option<TaskRow> = self
            .store()
            .read(|reader| Ok::<_, Error>(reader.get(id)?))?;
        let row = row.ok_or(Error::NotFound { what: "task" })?;
        Ok(TaskRecord::from_row(&row)?)
    }
}
