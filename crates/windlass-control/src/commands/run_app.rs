//! Start, stop, restart.

use uuid::Uuid;
use windlass_engine::id::{AppId, InstanceId, RevisionId};
use windlass_engine::input::{Input, StartCommand};

use crate::commit::Committed;
use crate::control::{Control, Extra};
use crate::error::Error;

impl Control {
    /// Runs an app.
    ///
    /// # Errors
    /// [`Error::Rejected`] without an artifact or quota, [`Error::NotFound`].
    pub async fn start_app(&self, app: &AppId, extra: Extra) -> Result<Committed, Error> {
        let input = Input::Start(StartCommand {
            revision: new_revision(),
        });
        Ok(self.commit_with(app, input, extra, |_, _| Ok(())).await?.0)
    }

    /// Stops an app.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn stop_app(&self, app: &AppId, extra: Extra) -> Result<Committed, Error> {
        Ok(self
            .commit_with(app, Input::Stop, extra, |_, _| Ok(()))
            .await?
            .0)
    }

    /// Runs an app anew.
    ///
    /// # Errors
    /// [`Error::Rejected`] without an artifact or quota, [`Error::NotFound`].
    pub async fn restart_app(&self, app: &AppId, extra: Extra) -> Result<Committed, Error> {
        let input = Input::Restart(StartCommand {
            revision: new_revision(),
        });
        Ok(self.commit_with(app, input, extra, |_, _| Ok(())).await?.0)
    }

    /// Ends one instance; it is started again in its place.
    ///
    /// # Errors
    /// [`Error::Rejected`], [`Error::NotFound`].
    pub async fn restart_instance(
        &self,
        app: &AppId,
        instance: InstanceId,
        extra: Extra,
    ) -> Result<Committed, Error> {
        let input = Input::RestartInstance(instance);
        Ok(self.commit_with(app, input, extra, |_, _| Ok(())).await?.0)
    }
}

pub(crate) fn new_revision() -> RevisionId {
    RevisionId::new(Uuid::new_v4().to_string())
}
