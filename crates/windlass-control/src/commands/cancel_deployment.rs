//! Canceling a deployment: commit, route table, acknowledgement, answer.

use tokio::time::Instant;
use windlass_engine::id::ReleaseId;
use windlass_engine::input::{CancelCommand, Input, Observation};
use windlass_engine::records::AuditEvent;
use windlass_engine::rejection::Rejection;
use windlass_engine::release::Urgency;

use super::{Caller, recorded};
use crate::commit::{Committed, apply};
use crate::control::{Control, Extra, put_audit};
use crate::crash_point::crash_point;
use crate::error::Error;
use crate::history::ReleaseRecord;
use crate::once::Once;

/// How a deployment is to be canceled.
#[derive(Debug, Clone)]
pub struct Cancel {
    /// Why, at most 256 bytes of ASCII.
    pub reason: Option<String>,
    /// How hard.
    pub urgency: Urgency,
    /// What its repeat is known by.
    pub once: Option<Once>,
}

impl Default for Cancel {
    fn default() -> Self {
        Self {
            reason: None,
            urgency: Urgency::CapacitySafe,
            once: None,
        }
    }
}

/// Answer to a cancel.
#[derive(Debug, Clone)]
pub struct Canceled {
    /// The release as of the commit, with its time to safe if that is known already.
    pub record: ReleaseRecord,
    /// From the commit to the acknowledged table in which the target has no traffic,
    /// microseconds; `None` = not yet.
    pub time_to_safe_us: Option<u64>,
}

/// What a cancel did, for the rows of the audit trail that tell it in the same commit.
#[derive(Debug)]
pub struct Told<'a> {
    /// The release as of the commit.
    pub record: &'a ReleaseRecord,
    /// Whether it was not being put back before.
    pub is_first: bool,
}

impl Control {
    /// Cancels a deployment. When this returns, the cancel is durable, and in force in the router
    /// unless `time_to_safe_us` is absent.
    ///
    /// # Errors
    /// [`Error::Rejected`] with the outcome that won, [`Error::NotFound`].
    pub async fn cancel_deployment(
        &self,
        id: &ReleaseId,
        mut cancel: Cancel,
        caller: &Caller,
        extra: Extra,
    ) -> Result<Canceled, Error> {
        cancel.once = cancel.once.or(extra.once);
        self.cancel_deployment_telling(id, cancel, caller, |_| extra.audit)
            .await
    }

    /// The same, with events that are made from what the commit did.
    ///
    /// # Errors
    /// Those of [`Control::cancel_deployment`].
    pub async fn cancel_deployment_telling<F>(
        &self,
        id: &ReleaseId,
        cancel: Cancel,
        caller: &Caller,
        events: F,
    ) -> Result<Canceled, Error>
    where
        F: FnOnce(Told<'_>) -> Vec<AuditEvent> + Send + 'static,
    {
        let record = self.release(id)?;
        let app = record.app.clone();
        let input = Input::CancelRelease(CancelCommand {
            release: id.clone(),
            by: caller.name.clone(),
            client: caller.client.clone(),
            reason: cancel.reason,
            urgency: cancel.urgency,
        });
        let settings = self.commit_settings().clone();
        let target = app.clone();
        let own = id.clone();
        let (control, once) = (self.clone(), cancel.once);
        let (committed, mut record) = self
            .write(move |tx| {
                control.claim(tx, once.as_ref())?;
                let was_restoring = recorded(tx, &own)?.release.is_restoring();
                let committed = apply(tx, &target, &input, Some(&settings))?;
                let record = recorded(tx, &own)?;
                let told = Told {
                    record: &record,
                    is_first: !was_restoring,
                };
                put_audit(tx, events(told))?;
                Ok((committed, record))
            })
            .await
            .map_err(|error| self.name_outcome(id, error))?;
        crash_point!("control-cancel-committed");
        let since = Instant::now();
        let time_to_safe_us = self.make_safe(id, &committed, since).await?;
        if let (Some(restore), Some(micros)) = (&mut record.release.restore, time_to_safe_us) {
            restore.time_to_safe_us.get_or_insert(micros);
        }
        Ok(Canceled {
            record,
            time_to_safe_us,
        })
    }

    /// A release that the engine has forgotten is over: the refusal names its outcome.
    pub(crate) fn name_outcome(&self, id: &ReleaseId, error: Error) -> Error {
        if !matches!(error, Error::Rejected(Rejection::UnknownRelease(_))) {
            return error;
        }
        match self.release(id) {
            Ok(record) => Rejection::NotCancelable {
                state: record.release.state,
            }
            .into(),
            Err(error) => error,
        }
    }

    /// Puts the table of a cancel in force, waits for the routers as long as an answer may take,
    /// and has the engine told when they use it.
    async fn make_safe(
        &self,
        id: &ReleaseId,
        committed: &Committed,
        since: Instant,
    ) -> Result<Option<u64>, Error> {
        let restore = committed
            .state
            .release(id)
            .and_then(|release| release.restore.as_ref());
        let Some(restore) = restore else {
            return Ok(None);
        };
        if restore.safe {
            self.act(committed);
            return Ok(restore.time_to_safe_us);
        }
        let is_zero = restore.zero_generation.is_some();
        let published = self.publish(committed);
        self.publish_hosts(&committed.hosts, committed.commit);
        let position = match published {
            Ok(position) => position,
            Err(error) => {
                // The cancel is durable; the worker publishes again.
                self.note_unpublished(&committed.state.app, &error);
                self.wake(&committed.state.app);
                return Ok(None);
            }
        };
        crash_point!("control-cancel-published");
        self.wake(&committed.state.app);
        if !self.await_acknowledged(position).await || !is_zero {
            self.follow_acknowledgement(&committed.state, position, Some(since));
            return Ok(None);
        }
        crash_point!("control-cancel-acknowledged");
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let (control, release) = (self.clone(), id.clone());
        let app = committed.state.app.clone();
        let generation = committed.state.plan_generation;
        // A fact of its own: the answer does not wait for its commit.
        tokio::spawn(async move {
            control
                .observe(&app, Observation::SafeMeasured { release, micros })
                .await;
            control.acknowledged(&app, generation).await;
        });
        Ok(Some(micros))
    }
}
