//! Continuing a paused deployment.

use windlass_engine::id::ReleaseId;
use windlass_engine::input::Input;
use windlass_engine::rejection::Rejection;

use super::recorded;
use crate::control::{Control, Extra};
use crate::error::Error;
use crate::history::ReleaseRecord;

impl Control {
    /// Opens the gate of a paused deployment.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it is not paused, [`Error::NotFound`].
    pub async fn continue_deployment(
        &self,
        id: &ReleaseId,
        extra: Extra,
    ) -> Result<ReleaseRecord, Error> {
        let record = self.release(id)?;
        let input = Input::ContinueRelease(id.clone());
        let own = id.clone();
        let done = self
            .commit_with(&record.app, input, extra, move |tx, _| recorded(tx, &own))
            .await;
        match done {
            Ok((_, record)) => Ok(record),
            Err(Error::Rejected(Rejection::UnknownRelease(_))) => {
                let state = self.release(id)?.release.state;
                Err(Rejection::NotContinuable { state }.into())
            }
            Err(error) => Err(error),
        }
    }
}
