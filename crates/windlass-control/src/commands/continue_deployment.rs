//! Continuing a paused deployment, or leaving out its stages that are left.

use serde_json::json;
use windlass_engine::event::Subject;
use windlass_engine::id::ReleaseId;
use windlass_engine::input::Input;
use windlass_engine::records::AppRecord;
use windlass_engine::rejection::Rejection;
use windlass_engine::release::ReleaseState;
use windlass_engine::time::Timestamp;
use windlass_store::NewEvent;

use super::{Caller, recorded};
use crate::clock;
use crate::commit::apply;
use crate::control::{Control, Extra, put_audit};
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
        self.go_on(id, None, input, reason, caller, extra).await
    }

    /// The same, only if it stands at this step: who saw it there does not open the gate of
    /// another.
    ///
    /// # Errors
    /// [`Error::Rejected`] when it is not paused there, [`Error::NotFound`].
    pub async fn continue_deployment_from(
        &self,
        id: &ReleaseId,
        step: usize,
        reason: Option<String>,
        caller: &Caller,
        extra: Extra,
    ) -> Result<ReleaseRecord, Error> {
        let input = Input::ContinueRelease(id.clone());
        self.go_on(id, Some(step), input, reason, caller, extra)
            .await
    }

    /// Takes a deployment by stages to its last stage at once. When this returns it is in force in
    /// the router.
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
        self.go_on(id, None, input, reason, caller, extra).await
    }

    async fn go_on(
        &self,
        id: &ReleaseId,
        from_step: Option<usize>,
        input: Input,
        reason: Option<String>,
        caller: &Caller,
        extra: Extra,
    ) -> Result<ReleaseRecord, Error> {
        let record = self.release(id)?;
        let own = id.clone();
        let app = record.app.clone();
        let caller = caller.clone();
        let settings = self.commit_settings().clone();
        let (control, in_force) = (self.clone(), matches!(input, Input::CompleteRelease(_)));
        let done = self
            .write(move |tx| {
                control.claim(tx, extra.once.as_ref())?;
                if let Some(step) = from_step {
                    let state = recorded(tx, &own)?.release.state;
                    if state != (ReleaseState::Paused { step }) {
                        return Err(Rejection::NotContinuable { state }.into());
                    }
                }
                let committed = apply(tx, &app, &input, Some(&settings))?;
                put_audit(tx, extra.audit)?;
                let mut event = order(&own, &caller, reason.as_deref(), clock::wall());
                event.organization = tx.get::<AppRecord>(&app)?.map(|record| record.organization);
                event.app = Some(app);
                tx.append_event(&event)?;
                Ok((committed, recorded(tx, &own)?))
            })
            .await;
        if let Ok((committed, _)) = &done {
            if in_force {
                self.act_in_force(committed).await;
            } else {
                self.act(committed);
            }
        }
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
