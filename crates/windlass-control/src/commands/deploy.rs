//! Creating a deployment.

use windlass_engine::id::{AppId, ReleaseId};
use windlass_engine::input::{CreateBuildCommand, DeployCommand, Input};
use windlass_engine::records::{BuildRecord, SecretValue};
use windlass_store::{ReleaseRow, Tx};

use super::builds::put_new_build;
use crate::commit::{CommitSettings, Committed, apply};
use crate::control::{Control, Extra, put_audit};
use crate::error::Error;
use crate::history::{ReleaseDetail, ReleaseRecord};
use crate::hosts;

/// A deployment to create.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    /// Of which app.
    pub app: AppId,
    /// What the engine is told.
    pub command: DeployCommand,
    /// What only the dialect needs.
    pub detail: ReleaseDetail,
    /// Secret values that the command's edits refer to and that are not stored yet.
    pub secrets: Vec<SecretValue>,
    /// Builds to create with it, usually those that it waits for.
    pub builds: Vec<NewBuild>,
}

/// A build to create.
#[derive(Debug, Clone)]
pub struct NewBuild {
    /// What the engine is told.
    pub command: CreateBuildCommand,
    /// What lists show. Its stamps are set by the commit.
    pub record: BuildRecord,
}

impl Control {
    /// Creates a deployment and the builds that come with it, in one commit: either all of it is
    /// there or nothing. `more` runs in the same commit, after the release is recorded.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`].
    pub async fn deploy<F>(
        &self,
        new: NewDeployment,
        extra: Extra,
        more: F,
    ) -> Result<ReleaseRecord, Error>
    where
        F: FnOnce(&mut Tx<'_>, &Committed, &mut ReleaseDetail) -> Result<(), Error>
            + Send
            + 'static,
    {
        if let Some(state) = self.state(&new.app)? {
            let mut target = state.configuration;
            for edit in &new.command.edits {
                target.apply(edit);
            }
            self.unpack_files(&target).await?;
        }
        let settings = self.commit_settings().clone();
        let control = self.clone();
        let (committed, record) = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                put_audit(tx, extra.audit)?;
                deploy_in(tx, new, &settings, more)
            })
            .await?;
        self.act(&committed);
        Ok(record)
    }

    /// Changes what only the dialect needs of a release (metadata).
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn update_deployment<F>(
        &self,
        id: &ReleaseId,
        change: F,
    ) -> Result<ReleaseRecord, Error>
    where
        F: FnOnce(&mut ReleaseDetail) + Send + 'static,
    {
        let id = id.clone();
        crate::commit::write(self.store(), move |tx| change_detail(tx, &id, change)).await
    }
}

/// Creates a deployment and its builds inside a commit.
pub(super) fn deploy_in<F>(
    tx: &mut Tx<'_>,
    new: NewDeployment,
    settings: &CommitSettings,
    more: F,
) -> Result<(Committed, ReleaseRecord), Error>
where
    F: FnOnce(&mut Tx<'_>, &Committed, &mut ReleaseDetail) -> Result<(), Error>,
{
    let NewDeployment {
        app,
        command,
        mut detail,
        secrets,
        builds,
    } = new;
    let id = command.release.clone();
    for NewBuild { command, record } in builds {
        let created = apply(tx, &app, &Input::CreateBuild(command), Some(settings))?;
        put_new_build(tx, record, &created.state)?;
    }
    let mut committed = apply(tx, &app, &Input::Deploy(command), Some(settings))?;
    for value in &secrets {
        tx.put(value)?;
    }
    more(tx, &committed, &mut detail)?;
    let record = change_detail(tx, &id, |own| *own = detail)?;
    committed.hosts = hosts::claim(tx, &app, &record.detail.hosts)?;
    committed.hosts.extend(hosts::settle(tx, &app)?);
    Ok((committed, record))
}

fn change_detail(
    tx: &mut Tx<'_>,
    id: &ReleaseId,
    change: impl FnOnce(&mut ReleaseDetail),
) -> Result<ReleaseRecord, Error> {
    let row: ReleaseRow = tx.get(id)?.ok_or(Error::NotFound { what: "deployment" })?;
    let mut record = ReleaseRecord::from_row(&row)?;
    change(&mut record.detail);
    tx.put(&record.to_row()?)?;
    Ok(record)
}
