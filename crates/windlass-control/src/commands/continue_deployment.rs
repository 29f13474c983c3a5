//! Continuing a paused deployment, or leaving out its stages that are left.

use serde_json::json;
use windlass_engine::event::Subject;
use windlass_engine::id::ReleaseId;
use windlass_engine::input::Input;
use windlass_engine::records::AppRecord;
use windlass_engine::rejection::Rejection;
use windlass_engine::time::Timestamp;
use windlass_store::NewEvent;

use super::{Caller, recorded};
use crate::clock;
use crate::control::{Control, Extra};
use crate::error::Error;
use crate::history::ReleaseRecord;

impl Control {
    /// Opens the gate of a paused deployment. Who did it, with which client and why is an event of
    /// the same commit.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it is not paused, [`Error::NotFound`].
    pub async fn continue_deployment(
        &self,
        id: &ReleaseId,
        reason: Option<String>,
        caller: &Caller,
        extra: Extra,
    ) -> Result<ReleaseRecord, Error> {
        let input = Input::ContinueRelease(id.clone());
        self.go_on(id, input, reason, caller, extra).await
    }

    /// Takes a deployment by stages to its last stage at once.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it does not move by stages, [`Error::NotFound`].
    pub async fn complete_deployment(
        &self,
        id: &ReleaseId,
        reason: Option<String>,
        caller: &Caller,
        extra: Extra,
    ) -> Result<ReleaseRecord, Error> {
        let input = Input::CompleteRelease(id.clone());
        self.go_on(id, input, reason, caller, extra).await
    }

    async fn go_on(
        &self,
        id: &ReleaseId,
        input: Input,
        reason: Option<String>,
        caller: &Caller,
        extra: Extra,
    ) -> Result<ReleaseRecord, Error> {
        let record = self.release(id)?;
        let own = id.clone();
        let app = record.app.clone();
        let caller = caller.clone();
        let done = self
            .commit_with(&record.app, input, extra, move |tx, _| {
                let mut event = order(&own, &caller, reason.as_deref(), clock::wall());
                event.organization = tx.get::<AppRecord>(&app)?.map(|record| record.organization);
                event.app = Some(app);
                tx.append_event(&event)?;
                recorded(tx, &own)
            })
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

/// The event that says who continued it.
fn order(id: &ReleaseId, caller: &Caller, reason: Option<&str>, at: Timestamp) -> NewEvent {
    let subject = Subject::Release(id.clone());
    let by = &caller.name;
    NewEvent {
        app: None,
        organization: None,
        subject_kind: subject.kind().to_owned(),
        subject: subject.id().to_owned(),
        at,
        kind: "continuing".to_owned(),
        text: match reason {
            Some(reason) => format!("continued by {by}: {reason}"),
            None => format!("continued by {by}"),
        },
        data: json!({ "by": by, "client": caller.client, "reason": reason }),
    }
}
