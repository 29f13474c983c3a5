//! Creating and canceling builds.

use windlass_engine::id::{AppId, BuildId};
use windlass_engine::input::{CreateBuildCommand, Input};
use windlass_engine::records::BuildRecord;
use windlass_store::Tx;

use super::Caller;
use crate::builds::settle_record;
use crate::clock;
use crate::control::{Control, Extra};
use crate::error::Error;

impl Control {
    /// Creates a build. The stamps of `record` are set by the commit.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`].
    pub async fn create_build(
        &self,
        command: CreateBuildCommand,
        record: BuildRecord,
        extra: Extra,
    ) -> Result<BuildRecord, Error> {
        let app = record.app.clone();
        let input = Input::CreateBuild(command);
        let (_, record) = self
            .commit_with(&app, input, extra, move |tx, _| put_new_build(tx, record))
            .await?;
        Ok(record)
    }

    /// Cancels a build.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it is over, [`Error::NotFound`].
    pub async fn cancel_build(
        &self,
        app: &AppId,
        build: &BuildId,
        caller: &Caller,
        extra: Extra,
    ) -> Result<(), Error> {
        let input = Input::CancelBuild {
            build: build.clone(),
            by: caller.name.clone(),
        };
        let id = build.clone();
        self.commit_with(app, input, extra, move |tx, committed| {
            settle_record(tx, &id, &committed.state, None, clock::wall())
        })
        .await?;
        Ok(())
    }
}

/// Writes the record of a build with the stamps of the commit that creates it.
pub(super) fn put_new_build(
    tx: &mut Tx<'_>,
    mut record: BuildRecord,
) -> Result<BuildRecord, Error> {
    let wall = clock::wall();
    record.stamps.created_at = wall;
    record.stamps.updated_at = wall;
    record.stamps.created_commit = tx.commit_number();
    tx.put(&record)?;
    Ok(record)
}
