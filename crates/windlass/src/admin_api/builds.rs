//! Builds by their own id, where a deployment is one: `windlass deployment show|cancel ID`.

use axum::Json;
use serde_json::{Value, json};
use windlass_control::commands::Caller;
use windlass_control::commands::builds::Repeat;
use windlass_control::control::Extra;
use windlass_engine::id::{BuildId, ReleaseId};
use windlass_engine::records::{AppRecord, BuildRecord, BuildRecordState};
use windlass_store::{EventQuery, EventRow};

use super::Admin;
use super::deployments::ordered;
use super::error::{Answer, Refusal};
use super::events;
use super::peer::Peer;
use super::query::{WaitFor, WaitQuery, stamp};

/// Events in one record.
const EVENT_LIMIT: u32 = 500;

/// A build with what it is shown with.
struct Found {
    record: BuildRecord,
    app: Option<AppRecord>,
    trail: Vec<EventRow>,
    /// Whether something of it runs, or may run yet.
    is_open: bool,
}

/// Its record, after what is waited for.
pub(super) async fn show(admin: &Admin, id: &BuildId, query: &WaitQuery) -> Answer {
    let read = || admin.build_of(id);
    let (found, came) = admin.wait_for(query, read, is_over).await?;
    let mut value = found.value();
    if let Some(came) = came {
        value["waited"] = if came { "came" } else { "not yet" }.into();
    }
    Ok(Json(value))
}

/// Cancels it, and gives its record.
pub(super) async fn cancel(
    admin: &Admin,
    peer: &Peer,
    id: &BuildId,
    reason: Option<String>,
) -> Answer {
    let caller = Caller::from(&peer.principal());
    let text = ordered("Cancelling build", id.as_str(), &caller, reason.as_deref());
    let done = admin
        .control
        .cancel_build(id, reason, &caller, Repeat::Accepted, Extra::default())
        .await?;
    admin.control.write_log(&done.app, "API", text).await;
    Ok(Json(admin.build_of(id)?.value()))
}

/// A build ends once; it never pauses.
fn is_over(found: &Found, what: WaitFor) -> bool {
    match what {
        WaitFor::Outcome | WaitFor::Pause => !found.is_open,
    }
}

impl Found {
    fn value(&self) -> Value {
        let record = &self.record;
        let (state, outcome) = match (&record.state, &record.canceled) {
            (BuildRecordState::Staging, None) => ("building", None),
            (BuildRecordState::Staging, Some(_)) => ("canceling", Some("canceled")),
            (BuildRecordState::Staged { .. }, _) => ("finalized", Some("built")),
            (BuildRecordState::Failed { .. }, _) => ("finalized", Some("failed")),
            (BuildRecordState::Skipped { .. }, _) => ("finalized", Some("skipped")),
            (BuildRecordState::Canceled, _) => ("finalized", Some("canceled")),
        };
        let error = match &record.state {
            BuildRecordState::Failed { error } => Some(error),
            BuildRecordState::Skipped { reason } => Some(reason),
            BuildRecordState::Staging
            | BuildRecordState::Staged { .. }
            | BuildRecordState::Canceled => None,
        };
        json!({
            "id": record.id,
            "dialect": self.app.as_ref().map(|app| app.dialect.as_str()),
            "app": self.app.as_ref().map(|app| app.name.as_str()),
            "state": state,
            "outcome": outcome,
            "error": error,
            "cancel": record.canceled.as_ref().map(|cancel| json!({
                "by": cancel.by,
                "client": cancel.client,
                "reason": cancel.reason,
                "at": stamp(cancel.at),
            })),
            "cleanup": if self.is_open { "running" } else { "done" },
            "events": self.trail.iter().map(events::event).collect::<Vec<_>>(),
            "created_at": stamp(record.stamps.created_at),
        })
    }
}

impl Admin {
    /// A build with this very id.
    pub(super) fn build_named(&self, text: &str) -> Result<Option<BuildId>, Refusal> {
        let id = BuildId::from(text);
        Ok(self.control.find_build(&id)?.map(|_| id))
    }

    /// The release that a finished build opened, if that is not over.
    pub(super) fn release_of_build(&self, id: &BuildId) -> Result<Option<ReleaseId>, Refusal> {
        let Some(record) = self.control.find_build(id)? else {
            return Ok(None);
        };
        let Some(state) = self.control.state(&record.app)? else {
            return Ok(None);
        };
        let made = |revision| {
            let published = state.published.get(revision);
            published.is_some_and(|published| published.build.as_ref() == Some(id))
        };
        let mut open = state.releases.iter().filter(|it| !it.is_finalized());
        Ok(open
            .find(|release| made(&release.target))
            .map(|release| release.id.clone()))
    }

    fn build_of(&self, id: &BuildId) -> Result<Found, Refusal> {
        let record = self
            .control
            .find_build(id)?
            .ok_or_else(|| Refusal::unknown("deployment", id.as_str(), "deployments"))?;
        let state = self.control.state(&record.app)?;
        let builds = state.into_iter().flat_map(|state| state.builds);
        let is_open = builds
            .into_iter()
            .find(|build| build.id == *id)
            .is_some_and(|build| !build.is_finished());
        self.control.store().read(|reader| {
            let trail = EventQuery {
                subject: Some(id.to_string()),
                ..EventQuery::after(None, EVENT_LIMIT)
            };
            Ok(Found {
                app: reader.get::<AppRecord>(&record.app)?,
                trail: reader.events(&trail)?,
                is_open,
                record: record.clone(),
            })
        })
    }
}
