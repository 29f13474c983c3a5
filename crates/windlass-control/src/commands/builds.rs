//! Creating and canceling builds.

use serde_json::json;
use windlass_engine::app::AppState;
use windlass_engine::build::{BuildOutcome, BuildState};
use windlass_engine::event::Subject;
use windlass_engine::id::BuildId;
use windlass_engine::input::{CreateBuildCommand, Input};
use windlass_engine::limits::REASON_BYTES_MAX;
use windlass_engine::records::{AppRecord, BuildCancel, BuildRecord, BuildRecordState};
use windlass_engine::rejection::Rejection;
use windlass_engine::time::Timestamp;
use windlass_store::{NewEvent, Tx};

use super::Caller;
use crate::clock;
use crate::control::{Control, Extra};
use crate::error::Error;

/// What a cancel of a build that is canceled already comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Accepted as it was, and changes nothing.
    Accepted,
    /// Refused: clients see that it is canceled from the first cancel on.
    Refused,
}

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
            .commit_with(&app, input, extra, move |tx, committed| {
                put_new_build(tx, record, &committed.state)
            })
            .await?;
        Ok(record)
    }

    /// Cancels a build. Who did it, with which client and why is in its record from the same
    /// commit on; what runs of it ends a little later.
    ///
    /// # Errors
    /// [`Error::Rejected`] with what it ended as when it is over, [`Error::NotFound`].
    pub async fn cancel_build(
        &self,
        id: &BuildId,
        reason: Option<String>,
        caller: &Caller,
        repeat: Repeat,
        extra: Extra,
    ) -> Result<BuildRecord, Error> {
        let known = self
            .find_build(id)?
            .ok_or(Error::NotFound { what: "build" })?;
        let input = Input::CancelBuild {
            build: id.clone(),
            by: caller.name.clone(),
        };
        let (own, caller) = (id.clone(), caller.clone());
        let done = self
            .commit_with(&known.app, input, extra, move |tx, _| {
                let wall = clock::wall();
                let mut record: BuildRecord =
                    tx.get(&own)?.ok_or(Error::NotFound { what: "build" })?;
                if record.canceled.is_some() && repeat == Repeat::Refused {
                    let outcome = BuildOutcome::Canceled;
                    let state = BuildState::Finished { outcome };
                    return Err(Rejection::BuildNotCancelable { state }.into());
                }
                if record.canceled.is_none() {
                    note_cancel(&mut record, &caller, reason.as_deref(), wall);
                    tx.put(&record)?;
                    let app: Option<AppRecord> = tx.get(&record.app)?;
                    tx.append_event(&canceled_event(&record, app.as_ref()))?;
                }
                Ok(record)
            })
            .await;
        match done {
            Ok((_, record)) => Ok(record),
            Err(Error::Rejected(Rejection::UnknownBuild(_))) => Err(not_cancelable(&known)),
            Err(error) => Err(error),
        }
    }
}

/// Notes in the record of a build who canceled it. A cancel is never refused for its comment.
pub(super) fn note_cancel(
    record: &mut BuildRecord,
    caller: &Caller,
    reason: Option<&str>,
    at: Timestamp,
) {
    let shortened = |text: &str| text[..text.floor_char_boundary(REASON_BYTES_MAX)].to_owned();
    record.canceled = Some(BuildCancel {
        by: caller.name.clone(),
        client: caller.client.clone(),
        reason: reason.map(shortened),
        at,
    });
    record.stamps.updated_at = at;
}

/// The event that says who canceled a build.
fn canceled_event(record: &BuildRecord, app: Option<&AppRecord>) -> NewEvent {
    let subject = Subject::Build(record.id.clone());
    let cancel = record.canceled.as_ref();
    let by = cancel.map_or("", |cancel| cancel.by.as_str());
    let reason = cancel.and_then(|cancel| cancel.reason.as_deref());
    NewEvent {
        app: Some(record.app.clone()),
        organization: app.map(|app| app.organization.clone()),
        subject_kind: subject.kind().to_owned(),
        subject: subject.id().to_owned(),
        at: record.stamps.updated_at,
        kind: "canceling".to_owned(),
        text: match reason {
            Some(reason) => format!("canceled by {by}: {reason}"),
            None => format!("canceled by {by}"),
        },
        data: json!({
            "by": by,
            "client": cancel.and_then(|cancel| cancel.client.as_deref()),
            "reason": reason,
        }),
    }
}

/// The refusal of a build that the engine has forgotten: it names what it ended as.
fn not_cancelable(record: &BuildRecord) -> Error {
    let outcome = match &record.state {
        BuildRecordState::Staged { .. } => BuildOutcome::Built,
        BuildRecordState::Failed { error } => BuildOutcome::Failed {
            id: "StagingError".to_owned(),
            text: error.clone(),
        },
        BuildRecordState::Skipped { reason } => BuildOutcome::Skipped {
            text: reason.clone(),
        },
        BuildRecordState::Canceled => BuildOutcome::Canceled,
        BuildRecordState::Staging => return Rejection::UnknownBuild(record.id.clone()).into(),
    };
    let state = BuildState::Finished { outcome };
    Rejection::BuildNotCancelable { state }.into()
}

/// Writes the record of a build with the stamps of the commit that creates it.
pub(super) fn put_new_build(
    tx: &mut Tx<'_>,
    mut record: BuildRecord,
    state: &AppState,
) -> Result<BuildRecord, Error> {
    let wall = clock::wall();
    let mut builds = state.builds.iter();
    let begins = builds.any(|build| build.id == record.id && build.holds_slot());
    record.began_at = begins.then_some(wall);
    record.stamps.created_at = wall;
    record.stamps.updated_at = wall;
    record.stamps.created_commit = tx.commit_number();
    tx.put(&record)?;
    Ok(record)
}
